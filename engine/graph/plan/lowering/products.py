"""Convolution and InnerProduct as sums over taps (`pixel_tile.py`), straight from where the bottom lies.

A tap is a place relative to a pixel. Of a BLOCKED bottom, LANES taps are LANES channels of one pixel; of a PADDED one,
a net's input with a few channels, and of a matrix of odd width each tap stands for itself. Weights are packed for
PANEL blocks of outputs:  [outputs / (PANEL * LANES)][taps][PANEL * LANES].

Threads share items: stretches of pixels, so long that their inputs stay in L2, and some panels of outputs.
"""

from __future__ import annotations

import numpy as np

from ....cpu import LANES, REGISTERS
from ....jit import inline, kernel
from ....pixel_tile import pixel_tile
from ...graph import Node, Shape
from ...op import count
from ...layers.inner_product import inner_product_weights
from ...layers.windows import Window, read_window
from ..emitter import ITEM_MACS, STEP, Emitter
from ..storage import Kind, Storage, blocks
from .lowered import BLOCKED, PLANAR, Context, Lowered, Want

PANEL = 2  # vectors of outputs of a tile
ROWS = 12 if LANES == 16 else 6  # pixels of a tile
NEAR_BYTES = 448 << 10  # of inputs that are used again and again
PLANE_AXES = 2
assert ROWS * PANEL + PANEL + 1 <= REGISTERS, "the accumulators would spill"


@inline
def sum_pixels(
    arena, weights, tables, x, pixels, taps, groups, w, bias, more, more_pixels, more_step, low, y, y_pixels, y_step,
    first, last, vectors, single,
):  # fmt: skip
    """Pixels [first, last) of one panel, in tiles of about the same size."""
    tiles = (last - first + ROWS - 1) // ROWS
    size = groups * (1 if single else LANES) * vectors * LANES
    for tile in range(tiles):
        p, q = first + (last - first) * tile // tiles, first + (last - first) * (tile + 1) // tiles
        ahead = w + size + size * tile // tiles
        if single:
            if vectors == PANEL:
                pixel_tile(arena, weights, tables, x, pixels + p, taps, groups, w, ahead, bias, more, more_pixels + p,
                           more_step, low, y, y_pixels + p, y_step, q - p, 1, ROWS, PANEL)  # fmt: skip
            else:
                pixel_tile(arena, weights, tables, x, pixels + p, taps, groups, w, ahead, bias, more, more_pixels + p,
                           more_step, low, y, y_pixels + p, y_step, q - p, 1, ROWS, 1)  # fmt: skip
        elif vectors == PANEL:
            pixel_tile(arena, weights, tables, x, pixels + p, taps, groups, w, ahead, bias, more, more_pixels + p,
                       more_step, low, y, y_pixels + p, y_step, q - p, LANES, ROWS, PANEL)  # fmt: skip
        else:
            pixel_tile(arena, weights, tables, x, pixels + p, taps, groups, w, ahead, bias, more, more_pixels + p,
                       more_step, low, y, y_pixels + p, y_step, q - p, LANES, ROWS, 1)  # fmt: skip


