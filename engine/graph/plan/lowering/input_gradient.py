"""Gradients of the bottoms of convolutions as plain sums, also of bottoms that are not BLOCKED."""

from __future__ import annotations

from collections.abc import Iterator

from ....compiler.cpu import FLOAT_BYTES, LANES
from ...ir.graph import Node
from ...ir.op import count
from ...ops.windows import Window
from ..emitter import Emitter
from ..storage import Memory, Storage, StorageKind, blocks
from .adjoint import emit_adjoint
from .curves import NO_EPILOGUE
from .filters import no_bias
from .moves import emit_move

TURNED_BYTES = 4 << 20  # of BLOCKED gradients that wait to be moved


def turned_pictures(window: Window) -> int:
    """How many pictures of a gradient that is not BLOCKED are made at a time."""
    picture = blocks(window.channels) * LANES * count(window.size) * FLOAT_BYTES
    return max(1, min(window.outer, TURNED_BYTES // picture))


def turned_bytes(window: Window) -> int:
    """Bytes of them, which all threads share."""
    return turned_pictures(window) * blocks(window.channels) * LANES * count(window.size) * FLOAT_BYTES


def emit_inputs(emitter: Emitter, node: Node, window: Window, dy: Storage, dx: Storage, turned: int) -> None:
    """The steps that write dx from dy, BLOCKED with its `adjoint_halo`. A dx that is not BLOCKED is made so first, at
    the offset `turned`, `turned_bytes` of memory."""
    bias = no_bias(emitter, window.channels)
    if dx.kind is StorageKind.BLOCKED:
        emit_adjoint(emitter, node, window, dy, dx, bias, None, NO_EPILOGUE)
        return
    for first, some in pictures(window.outer, turned_pictures(window)):
        made = Storage((some, *dx.shape[1:]), StorageKind.BLOCKED, Memory(0, 0, 0, turned))
        emit_adjoint(emitter, node, window, some_pictures(dy, first, some), made, bias, None, NO_EPILOGUE)
        emit_move(emitter, made, some_pictures(dx, first, some))


def pictures(number: int, most: int) -> Iterator[tuple[int, int]]:
    """The first one and how many, of the pictures taken `most` at a time."""
    return ((first, min(most, number - first)) for first in range(0, number, most))


def some_pictures(storage: Storage, first: int, some: int) -> Storage:
    memory = Memory(some * storage.picture, 0, 0, storage.memory.offset + first * storage.picture)
    return Storage((some, *storage.shape[1:]), storage.kind, memory, storage.halo, storage.dtype)
