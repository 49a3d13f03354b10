"""The gradients of a convolution by Winograd's algorithm: its backward steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from .....products.pixel_tile import PANEL
from ....ir.graph import Node, Shape
from ....ops.windows import Window
from ...emitter import ZEROS, Emitter
from ...steps import NO_BLOB, Strided
from ...storage import Halo, Storage, blocks
from ..backward import Backward, BackwardBlobs
from ..filter_gradient import FILTER_GRADIENT_KERNELS, FilterPlaces, add_filter_parts
from ..filters import exchanged_layout, panels_offset
from ..lowered import Context
from ..mask import emit_group_mask, only_masks
from .few_tiles import DEEP_BLOCKS, add_points, sum_points, transform_tiles
from .filters import POINT_GAP, pack_points, point_bytes, points_offset
from .gradients import sum_tiles
from .tilings import Tiling, tiles_per_block

TILE_GRADIENT_KERNELS = (
    sum_tiles, transform_tiles, sum_points, add_points, pack_points, *FILTER_GRADIENT_KERNELS
)  # fmt: skip
# Parts of the pictures: at least the first, items for several threads, and up to the second as long as a part has two
# blocks of tiles. quick's conv3 takes 1.43 ms with 16, 1.26 with 7 (EPYC Zen 5, one thread, 2026-11-28).
FEWEST_PARTS, PICTURE_PARTS = 8, 16
# Of the sums at all points, and tiles: beyond the one and up to the other, all tiles are transformed first.
MANY_SUMS_BYTES, FEW_TILES = 4 << 20, 256


@dataclass(frozen=True)
class TileWork:
    """What the shapes say of the gradients. `output`: the size of dy."""

    window: Window
    tiling: Tiling
    output: Shape

    @property
    def tile_rows(self) -> int:
        """Tiles of a picture, one below the other."""
        return -(-self.output[0] // self.tiling.m)

    @property
    def tile_columns(self) -> int:
        return -(-self.output[1] // self.tiling.m)

    @property
    def halo(self) -> Halo:
        """The zeros that are read around dy."""
        rows, columns = self.output
        return 0, 0, self.tile_rows * self.tiling.m - rows, self.tile_columns * self.tiling.m - columns

    @property
    def channels(self) -> int:
        return blocks(self.window.channels)

    @property
    def outputs(self) -> int:
        return blocks(self.window.outputs)

    @property
    def number(self) -> int:
        return self.tile_rows * self.tile_columns

    @property
    def count(self) -> int:
        """All tiles."""
        return self.window.outer * self.number

    @property
    def sums(self) -> int:
        """Bytes of the sums at all points."""
        points, panels = self.tiling.points, -(-self.outputs // PANEL)
        return points * self.channels * (self.outputs * LANES * VECTOR_BYTES + panels * POINT_GAP)

    @property
    def are_few(self) -> bool:
        """Whether all tiles are transformed first."""
        return self.sums > MANY_SUMS_BYTES and self.count <= FEW_TILES

    def blocks_of(self, count: int) -> int:
        """The tiles of a block of `count`."""
        return tiles_per_block(count, self.channels, self.outputs, self.tiling.points)

    @property
    def together(self) -> int:
        """Pictures of a part."""
        pictures, pairs = self.window.outer, -(-self.count // (2 * self.blocks_of(self.count)))
        return -(-pictures // min(pictures, max(FEWEST_PARTS, min(PICTURE_PARTS, pairs))))

    @property
    def parts(self) -> int:
        return -(-self.window.outer // self.together)

    @property
    def block(self) -> int:
        return self.blocks_of(self.together * self.number)

    @property
    def part(self) -> int:
        """Bytes of a part's sums, of taps and biases."""
        return self.outputs * (self.channels * self.tiling.r**2 * LANES + 1) * VECTOR_BYTES

    @property
    def point(self) -> int:
        """From point to point of all tiles, if they are few."""
        return self.count * VECTOR_BYTES + POINT_GAP

    @property
    def scratch(self) -> int:
        """Bytes of each thread."""
        points = self.tiling.points
        if self.are_few:
            tile = PANEL * LANES * VECTOR_BYTES
            of_filters = points * (tile + POINT_GAP) + self.tiling.r**2 * tile
            of_inputs = PANEL * VECTOR_BYTES + points * (DEEP_BLOCKS * tile + POINT_GAP + PANEL * self.point)
            return 2 * points * VECTOR_BYTES + max(of_filters, of_inputs)
        block = points * ((2 + (self.channels + self.outputs) * self.block) * VECTOR_BYTES + 2 * POINT_GAP)
        return block + self.sums

    @property
    def shared(self) -> int:
        """Bytes that all threads share."""
        if self.are_few:
            return self.tiling.points * (self.channels + self.outputs) * self.point
        return self.parts * self.part