@kernel(STEP)
def convolve(arena, weights, tables, at, item, thread):
    """A stretch of pixels of some panels of outputs of one group of one picture. `numbers_of` lists the arguments."""
    x, x_picture, x_group, pixels, taps, groups = (
        tables[at], tables[at + 1], tables[at + 2], tables[at + 3], tables[at + 4], tables[at + 5],
    )  # fmt: skip
    w, bias, more, more_picture, more_pixels, more_step = (
        tables[at + 6], tables[at + 7], tables[at + 8], tables[at + 9], tables[at + 10], tables[at + 11],
    )  # fmt: skip
    low, y, y_picture, y_pixels, y_step = (
        weights[tables[at + 12]], tables[at + 13], tables[at + 14], tables[at + 15], tables[at + 16],
    )  # fmt: skip
    conv_groups, group_blocks, size, stretches, chunks, single = (
        tables[at + 17], tables[at + 18], tables[at + 19], tables[at + 20], tables[at + 21], tables[at + 22],
    )  # fmt: skip
    panels = (group_blocks + PANEL - 1) // PANEL
    stretch, rest = item % stretches, item // stretches
    chunk, rest = rest % chunks, rest // chunks
    group, picture = rest % conv_groups, rest // conv_groups
    first, last = size * stretch // stretches, size * (stretch + 1) // stretches
    depth = groups if single else groups * LANES
    for panel in range(panels * chunk // chunks, panels * (chunk + 1) // chunks):
        block = group * group_blocks + panel * PANEL
        added = -1 if more < 0 else more + picture * more_picture + block * more_step
        sum_pixels(
            arena, weights, tables, x + picture * x_picture + group * x_group, pixels, taps, groups,
            w + block * depth * LANES, bias + block * LANES, added, more_pixels, more_step, low,
            y + picture * y_picture + block * y_step, y_pixels, y_step,
            first, last, min(PANEL, group_blocks - panel * PANEL), single,
        )  # fmt: skip


def share_out(items: int, size: int, x_floats: int, panels: int, macs: int, threads: int) -> tuple[int, int]:
    """Stretches of `size` pixels and chunks of `panels`, for `items` that there are anyway (pictures, groups)."""
    stretches = max(1, min(-(-x_floats * 4 // NEAR_BYTES), size // (2 * ROWS)))
    wanted = 1 if threads == 1 else min(8 * threads, max(1, macs // ITEM_MACS))
    chunks = max(1, min(panels, -(-wanted // (items * stretches))))
    if items * stretches * chunks < wanted:
        stretches = max(stretches, min(-(-wanted // (items * chunks)), size // (2 * ROWS)))
    return stretches, chunks


def pack_panels(weights: np.ndarray) -> np.ndarray:
    """[outputs, taps] -> panels of PANEL * LANES outputs, of fewer at the end: [taps, width] each, outputs filled up
    with zeros to whole vectors."""
    outputs, taps = weights.shape
    padded = np.zeros((blocks(outputs) * LANES, taps), np.float32)
    padded[:outputs] = weights
    width = PANEL * LANES
    whole = len(padded) // width * width
    return np.concatenate(
        [
            padded[:whole].reshape(-1, width, taps).transpose(0, 2, 1).reshape(-1),
            padded[whole:].T.reshape(-1),
        ]
    )


def padded_bias(node: Node, outputs: int) -> np.ndarray:
    """The bias, or zeros, in whole vectors."""
    bias = np.zeros(blocks(outputs) * LANES, np.float32)
    if len(node.weights) > 1:
        bias[:outputs] = node.weights[1]
    return bias


def lower_convolution(context: Context) -> Lowered | None:
    """A convolution of pictures whose groups are whole blocks, or that has one group."""
    node = context.group.main
    window = plane_window(context)
    if window is None or (window.group > 1 and (window.channels | window.outputs) // window.group % LANES):
        return None
    if window.group > 1 and (window.outputs // window.group % LANES or window.channels // window.group % LANES):
        return None
    planar = window.channels < LANES
    want = Want(Kind.PADDED if planar else Kind.BLOCKED, halo_of(window, context.tops[0]))

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y = bottoms[0], tops[0]
        channels = window.channels // window.group
        planes = channels if planar else blocks(channels)
        start, taps = taps_of(x, window, range(planes))
        taps_depth = planes * count(window.kernel) * x.pixel
        size = blocks(window.outputs) * LANES * taps_depth

        def pack():
            weights = np.zeros((window.outputs, planes * x.pixel, *window.kernel), np.float32)
            weights[:, :channels] = node.weights[0]
            split = weights.reshape(window.outputs, planes, x.pixel, -1).transpose(0, 1, 3, 2)
            by_group = split.reshape(window.group, window.outputs // window.group, -1)
            return np.concatenate([pack_panels(each) for each in by_group])

        emit_products(
            emitter, context, x.first + start, x.picture, planes * x.plane, x.pixels(window.stride, y.four[2:]),
            taps, x.pixel == 1, emitter.weights(node, size, pack), window.group, window.outputs, bottoms, y,
            window.outer,
        )  # fmt: skip

    return Lowered([want, *more_wants(context)], Kind.BLOCKED, emit, algorithm="direct")


def lower_inner_product(context: Context) -> Lowered | None:
    """Rows are the pixels of one picture."""
    node, bottom, top = context.group.main, context.bottoms[0], context.tops[0]
    if len(top) != PLANE_AXES:
        return None
    (rows, outputs), depth = top, count(bottom, 1)
    single = depth % LANES > 0
    wide = (
        inner_product_weights(node, context.bottoms)[0] == (depth, outputs)
        and node.message.inner_product_param.transpose
    )

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y = bottoms[0], tops[0]
        taps = np.arange(0, depth, 1 if single else LANES)

        def pack():
            return pack_panels(node.weights[0].T if wide else node.weights[0].reshape(outputs, depth))

        w = emitter.weights(node, blocks(outputs) * LANES * depth, pack)
        emit_products(
            emitter, context, x.first, 0, 0, np.arange(rows) * depth, taps, single, w, 1, outputs, bottoms, y, 1,
            y_pixels=np.arange(rows) * y.picture,
        )  # fmt: skip

    return Lowered([PLANAR, *more_wants(context)], Kind.BLOCKED, emit)


def emit_products(
    emitter: Emitter, context: Context, x: int, x_picture: int, x_group: int, pixels: np.ndarray, taps: np.ndarray,
    single: bool, w: int, groups: int, outputs: int, bottoms: list[Storage], y: Storage, pictures: int, y_pixels=None,
) -> None:  # fmt: skip
    """The step of `convolve`."""
    node, more = context.group.main, bottoms[-1] if context.group.more else None
    bias = emitter.weights(node, blocks(outputs) * LANES, lambda: padded_bias(node, outputs))
    inner = [0, 0, 0, 0] if more is None else [
        more.first, more.picture, emitter.table(more.pixels() if y_pixels is None else y_pixels), more.plane,
    ]  # fmt: skip
    if more is None:
        inner[0] = -1
    group_blocks = blocks(outputs // groups)
    depth = len(taps) * (1 if single else LANES)
    stretches, chunks = share_out(
        pictures * groups, len(pixels), len(pixels) * len(taps) // max(1, count(window_size(context))) * (1 if single else LANES),
        -(-group_blocks // PANEL), pictures * len(pixels) * depth * outputs, emitter.threads,
    )  # fmt: skip
    numbers = [
        x, x_picture, x_group, emitter.table(pixels), emitter.table(taps), len(taps), w, bias, *inner,
        emitter.low if context.group.rectified else emitter.no_low,
        y.first, y.picture, emitter.table(y.pixels() if y_pixels is None else y_pixels), y.plane,
        groups, group_blocks, len(pixels), stretches, chunks, int(single),
    ]  # fmt: skip
    emitter.step(convolve, numbers, pictures * groups * stretches * chunks)


def window_size(context: Context) -> Shape:
    """The kernel of a convolution, () of other products."""
    return read_window(context.group.main, context.bottoms[:1]).kernel if len(context.tops[0]) > PLANE_AXES else ()


def plane_window(context: Context) -> Window | None:
    """The window of a convolution of one bottom [N, C, H, W] over H and W."""
    node = context.group.main
    if len(node.bottoms) != 1 or len(context.bottoms[0]) != 2 + PLANE_AXES:
        return None
    window = read_window(node, context.bottoms[:1])
    return window if len(window.size) == PLANE_AXES else None


def halo_of(window: Window, top: Shape) -> tuple[int, int, int, int]:
    """The padding that the windows touch: none below or to the right where no window gets there."""
    reach = [
        max(0, (out - 1) * s + e - p - i)
        for out, s, e, p, i in zip(top[-2:], window.stride, window.extent, window.pad, window.size, strict=True)
    ]
    return (*window.pad, *reach)


def taps_of(x: Storage, window: Window, planes: range) -> tuple[int, np.ndarray]:
    """Where the first tap of the first output lies, relative to the first pixel, and all taps relative to that."""
    down, right = (np.arange(k) * d for k, d in zip(window.kernel, window.dilation, strict=True))
    inside = (down[:, np.newaxis] * x.row + right * x.pixel).reshape(-1)
    start = -window.pad[0] * x.row - window.pad[1] * x.pixel
    return start, (np.array(planes)[:, np.newaxis] * x.plane + inside).reshape(-1)


def more_wants(context: Context) -> list[Want]:
    return [BLOCKED] if context.group.more else []
