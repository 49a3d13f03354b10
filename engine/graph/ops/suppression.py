"""Non-maximum suppression, of the layers that make detections or proposals."""

from __future__ import annotations

import numpy as np

from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1, F2_IN, I1, I1_IN, exact_inline, f32, kernel
from ...team.memory import aligned_zeros
from ...vectors.elementary import HALF, ONE
from ...vectors.simd import broadcast, load, maximum, minimum, reduce_max, store, where_less, zeros

CORNERS = 4  # xmin, ymin, xmax, ymax
SHRINKS_ABOVE = HALF  # the threshold, by eta
BLOCK = (CORNERS + 1) * LANES  # float32 of LANES boxes: their corners and areas


@exact_inline
def area(boxes, a):
    """0 of a box that ends before it begins; NaN where a side is NaN or -inf."""
    width, height = boxes[a, 2] - boxes[a, 0], boxes[a, 3] - boxes[a, 1]
    return width * height if width >= 0 and height >= 0 else width * 0 + height * 0


@exact_inline
def overlaps_kept(boxes, a, own, kept, blocks, threshold):
    """Whether box a, of the area `own`, shares more than `threshold` with one of the boxes in these blocks."""
    x0, y0, x1, y1 = broadcast(boxes[a, 0]), broadcast(boxes[a, 1]), broadcast(boxes[a, 2]), broadcast(boxes[a, 3])
    for block in range(blocks):
        i = block * BLOCK
        width = minimum(x1, load(kept, i + 2 * LANES)) - maximum(x0, load(kept, i))
        height = minimum(y1, load(kept, i + 3 * LANES)) - maximum(y0, load(kept, i + LANES))
        shared = where_less(zeros(), width, width, zeros()) * where_less(zeros(), height, height, zeros())
        share = shared / (broadcast(own) + load(kept, i + CORNERS * LANES) - shared)
        if reduce_max(where_less(broadcast(threshold), share, broadcast(ONE), zeros())) > 0:
            return True
    return False


@kernel(types.i64(F2_IN, I1_IN, f32, f32, F1, I1), fastmath=set())
def suppress(boxes, candidates, threshold, eta, blocks, kept):
    """Of the candidates, best first, those that overlap none kept before by more than `threshold`, as the area of
    their intersection over that of their union; it shrinks by `eta` after each that is kept, while it is above
    SHRINKS_ABOVE. A box with a side that is not finite overlaps none.

    boxes [P, 4], candidates [N]; blocks is scratch of `suppression_scratch`. kept [K]: its first values are written,
    the places of at most K boxes; their number is returned.
    """
    number = 0
    for n in range(candidates.size):
        if number == kept.size:
            break
        a = candidates[n]
        own = area(boxes, a)
        if overlaps_kept(boxes, a, own, blocks, (number + LANES - 1) // LANES, threshold):
            continue
        i, lane = number // LANES * BLOCK, number % LANES
        if lane == 0:
            store(blocks, i + CORNERS * LANES, broadcast(np.float32(np.nan)))  # the lanes without a box overlap none
        for corner in range(CORNERS):
            blocks[i + corner * LANES + lane] = boxes[a, corner]
        blocks[i + CORNERS * LANES + lane] = own
        kept[number] = a
        number += 1
        if eta < 1 and threshold > SHRINKS_ABOVE:
            threshold *= eta
    return number


def suppression_scratch(most: int) -> np.ndarray:
    """For as many boxes that are kept."""
    return aligned_zeros(-(-most // LANES) * BLOCK)


def strongest(scores: np.ndarray, candidates: np.ndarray, most: int | None) -> np.ndarray:
    """The `candidates`, places in `scores`, by falling score, at most so many; of equal scores the first comes first,
    NaN last."""
    found = scores[candidates]
    if most is not None and 0 < most < len(found):
        lowest = -np.partition(-found, most - 1)[most - 1]
        if not np.isnan(lowest):
            candidates = candidates[found >= lowest]
            found = scores[candidates]
    return candidates[np.argsort(-found, kind="stable")][:most]
