"""Dropout of the TRAIN phase on blobs as they are stored: values that are dropped are multiplied by 0.

The numbers that decide are those of the layer's own code, by a value's place in Caffe's layout, so that neither threads
nor storage matter. A bit per value is kept for the gradient, in a word per vector.
"""

from __future__ import annotations

from typing import NamedTuple

from ....compiler.cpu import LANES, VECTOR_BYTES
from ....compiler.fields import read_fields, read_row
from ....compiler.jit import inline
from ....parameters.philox import BLOCK_NUMBERS, Stream, bits_of_block, least_of
from ....vectors.bits import WORD_BYTES, store_word, where_bits, word
from ....vectors.simd import broadcast, element, load, store, zeros
from ...ir.graph import Shape
from ...ir.op import count
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import NO_HALO, Storage, StorageKind, blocks, same_memory
from .backward import Backward, BackwardBlobs
from .lowered import AS_STORED, Context, Lowered, Lowering
from .rows import SharedRows, row_size, rows_of_item, share_rows


class DroppedRows(NamedTuple):
    x: Strided
    y: Strided
    shared: SharedRows
    bits: int  # offset of a word for each vector, those of rows and planes behind each other
    scale: int  # of a constant: what values that are kept are multiplied by
    stream: int  # table of a Stream; -1: the bits are there
    least: int  # of numbers of the stream whose values are kept
    blocks: int  # of channels of a picture; 0: values lie as in Caffe
    channels: int


@step_kernel(DroppedRows)
def drop_rows(arena, weights, tables, at, item, thread):
    """Some rows: writes y, which may be x."""
    f = read_fields(tables, at, DroppedRows)
    some, scale = rows_of_item(f.shared, item), broadcast(element(weights, f.scale))
    columns = f.shared.size // VECTOR_BYTES
    for plane in range(some.plane, some.plane_end):
        first = some.first * columns
        bits = f.bits + plane * f.shared.rows * columns * WORD_BYTES
        number = (some.end - some.first - 1) * columns + row_size(f.shared, some.end - 1) // VECTOR_BYTES
        if f.stream >= 0 and f.blocks == 0:
            draw_vectors(arena, read_row(tables, f.stream, 0, Stream), f.least, bits, first, number)
        elif f.stream >= 0:
            draw_pixels(arena, read_row(tables, f.stream, 0, Stream), f, bits, plane, first, number)
        for row in range(some.first, some.end):
            x, y = f.x.offset + plane * f.x.plane + row * f.x.row, f.y.offset + plane * f.y.plane + row * f.y.row
            own = bits + row * columns * WORD_BYTES
            for c in range(row_size(f.shared, row) // VECTOR_BYTES):
                kept = where_bits(word(arena, own + c * WORD_BYTES), scale, zeros())
                store(arena, y + c * VECTOR_BYTES, load(arena, x + c * VECTOR_BYTES) * kept)


@inline
def draw_vectors(arena, stream, least, bits, first, number):
    """The words of vectors of values that lie behind each other."""
    for v in range(first, first + number):
        found, start = 0, v * LANES
        for i in range(0, LANES, BLOCK_NUMBERS):
            found |= (bits_of_block(stream, (start + i) // BLOCK_NUMBERS, least) >> (start + i) % BLOCK_NUMBERS) << i
        store_word(arena, bits + v * WORD_BYTES, found)


@inline
def draw_pixels(arena, stream, f, bits, plane, first, number):
    """The words of pixels of a block of channels, channel by channel."""
    pixels = f.shared.rows * (f.shared.size // VECTOR_BYTES)
    picture, c = plane // f.blocks, plane % f.blocks * LANES
    for p in range(first, first + number):
        store_word(arena, bits + p * WORD_BYTES, 0)
    for lane in range(min(LANES, f.channels - c)):
        start, found = (picture * f.channels + c + lane) * pixels, 0
        for p in range(first, first + number):
            place = (start + p) % BLOCK_NUMBERS
            if place == 0 or p == first:
                found = bits_of_block(stream, (start + p) // BLOCK_NUMBERS, f.least)
            own = bits + p * WORD_BYTES
            store_word(arena, own, word(arena, own) | (found >> place & 1) << lane)


def lower_dropout(context: Context) -> Lowered | None:
    node, shape = context.group.main, context.bottoms[0]
    ratio = node.attributes.dropout_ratio
    if node.phase == "TEST" or not 0 <= ratio < 1:
        return None
    scale = 1 / (1 - ratio) if node.attributes.scale_train else 1.0

    def emit_rows(emitter: Emitter, x: Storage, y: Storage, bits: int, stream: int) -> None:
        as_in_caffe = x.kind is StorageKind.PLANAR or (same_memory(x.shape) and x.halo == y.halo == NO_HALO)
        shared, items, (from_x, to_y) = share_rows(x, y, by_plane=not as_in_caffe)
        emitter.step(
            drop_rows, items, x=from_x, y=to_y, shared=shared, bits=bits, scale=emitter.constant([scale]),
            stream=stream, least=least_of(ratio), blocks=0 if as_in_caffe else x.planes, channels=x.four[1],
        )  # fmt: skip

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        bits = emitter.kept if emitter.kept >= 0 else emitter.scratch.offset
        emit_rows(emitter, bottoms[0], tops[0], bits, emitter.drawn(node))

    def emit_back(emitter: Emitter, blobs: BackwardBlobs) -> None:
        dy, dx = blobs.top_gradients[0], blobs.bottom_gradients[0]
        emit_rows(emitter, dy, dx, blobs.kept, -1)

    size = word_bytes(shape)
    backward = Backward(emit_back, None, in_place=True)
    return Lowered([AS_STORED], None, emit, shared_scratch=size, kept=size, in_place=True, backward=backward)


def word_bytes(shape: Shape) -> int:
    """A word for each vector, however these lie."""
    vectors = -(-count(shape) // LANES)
    return max(vectors, count(shape[:1]) * blocks(count(shape[1:2])) * count(shape, 2)) * WORD_BYTES


DROPOUT = Lowering(lower_dropout, kernels=(drop_rows,), any_rank=True, backward_kernels=(drop_rows,))