def tiles_backward(context: Context, window: Window, tiling: Tiling, spill: Halo) -> Backward | None:
    """The gradients by `gradients.py` or `few_tiles.py`. None for a group with another operation than a ReLU."""
    node, group = context.group.main, context.group
    if not only_masks(group):
        return None
    work = TileWork(window, tiling, context.tops[0][2:])

    def emit(emitter: Emitter, blobs: BackwardBlobs) -> None:
        emit_group_mask(emitter, group, blobs)
        emit_tile_gradients(emitter, node, work, blobs, *(*blobs.weights[node], None)[:2])

    return Backward(
        emit, halo=work.halo, spill=spill, reads_bottoms=True, reads_tops=group.activation is not None,
        scratch=work.scratch, shared=work.shared,
    )  # fmt: skip


def operands(emitter: Emitter, work: TileWork, blobs: BackwardBlobs, filters: int | None, biases: int | None) -> dict:
    """The fields that both kinds of kernels have."""
    (x,), (dy,), (dx,) = blobs.bottoms, blobs.top_gradients, blobs.bottom_gradients
    window, tiling, planes = work.window, work.tiling, 0 if filters is None else work.channels
    to = FilterPlaces(
        groups=1, merged=1, blocks=work.outputs, outputs=window.outputs, planes=planes,
        taps=tiling.r**2 if planes else 0, pixel=LANES, places=window.channels,
        parts=1 if work.are_few else work.parts, sums=blobs.shared, part=work.part,
        filters=filters or 0, biases=biases or 0, has_biases=biases is not None, scratch=emitter.scratch,
    )  # fmt: skip
    r, c = (np.arange(number) * tiling.m for number in (work.tile_rows, work.tile_columns))
    tiles = [r[:, np.newaxis] * each.row + c * each.pixel for each in (x, dy, dx or x)]
    return {
        "to": to, "x": from_padding(x, window), "channels": work.channels, "dy": dy.strided, "outputs": work.outputs,
        "dx": from_padding(dx, window) if dx else NO_BLOB, "dx_start": dx.memory.offset if dx else -1,
        "tiles": emitter.table(np.stack(tiles, axis=-1)), "number": work.number, "m": tiling.m, "side": tiling.side,
        "places": emitter.table(np.arange(LANES) * FLOAT_BYTES), "scratch": emitter.scratch,
    }  # fmt: skip


def from_padding(storage: Storage, window: Window) -> Strided:
    """Its pixels, from those on that the first tile reads."""
    above, left = window.before
    return storage.strided._replace(offset=storage.first - above * storage.row - left * storage.pixel)


def emit_tile_gradients(
    emitter: Emitter, node: Node, work: TileWork, blobs: BackwardBlobs, filters: int | None, biases: int | None
) -> None:
    """The steps that write dx and add to the gradients at these offsets; each only if wanted."""
    (emit_few if work.are_few else emit_many)(emitter, node, work, blobs, filters, biases)


def emit_many(
    emitter: Emitter, node: Node, work: TileWork, blobs: BackwardBlobs, filters: int | None, biases: int | None
) -> None:
    """Those of `gradients.py`."""
    fields, layout = operands(emitter, work, blobs, filters, biases), exchanged_layout(work.window)
    to, wants_dx = fields["to"], blobs.bottom_gradients[0] is not None
    emitter.step(
        sum_tiles, work.parts, w=points_offset(emitter, node, layout, work.tiling) if wants_dx else ZEROS,
        w_point=point_bytes(layout), pictures=work.window.outer, together=work.together, block=work.block,
        pixels=emitter.table(np.arange(work.block) * VECTOR_BYTES),
        taps=emitter.table(np.arange(work.outputs) * work.block * VECTOR_BYTES), **fields,
    )  # fmt: skip
    if filters is not None or biases is not None:
        emitter.step(add_filter_parts, -(-work.outputs // PANEL) * max(1, to.planes), **to._asdict())


def emit_few(
    emitter: Emitter, node: Node, work: TileWork, blobs: BackwardBlobs, filters: int | None, biases: int | None
) -> None:
    """Those of `few_tiles.py`."""
    wants_dx = blobs.bottom_gradients[0] is not None
    panels = panels_offset(emitter, node, 0, exchanged_layout(work.window), LANES) if wants_dx else ZEROS
    plane = work.tiling.points * work.point
    fields = operands(emitter, work, blobs, filters, biases) | {
        "w": panels, "count": work.count, "point": work.point, "products": blobs.shared,
        "inputs": blobs.shared + work.outputs * plane, "pixels": emitter.table(np.arange(work.count) * VECTOR_BYTES),
        "taps": emitter.table(np.arange(DEEP_BLOCKS) * plane),
    }  # fmt: skip
    emitter.step(transform_tiles, work.outputs + fields["to"].planes, **fields)
    if filters is not None:
        emitter.step(sum_points, -(-work.outputs // PANEL) * work.channels, barrier=not wants_dx, **fields)
    if wants_dx:
        emitter.step(add_points, -(-work.channels // PANEL), **fields)
