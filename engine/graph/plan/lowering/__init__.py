"""Lowerings by layer type, one file per family. In order of preference: the first that does not return None is used."""

from __future__ import annotations

from ...ir.graph import FLOAT32, PICTURE_AXES
from ...ir.op import no_curve
from ...ops import piecewise, smooth
from ...ops.arrangement import PERMUTES
from ...ops.shuffle import ORDERS
from ...ops.strided_slice import RANGES
from ..groups import CONVOLUTIONS
from .axpy import AXPY
from .batch_norm import BATCH_NORM
from .channels import CHANNELS
from .convolution import DIRECT
from .deconvolution import DECONVOLUTION
from .depthwise import DEPTHWISE
from .dropout import DROPOUT
from .elementwise import ONE_SLOPE, PIECEWISE_CURVE, SMOOTH_CURVE
from .eltwise import ELTWISE
from .gather import GATHER, ONE_PIECE
from .inner_product import INNER_PRODUCT
from .lowered import Context, Lowered, Lowering
from .lrn import ACROSS_CHANNELS
from .lrn_within import WITHIN_CHANNELS
from .pair_losses import CROSS_ENTROPY_LOSS, EUCLIDEAN_LOSS
from .permute import OTHER_ORDERS, TURN
from .pieces import CONCAT, SLICE
from .pooling import POOLING
from .region_pooling import REGION_POOLING
from .resize import RESIZE
from .row_losses import CONTRASTIVE_LOSS, HINGE_LOSS
from .separable import SEPARABLE
from .shuffle import SHUFFLE
from .softmax import SOFTMAX
from .softmax_loss import SOFTMAX_LOSS
from .unpooling import UNPOOLING
from .winograd import WINOGRAD

LOWERINGS: dict[str, tuple[Lowering, ...]] = {
    **dict.fromkeys(CONVOLUTIONS, (WINOGRAD, DEPTHWISE, DIRECT)),
    "Deconvolution": DECONVOLUTION,
    "InnerProduct": (INNER_PRODUCT,),
    "Pooling": (POOLING,),
    "ROIPooling": (REGION_POOLING,),
    "Eltwise": (ELTWISE,),
    "Axpy": (AXPY,),
    "Dropout": (DROPOUT,),
    "LRN": (ACROSS_CHANNELS, WITHIN_CHANNELS),
    "Softmax": (SOFTMAX,),
    "SoftmaxWithLoss": (SOFTMAX_LOSS,),
    "EuclideanLoss": (EUCLIDEAN_LOSS,),
    "SigmoidCrossEntropyLoss": (CROSS_ENTROPY_LOSS,),
    "HingeLoss": (HINGE_LOSS,),
    "ContrastiveLoss": (CONTRASTIVE_LOSS,),
    "Concat": (CONCAT,),
    "Slice": (SLICE,),
    **dict.fromkeys(PERMUTES, (TURN, OTHER_ORDERS)),
    **dict.fromkeys(ORDERS, (SHUFFLE,)),
    "Resize": (GATHER, RESIZE),
    "Interp": (RESIZE,),
    "Upsample": (GATHER, UNPOOLING),
    "Pad": (GATHER,),
    **dict.fromkeys(("Crop", *RANGES), (GATHER, ONE_PIECE)),
    **dict.fromkeys(("Scale", "Bias"), (CHANNELS,)),
    **dict.fromkeys(("BatchNorm", "BN"), (CHANNELS, BATCH_NORM)),
    **dict.fromkeys(("Exp", *(op.type for op in smooth.OPS)), (SMOOTH_CURVE,)),
    **dict.fromkeys(
        (*("ReLU", "Power"), *(op.type for op in piecewise.OPS if op.curve is not no_curve)),
        (PIECEWISE_CURVE,),
    ),
    "PReLU": (ONE_SLOPE, PIECEWISE_CURVE),
}


def lower(context: Context, *, backward: bool = False) -> Lowered | None:
    """The lowering of the group of `context`, with one of its gradients if it runs `backward`; None if it has none, and
    runs by its layer's own `prepare`."""
    top = context.tops[0] if context.tops else ()
    empty = 0 in top or any(0 in shape for shape in context.bottoms[:1])
    if empty or any(blob.dtype != FLOAT32 for blob in context.group.blobs):
        return None
    if context.group.depthwise:
        return SEPARABLE.lower(context)
    usual = 2 <= len(top) <= PICTURE_AXES
    ways = (each for each in LOWERINGS.get(context.group.main.type, ()) if usual or each.any_rank)
    found = filter(None, (each.lower(context) for each in ways))
    return next((each for each in found if each.backward or not backward), None)
