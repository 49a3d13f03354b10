"""Gradients of BLOCKED pictures of which rows and columns of others are made: each pixel gets the sum of those of the
pixels that it is a part of, times its share in them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, VECTOR_BYTES
from ....compiler.fields import read_fields, read_row
from ....vectors.simd import broadcast, element, fma, load, store, zeros
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from .backward import BackwardBlobs

ROW_VECTORS = 2048


class Shared(NamedTuple):
    """Of an axis: the rows, or columns, of which each of the bottom's is a part."""

    ranges: int  # table: the Range of each
    offsets: int  # table: where these are in a plane, or row, of dy
    shares: int  # of constants


class Range(NamedTuple):
    first: int
    last: int


class SummedPixels(NamedTuple):
    dy: Strided
    dx: Strided
    down: Shared
    across: Shared
    rows: int  # of dx
    columns: int
    parts: int  # items that share a plane, by its rows


@step_kernel(SummedPixels)
def sum_pixels(arena, weights, tables, at, item, thread):
    """Some rows of one block of channels of one picture: writes dx [rows, columns, LANES], BLOCKED, from dy."""
    f = read_fields(tables, at, SummedPixels)
    plane, part = item // f.parts, item % f.parts
    dy, dx = f.dy.offset + plane * f.dy.plane, f.dx.offset + plane * f.dx.plane
    for r in range(f.rows * part // f.parts, f.rows * (part + 1) // f.parts):
        down = read_row(tables, f.down.ranges, r, Range)
        for c in range(f.columns):
            across, total = read_row(tables, f.across.ranges, c, Range), zeros()
            for h in range(down.first, down.last):
                row, share = dy + tables[f.down.offsets + h], element(weights, f.down.shares + h * FLOAT_BYTES)
                for w in range(across.first, across.last):
                    both = broadcast(share * element(weights, f.across.shares + w * FLOAT_BYTES))
                    total = fma(both, load(arena, row + tables[f.across.offsets + w]), total)
            store(arena, dx + r * f.dx.row + c * VECTOR_BYTES, total)


class Parts(NamedTuple):
    """What the rows, or columns, of a top are made of: `share` of number `source` of the bottom's is a part of number
    `target`. Sources below 0 are none."""

    target: np.ndarray
    source: np.ndarray
    share: np.ndarray


def parts_of_one(sources: np.ndarray) -> Parts:
    """Each is one of the bottom's."""
    return Parts(np.arange(len(sources)), sources, np.ones(len(sources), np.float32))


def emit_sums(emitter: Emitter, blobs: BackwardBlobs, down: Parts, across: Parts) -> None:
    """Emit dx of the first bottom."""
    dy, dx = blobs.top_gradients[0], blobs.bottom_gradients[0]
    rows, columns = dx.four[2:]
    parts = max(1, min(rows, rows * columns // ROW_VECTORS))
    emitter.step(
        sum_pixels, dx.four[0] * dx.planes * parts, dy=dy.strided, dx=dx.strided, rows=rows, columns=columns,
        down=_shared(emitter, down, rows, dy.row), across=_shared(emitter, across, columns, dy.pixel), parts=parts,
    )  # fmt: skip


def _shared(emitter: Emitter, parts: Parts, size: int, step: int) -> Shared:
    order = np.argsort(parts.source, kind="stable")
    ends = np.searchsorted(parts.source[order], np.arange(size + 1))
    return Shared(
        ranges=emitter.table(np.stack([ends[:-1], ends[1:]], axis=1)),
        offsets=emitter.table(parts.target[order] * step), shares=emitter.constant(parts.share[order]),
    )  # fmt: skip
