"""Convolution and Pooling: kernel, stride and padding, for all axes at once, per axis, or by height and width."""

from __future__ import annotations

from ...ir.graph import Node
from ...ops.pooling import Pooling
from ...ops.windows import Convolution
from .fields import Reader, reads_fillers, writes

ROUND_FLOOR = 1  # PoolingParameter.RoundMode


def _read_convolution(node: Node, layer) -> Convolution:
    parameter = layer.convolution_param
    grouped = node.type in ("Convolution", "Deconvolution")  # the group of others is each channel, unless it is given
    kernel, stride, pad = (_per_axis(node, parameter, name) for name in ("kernel", "stride", "pad"))
    sides = [name for name in ("kernel", "stride", "pad") if any(map(parameter.HasField, _sides(name)))]
    return Convolution(
        parameter.num_output,
        kernel,
        stride or (1,),
        pad or (0,),
        pad or (0,),
        tuple(parameter.dilation) or (1,),
        parameter.group if parameter.HasField("group") or grouped else None,
        parameter.axis,
        parameter.bias_term,
        sides[0] if sides else "",
    )


def _per_axis(node: Node, parameter, name: str) -> tuple[int, ...]:
    field, (height, width) = _field(name), _sides(name)
    values = tuple(getattr(parameter, field))
    if not any(map(parameter.HasField, (height, width))):
        return values
    if values:
        found = f"has {height} or {width} with {field} {list(values)}"
        raise node.error(found, f"{height} and {width} alone, and 2 spatial axes")
    return getattr(parameter, height), getattr(parameter, width)


def _read_pooling(node: Node, layer) -> Pooling:
    parameter = layer.pooling_param
    if not parameter.global_pooling:
        kernel = _pair(node, parameter, "kernel")
    elif any(map(parameter.HasField, ("kernel_size", *_sides("kernel")))):
        raise node.error("has a kernel size and global_pooling", "one of both")
    else:
        kernel = None
    pads = _pair(node, parameter, "pad")
    round_mode = "down" if parameter.round_mode == ROUND_FLOOR else "up"
    return Pooling(parameter.pool, kernel, _pair(node, parameter, "stride"), pads, pads, round_mode)


def _pair(node: Node, parameter, name: str) -> tuple[int, int]:
    """A parameter of both axes: `name`_h and `name`_w, or one for both. Raises node.error for half a pair, or both."""
    field, sides = _field(name), _sides(name)
    given = [each for each in (*sides, field) if parameter.HasField(each)]
    if given not in ([], [field], [*sides]) or (name == "kernel" and not given):
        raise node.error(f"has {' and '.join(given) or f'no {field}'}", f"{field}, or {name}_h and {name}_w")
    height, width = sides if len(given) == 2 else (field, field)
    return getattr(parameter, height), getattr(parameter, width)


def _field(name: str) -> str:
    return "kernel_size" if name == "kernel" else name


def _sides(name: str) -> tuple[str, str]:
    return f"{name}_h", f"{name}_w"


_CONVOLUTION = Reader(
    _read_convolution,
    {"bias_term": writes("convolution_param", "bias_term")},
    reads_fillers("convolution_param", weight_filler=0.0, bias_filler=0.0),
)
READERS = {
    "Convolution": _CONVOLUTION,
    "ConvolutionDepthwise": _CONVOLUTION,
    "DepthwiseConvolution": _CONVOLUTION,
    "Deconvolution": _CONVOLUTION,
    "Pooling": Reader(_read_pooling),
}
