"""The gradients of a convolution by Winograd's algorithm: its backward steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from .....products.pixel_tile import PANEL
from ....ir.graph import Node
from ....ops.windows import Window
from ...emitter import ZEROS, Emitter
from ...steps import NO_BLOB
from ...storage import Halo, Storage, blocks
from ..backward import Backward, BackwardBlobs
from ..filter_gradient import FILTER_GRADIENT_KERNELS, FilterPlaces, add_filter_parts
from ..input_gradient import exchanged_layout
from ..lowered import Context
from ..mask import emit_group_mask, only_masks
from .filters import POINT_GAP, pack_points, point_bytes, points_offset
from .gradients import GradientTile, sum_tiles
from .tilings import Tiling, tiles_per_block

TILE_GRADIENT_KERNELS = (sum_tiles, pack_points, *FILTER_GRADIENT_KERNELS)
PICTURE_PARTS = 16  # of the pictures: items for several threads


@dataclass(frozen=True)
class TileWork:
    """What the shapes say of the gradients. `tile_rows`, `tile_columns`: tiles of a picture."""

    window: Window
    tiling: Tiling
    tile_rows: int
    tile_columns: int

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
    def together(self) -> int:
        """Pictures of a part: at least a block of tiles."""
        pictures, all_tiles = self.window.outer, self.window.outer * self.number
        most = tiles_per_block(all_tiles, self.channels, self.outputs, self.tiling.points)
        return -(-pictures // min(PICTURE_PARTS, pictures, -(-all_tiles // most)))

    @property
    def parts(self) -> int:
        return -(-self.window.outer // self.together)

    @property
    def block(self) -> int:
        return tiles_per_block(self.together * self.number, self.channels, self.outputs, self.tiling.points)

    @property
    def part(self) -> int:
        """Bytes of a part's sums, of taps and biases."""
        return self.outputs * (self.channels * self.tiling.r**2 * LANES + 1) * VECTOR_BYTES

    @property
    def scratch(self) -> int:
        points, panels = self.tiling.points, -(-self.outputs // PANEL)
        block = points * ((2 + (self.channels + self.outputs) * self.block) * VECTOR_BYTES + 2 * POINT_GAP)
        return block + points * self.channels * (self.outputs * LANES * VECTOR_BYTES + panels * POINT_GAP)


def tiles_backward(context: Context, window: Window, tiling: Tiling, spill: Halo) -> Backward | None:
    """The gradients by `gradients.py`. None for a group with another operation than a ReLU."""
    node, group, (rows, columns) = context.group.main, context.group, context.tops[0][2:]
    if not only_masks(group) or node.held.mirrored:
        return None
    work = TileWork(window, tiling, -(-rows // tiling.m), -(-columns // tiling.m))
    halo = (0, 0, work.tile_rows * tiling.m - rows, work.tile_columns * tiling.m - columns)

    def emit(emitter: Emitter, blobs: BackwardBlobs) -> None:
        emit_group_mask(emitter, group, blobs)
        filters, biases = (*blobs.weights[node], None)[:2]
        emit_tiles(emitter, node, work, blobs, filters, biases)

    return Backward(
        emit, halo=halo, spill=spill, reads_bottoms=True, reads_tops=group.activation is not None,
        scratch=work.scratch, shared=work.parts * work.part,
    )  # fmt: skip


def emit_tiles(
    emitter: Emitter, node: Node, work: TileWork, blobs: BackwardBlobs, filters: int | None, biases: int | None
) -> None:
    """The steps that write dx and add to the gradients at these offsets; each only if wanted."""
    (x,), (dy,), (dx,) = blobs.bottoms, blobs.top_gradients, blobs.bottom_gradients
    window, tiling, layout = work.window, work.tiling, exchanged_layout(work.window)
    planes = 0 if filters is None else work.channels
    to = FilterPlaces(
        groups=1, blocks=work.outputs, outputs=window.outputs, planes=planes, taps=tiling.r**2 if planes else 0,
        pixel=LANES, places=window.channels, parts=work.parts, sums=blobs.shared, part=work.part,
        filters=filters or 0, biases=biases or 0, has_biases=biases is not None, scratch=emitter.scratch,
    )  # fmt: skip
    r, c = (np.arange(number) * tiling.m for number in (work.tile_rows, work.tile_columns))

    def offsets(storage: Storage | None) -> np.ndarray:
        return r[:, np.newaxis] * (storage.row if storage else 0) + c * (storage.pixel if storage else 0)

    def from_padding(storage: Storage | None):
        before = window.before
        return (
            storage.strided._replace(offset=storage.first - before[0] * storage.row - before[1] * storage.pixel)
            if storage
            else NO_BLOB
        )

    tiles = GradientTile(x=offsets(x), dy=offsets(dy), dx=offsets(dx))
    emitter.step(
        sum_tiles, work.parts, to=to, x=from_padding(x), channels=work.channels, dy=dy.strided, outputs=work.outputs,
        dx=from_padding(dx), dx_start=dx.memory.offset if dx else -1,
        w=points_offset(emitter, node, layout, tiling) if dx else ZEROS, w_point=point_bytes(layout),
        tiles=emitter.table(np.stack(tiles, axis=-1)), number=work.number, pictures=window.outer,
        together=work.together, block=work.block, m=tiling.m, side=tiling.side,
        pixels=emitter.table(np.arange(work.block) * VECTOR_BYTES),
        taps=emitter.table(np.arange(work.outputs) * work.block * VECTOR_BYTES),
        places=emitter.table(np.arange(LANES) * FLOAT_BYTES), scratch=emitter.scratch,
    )  # fmt: skip
    if filters is not None or biases is not None:
        items = -(-work.outputs // PANEL) * max(1, planes)
        emitter.step(add_filter_parts, items, **to._asdict())
