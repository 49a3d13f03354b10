"""MultiBoxLoss: SSD's loss, of the boxes and classes that a net gives for its priors, by the true boxes of the images.

1. Matching: again and again the true box and the prior that overlap most, of those that have no partner; then of each
   other prior the true box that it overlaps most, if by overlap_threshold or more.
2. Negatives: of the priors without a true box that overlap none by neg_overlap or more, those whose classes are the
   furthest off, neg_pos_ratio times as many as have one.
3. The loss is that of the boxes of matched priors, loc_weight times smooth L1 (or half the square) of the differences
   from where they ought to be, plus that of the classes of these and the negatives, by Softmax; over the matched ones.

The fourth bottom [1, 1, boxes, 8] holds (image, label, -, xmin, ymin, xmax, ymax, difficult); the image -1 fills it up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run, count
from .checks import at_most_four_axes, propagated, whole_numbers
from .detection import CENTER_SIZE, CORNER, CORNER_SIZE
from .losses import NORMALIZE_VALID, divisor, write
from .smooth_l1_loss import NO_SIGMA, smooth_l1, smooth_l1_slope

L2, SMOOTH_L1 = range(2)  # LocLossType
BY_SOFTMAX = 0  # ConfLossType
BIPARTITE, PER_PREDICTION = range(2)  # MatchType
MAX_NEGATIVE = 1  # MiningType
TRUTH = 8  # numbers of a true box
NO_OVERLAP = 1e-6
MOST_PAIRS = 1 << 27  # of priors and true boxes, whose overlaps are computed at once


@dataclass(frozen=True)
class MultiBoxLoss:
    """With the names and values of its fields. `normalization`: the divisor, one of NORMALIZE_*."""

    loc_loss_type: int = SMOOTH_L1
    conf_loss_type: int = BY_SOFTMAX
    loc_weight: float = 1.0
    num_classes: int = 0
    share_location: bool = True
    match_type: int = PER_PREDICTION
    overlap_threshold: float = 0.5
    use_prior_for_matching: bool = True
    background_label_id: int = 0
    use_difficult_gt: bool = True
    do_neg_mining: bool | None = None
    neg_pos_ratio: float = 3.0
    neg_overlap: float = 0.5
    code_type: int = CORNER
    encode_variance_in_target: bool = False
    map_object_to_agnostic: bool = False
    ignore_cross_boundary_bbox: bool = False
    bp_inside: bool = False
    mining_type: int = MAX_NEGATIVE
    normalization: int = NORMALIZE_VALID


ONLY = {  # attribute -> the value that is supported, as it is written
    "conf_loss_type": (BY_SOFTMAX, "SOFTMAX"),
    "share_location": (True, "true"),
    "use_prior_for_matching": (True, "true"),
    "map_object_to_agnostic": (False, "false"),
    "ignore_cross_boundary_bbox": (False, "false"),
    "bp_inside": (False, "false"),
    "mining_type": (MAX_NEGATIVE, "MAX_NEGATIVE"),
}


@dataclass(frozen=True)
class Matched:
    """What the loss of a batch counts: `places` [n, 2] (image, prior) of matched priors, `truths` [n, 4] their true
    boxes, `chosen` [m, 2] those whose classes count, with the `labels` [m] that they ought to have."""

    places: np.ndarray
    truths: np.ndarray
    chosen: np.ndarray
    labels: np.ndarray


def multibox_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    parameter, (locations, classes, priors, truth) = node.attributes, bottoms
    at_most_four_axes(node, bottoms)
    for name, (value, text) in ONLY.items():
        if getattr(parameter, name) != value:
            raise node.error(f"has another {name} than {text}", "that one: others are not supported")
    if parameter.do_neg_mining is False:
        raise node.error("has do_neg_mining: false", "true: without negatives it is not supported")
    if not 0 <= parameter.background_label_id < parameter.num_classes:
        found = f"num_classes {parameter.num_classes} and background_label_id {parameter.background_label_id}"
        raise node.error(found, "a label below the number of classes")
    if not 0 <= parameter.neg_pos_ratio < np.inf:
        raise node.error(f"neg_pos_ratio {parameter.neg_pos_ratio:g}", "a number from 0")
    images, boxes = locations[0] if locations else 0, count(priors) // 8
    fits = count(priors) == boxes * 8 and len(truth) == 4 and (truth[0], truth[1], truth[3]) == (1, 1, TRUTH)
    sizes = images * boxes * 4, images * boxes * parameter.num_classes
    if not fits or not classes or classes[0] != images or (count(locations), count(classes)) != sizes:
        found = f"bottoms of shapes {', '.join(str(list(bottom)) for bottom in bottoms)}"
        raise node.error(found, "[N, priors * 4], [N, priors * classes], [1, 2, priors * 4], [1, 1, boxes, 8]")
    if boxes * truth[2] > MOST_PAIRS:
        raise node.error(f"{boxes} priors and {truth[2]} true boxes", f"at most {MOST_PAIRS} pairs")
    return [()] * len(node.tops)


def overlaps(priors: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Area of the intersection over that of the union, [P, G]; 0 for next to nothing."""
    low = np.maximum(priors[:, None, :2], truths[:, :2])
    high = np.minimum(priors[:, None, 2:], truths[:, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)
    areas = [np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=1) for boxes in (priors, truths)]
    found = shared / np.where(shared > 0, areas[0][:, None] + areas[1] - shared, 1)
    return np.where(found > NO_OVERLAP, found, 0)


