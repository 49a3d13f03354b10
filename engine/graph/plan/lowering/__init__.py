"""Lowerings by layer type, one file per family. In order of preference: the first that does not return None is used."""

from __future__ import annotations

from ...ir.graph import FLOAT32
from ..groups import CONVOLUTIONS
from .channels import lower_channels
from .concat import lower_concat
from .convolution import lower_convolution
from .depthwise import lower_depthwise
from .eltwise import lower_eltwise
from .inner_product import lower_inner_product
from .lowered import Context, Lowered, Lowering
from .lrn import lower_lrn
from .pooling import lower_pooling
from .separable import lower_separable
from .softmax import lower_softmax
from .winograd import lower_winograd

LOWERINGS: dict[str, tuple[Lowering, ...]] = {
    **dict.fromkeys(CONVOLUTIONS, (lower_winograd, lower_depthwise, lower_convolution)),
    "InnerProduct": (lower_inner_product,),
    "Pooling": (lower_pooling,),
    "Eltwise": (lower_eltwise,),
    "LRN": (lower_lrn,),
    "Softmax": (lower_softmax,),
    "Concat": (lower_concat,),
    **dict.fromkeys(("BatchNorm", "Scale", "Bias", "ReLU", "PReLU"), (lower_channels,)),
}


def lower(context: Context) -> Lowered | None:
    """How the group of `context` is done; None if it has no lowering, and is done by its layer's own `prepare`."""
    top = context.tops[0] if context.tops else ()
    if not 2 <= len(top) <= 4 or 0 in top or any(blob.dtype != FLOAT32 for blob in context.group.blobs):
        return None
    if context.group.depthwise:
        return lower_separable(context)
    return next(filter(None, (lowering(context) for lowering in LOWERINGS.get(context.group.main.type, ()))), None)
