"""Lowerings by layer type, one file per family, imported with the first layer of a type."""

from __future__ import annotations

import functools
import importlib

from ...ir.graph import FLOAT32, PICTURE_AXES
from ...ir.op import no_curve
from ...ops import piecewise, smooth
from ...ops.arrangement import PERMUTES
from ...ops.shuffle import ORDERS
from ...ops.strided_slice import RANGES
from ..groups import CONVOLUTIONS
from .lowered import Context, Lowered, Lowering

# Of each type, in order of preference: the first that does not return None is used. Module and name.
LOWERINGS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(CONVOLUTIONS, ("winograd.WINOGRAD", "depthwise.DEPTHWISE", "convolution.DIRECT")),
    "Deconvolution": ("deconvolution.TILES", "deconvolution.LANES_ALONE", "deconvolution.SUMS"),
    "InnerProduct": ("inner_product.INNER_PRODUCT",),
    "Pooling": ("pooling.POOLING",),
    "ROIPooling": ("region_pooling.REGION_POOLING",),
    "Eltwise": ("eltwise.ELTWISE",),
    "Axpy": ("axpy.AXPY",),
    "Dropout": ("dropout.DROPOUT",),
    "LRN": ("lrn.ACROSS_CHANNELS", "lrn_within.WITHIN_CHANNELS"),
    "Softmax": ("softmax.SOFTMAX",),
    "SoftmaxWithLoss": ("softmax_loss.SOFTMAX_LOSS",),
    "EuclideanLoss": ("pair_losses.EUCLIDEAN_LOSS",),
    "SigmoidCrossEntropyLoss": ("pair_losses.CROSS_ENTROPY_LOSS",),
    "HingeLoss": ("row_losses.HINGE_LOSS",),
    "ContrastiveLoss": ("row_losses.CONTRASTIVE_LOSS",),
    "Concat": ("pieces.CONCAT",),
    "Slice": ("pieces.SLICE",),
    **dict.fromkeys(PERMUTES, ("permute.TURN", "permute.OTHER_ORDERS")),
    **dict.fromkeys(ORDERS, ("shuffle.SHUFFLE",)),
    "Resize": ("gather.GATHER", "resize.RESIZE"),
    "Interp": ("resize.RESIZE",),
    "Upsample": ("gather.GATHER", "unpooling.UNPOOLING"),
    "Pad": ("gather.GATHER",),
    **dict.fromkeys(("Crop", *RANGES), ("gather.GATHER", "gather.ONE_PIECE")),
    **dict.fromkeys(("Scale", "Bias"), ("channels.CHANNELS",)),
    **dict.fromkeys(("BatchNorm", "BN"), ("channels.CHANNELS", "batch_norm.BATCH_NORM")),
    **dict.fromkeys(("Exp", *(op.type for op in smooth.OPS)), ("elementwise.SMOOTH_CURVE",)),
    **dict.fromkeys(
        (*("ReLU", "Power"), *(op.type for op in piecewise.OPS if op.curve is not no_curve)),
        ("elementwise.PIECEWISE_CURVE",),
    ),
    "PReLU": ("elementwise.ONE_SLOPE", "elementwise.PIECEWISE_CURVE"),
}
OF_PAIRS = "separable.SEPARABLE"  # of a group of a depthwise and a 1 x 1 convolution


@functools.cache
def lowering_of(name: str) -> Lowering:
    """The lowering of a name in LOWERINGS."""
    module, member = name.split(".")
    lowering = getattr(importlib.import_module(f".{module}", __name__), member)
    assert isinstance(lowering, Lowering), name
    return lowering


def lowerings_of(kind: str) -> tuple[Lowering, ...]:
    """Those of a layer type, in order of preference."""
    return tuple(map(lowering_of, LOWERINGS.get(kind, ())))


def lower(context: Context, *, backward: bool = False) -> Lowered | None:
    """The lowering of the group of `context`, with one of its gradients if it runs `backward`; None if it has none, and
    runs by its layer's own `prepare`."""
    top = context.tops[0] if context.tops else ()
    empty = 0 in top or any(0 in shape for shape in context.bottoms[:1])
    if empty or any(blob.dtype != FLOAT32 for blob in context.group.blobs):
        return None
    if context.group.depthwise:
        return lowering_of(OF_PAIRS).lower(context)
    usual = 2 <= len(top) <= PICTURE_AXES
    ways = (each for each in lowerings_of(context.group.main.type) if usual or each.any_rank)
    lowered = filter(None, (each.lower(context) for each in ways))
    return next((each for each in lowered if each.backward or not backward), None)