def match(parameter: MultiBoxLoss, found: np.ndarray) -> np.ndarray:
    """The true box of each prior, -1 for none, by their overlaps [P, G]."""
    partners, free = np.full(len(found), -1), found.copy()
    for _ in range(min(found.shape)):
        prior, truth = np.unravel_index(free.argmax(), free.shape)
        if free[prior, truth] <= 0:
            break
        partners[prior] = truth
        free[prior], free[:, truth] = 0, 0
    if parameter.match_type == PER_PREDICTION and found.shape[1]:
        best = found.argmax(axis=1)
        highest = found.max(axis=1)
        near = (partners < 0) & (highest > 0) & (highest >= parameter.overlap_threshold)
        partners[near] = best[near]
    return partners


def class_losses(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """-log of Softmax of each row [n, classes] at its label."""
    highest = scores.max(axis=1, keepdims=True)
    sums = np.log(np.exp(scores - highest).sum(axis=1))
    return sums - np.take_along_axis(scores - highest, labels[:, None], 1)[:, 0]


def matched_priors(node: Node, scores: np.ndarray, priors: np.ndarray, truth: np.ndarray) -> Matched:
    """scores [N, P, classes], priors [P, 4], truth [boxes, 8]. Raises node.error for labels and images that there are
    not."""
    parameter, background = node.attributes, node.attributes.background_label_id
    images = whole_numbers(node, 3, truth[:, 0], len(scores), ignored=-1)
    labels = whole_numbers(node, 3, np.where(images < 0, 0, truth[:, 1]), parameter.num_classes)
    counts = parameter.use_difficult_gt | (truth[:, 7] == 0)
    none = np.empty((0, 2), np.int64)  # where there are no images
    places, truths, chosen, wanted = [none], [np.empty((0, 4), np.float32)], [none], [none[:, 0]]
    for image, of_image in enumerate(scores):
        own = np.flatnonzero((images == image) & counts)
        found = overlaps(priors, truth[own, 3:7])
        partners = match(parameter, found)
        positive = np.flatnonzero(partners >= 0)
        negative = np.flatnonzero((partners < 0) & (found.max(axis=1, initial=0) < parameter.neg_overlap))
        losses = class_losses(of_image[negative], np.full(len(negative), background))
        most = int(min(parameter.neg_pos_ratio * len(positive), len(negative)))
        hardest = negative[np.argsort(-losses, kind="stable")[:most]]
        places.append(np.stack([np.full(len(positive), image), positive], axis=1))
        truths.append(truth[own[partners[positive]], 3:7])
        both = np.concatenate([positive, hardest])
        chosen.append(np.stack([np.full(len(both), image), both], axis=1))
        wanted.append(np.concatenate([labels[own[partners[positive]]], np.full(most, background)]))
    return Matched(*map(np.concatenate, (places, truths, chosen, wanted)))


def encoded(parameter: MultiBoxLoss, truths: np.ndarray, priors: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """What the net ought to give for its priors, all [n, 4]."""
    sizes, whole = priors[:, 2:] - priors[:, :2], truths[:, 2:] - truths[:, :2]
    if parameter.code_type == CENTER_SIZE:
        centers = (truths[:, :2] + truths[:, 2:] - priors[:, :2] - priors[:, 2:]) / 2
        target = np.concatenate([centers / sizes, np.log(whole / sizes)], axis=1)
    elif parameter.code_type == CORNER_SIZE:
        target = (truths - priors) / np.concatenate([sizes, sizes], axis=1)
    else:
        target = truths - priors
    return target if parameter.encode_variance_in_target else target / variances


def off_target(parameter: MultiBoxLoss, matched: Matched, locations: np.ndarray, priors: np.ndarray) -> np.ndarray:
    """[n, 4]: how far off the boxes of the matched priors are. locations [N, P, 4], priors [2, P, 4]."""
    image, prior = matched.places.T
    return locations[image, prior] - encoded(parameter, matched.truths, priors[0, prior], priors[1, prior])


def prepared(node: Node, bottoms: list[Shape]):
    """A function of the inputs: what is matched, the differences of boxes, the scores, the divisor; and whether
    propagate_down lets the terms of boxes and of classes count: it switches them in the forward run as well."""
    parameter, images = node.attributes, bottoms[0][0]
    switches = propagated(node)[:2] or (True, True)

    def parts(inputs):
        priors, truth = inputs[2].reshape(2, -1, 4), inputs[3].reshape(-1, TRUTH)
        sizes = images, priors.shape[1]
        locations, scores = inputs[0].reshape(*sizes, 4), inputs[1].reshape(*sizes, parameter.num_classes)
        matched = matched_priors(node, scores, priors[0], truth)
        whole = divisor(parameter.normalization, images, priors.shape[1], len(matched.places))
        return matched, off_target(parameter, matched, locations, priors), scores, whole

    return parts, switches


def prepare_multibox(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    parameter, (parts, (boxes_count, classes_count)) = node.attributes, prepared(node, bottoms)

    def run(inputs, outputs):
        matched, off, scores, whole = parts(inputs)
        terms = smooth_l1(off, NO_SIGMA) if parameter.loc_loss_type == SMOOTH_L1 else off * off / 2
        image, prior = matched.chosen.T
        of_classes = class_losses(scores[image, prior], matched.labels).sum(dtype=np.float64)
        of_boxes = parameter.loc_weight * terms.sum(dtype=np.float64)
        write(outputs, (boxes_count * of_boxes + classes_count * of_classes) / whole)

    return run


def multibox_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """0 for priors that do not count."""
    parameter, (parts, _) = node.attributes, prepared(node, bottoms)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        matched, off, scores, whole = parts(inputs)
        factor = np.float32(output_gradients[0] / whole)
        if (dx := input_gradients[0]) is not None:
            dx.fill(0)
            slope = smooth_l1_slope(off, NO_SIGMA) if parameter.loc_loss_type == SMOOTH_L1 else off
            dx.reshape(*scores.shape[:2], 4)[tuple(matched.places.T)] = (
                slope * np.float32(parameter.loc_weight) * factor
            )
        if (dx := input_gradients[1]) is not None:
            dx.fill(0)
            places = tuple(matched.chosen.T)
            powers = np.exp(scores[places] - scores[places].max(axis=1, keepdims=True))
            powers /= powers.sum(axis=1, keepdims=True)
            powers[np.arange(len(powers)), matched.labels] -= 1
            dx.reshape(scores.shape)[places] = powers * factor

    return back


OPS = (
    Op(
        "MultiBoxLoss", multibox_shapes, prepare_multibox, bottoms=(4, 4), tops=(0, 1),
        gradient=Gradient(multibox_back, labels=(2, 3), loss=True),
    ),
)  # fmt: skip
