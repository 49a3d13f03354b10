"""Lowerings by layer type, one file per family. In order of preference: the first that does not return None is used."""

from __future__ import annotations

from ...ir.graph import FLOAT32
from ..groups import CONVOLUTIONS
from .channels import CHANNELS
from .concat import CONCAT
from .convolution import DIRECT
from .depthwise import DEPTHWISE
from .elementwise import PIECEWISE_CURVE, SMOOTH_CURVE
from .eltwise import ELTWISE
from .inner_product import INNER_PRODUCT
from .lowered import Context, Lowered, Lowering
from .lrn import ACROSS_CHANNELS
from .pooling import POOLING
from .separable import SEPARABLE
from .softmax import SOFTMAX
from .winograd import WINOGRAD

LOWERINGS: dict[str, tuple[Lowering, ...]] = {
    **dict.fromkeys(CONVOLUTIONS, (WINOGRAD, DEPTHWISE, DIRECT)),
    "InnerProduct": (INNER_PRODUCT,),
    "Pooling": (POOLING,),
    "Eltwise": (ELTWISE,),
    "LRN": (ACROSS_CHANNELS,),
    "Softmax": (SOFTMAX,),
    "Concat": (CONCAT,),
    **dict.fromkeys(("BatchNorm", "Scale", "Bias"), (CHANNELS,)),
    **dict.fromkeys(("ELU", "TanH", "Sigmoid", "Swish", "Exp"), (SMOOTH_CURVE,)),
    **dict.fromkeys(("ReLU", "PReLU", "Clip", "Threshold", "HardSigmoid", "HardSwish", "Power"), (PIECEWISE_CURVE,)),
}


def lower(context: Context) -> Lowered | None:
    """The lowering of the group of `context`; None if it has none, and runs by its layer's own `prepare`."""
    top = context.tops[0] if context.tops else ()
    if not 2 <= len(top) <= 4 or 0 in top or any(blob.dtype != FLOAT32 for blob in context.group.blobs):
        return None
    if context.group.depthwise:
        return SEPARABLE.lower(context)
    return next(filter(None, (each.lower(context) for each in LOWERINGS.get(context.group.main.type, ()))), None)
