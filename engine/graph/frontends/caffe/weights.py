"""What a layer's message says of its weights: how they are shared, learnt, and drawn at first."""

from __future__ import annotations

from ...ir.filler import Filler
from ...ir.graph import BlobSpec
from .fields import read_fields

PERMISSIVE = 1  # ParamSpec.share_mode
FILLERS = {  # layer type -> its message; fields of the fillers, and the constants that stand in for them
    **dict.fromkeys(
        ("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution", "Deconvolution"),
        ("convolution_param", {"weight_filler": 0.0, "bias_filler": 0.0}),
    ),
    "InnerProduct": ("inner_product_param", {"weight_filler": 0.0, "bias_filler": 0.0}),
    "Embed": ("embed_param", {"weight_filler": 0.0, "bias_filler": 0.0}),
    "Scale": ("scale_param", {"filler": 1.0, "bias_filler": 0.0}),
    "Bias": ("bias_param", {"filler": 0.0}),
    "PReLU": ("prelu_param", {"filler": 0.25}),
}


def read_blob_specs(layer) -> tuple[BlobSpec, ...]:
    return tuple(
        BlobSpec(spec.name, spec.lr_mult, spec.decay_mult, spec.share_mode == PERMISSIVE) for spec in layer.param
    )


def read_fillers(kind: str, layer) -> tuple[Filler, ...]:
    """One per blob that a layer of this type has."""
    if kind not in FILLERS:
        return ()
    parameter, fields = FILLERS[kind]
    message = getattr(layer, parameter)
    return tuple(
        read_fields(Filler, getattr(message, name)) if message.HasField(name) else Filler(value=default)
        for name, default in fields.items()
        if name != "bias_filler" or message.bias_term
    )
