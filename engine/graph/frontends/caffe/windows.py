"""Convolution and Pooling: kernel, stride and padding, for all axes at once, per axis, or by height and width."""

from __future__ import annotations

from dataclasses import replace

from ...ir.graph import Node
from ...ops.pooling import POOL_AVE, Pooling
from ...ops.windows import Convolution
from .fields import Reader, Write, reads_fillers, set_field, writes

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


def _say_convolution(attributes: Convolution) -> Convolution:
    """Height and width apart are a way to say it."""
    return replace(attributes, by_sides="")


def _say_pooling(attributes: Pooling) -> Pooling:
    """ONNX's rules where they are Caffe's: a window starts behind the picture only without padding and with a stride
    longer than the kernel; the divisors differ by the padding, and of a maximum there is none."""
    padded = any(attributes.pads_before + attributes.pads_after)
    gapless = attributes.kernel is None or all(
        s <= k for s, k in zip(attributes.stride, attributes.kernel, strict=True)
    )
    round_mode, divisor = attributes.round_mode, attributes.divisor
    if round_mode == "up_inside" and (padded or gapless):
        round_mode = "up"
    if not padded or attributes.pool != POOL_AVE:
        divisor = "padded"
    return replace(attributes, round_mode=round_mode, divisor=divisor)


def _writes_window(parameter: str, name: str) -> Write:
    """A function that sets kernel, stride or pad of all axes; of Pooling, by height and width, and for no kernel that
    it is global."""

    def write(layer, values: tuple[int, ...] | None) -> None:
        message = getattr(layer, parameter)
        for each in (_field(name), *_sides(name)):
            message.ClearField(each)
        if parameter == "convolution_param":
            getattr(message, _field(name)).extend(values)
        elif values is None:
            message.global_pooling = True
        elif len(set(values)) == 1:
            set_field(message, _field(name), values[0])
        else:
            for side, value in zip(_sides(name), values, strict=True):
                setattr(message, side, value)

    return write


def _write_round_mode(layer, round_mode: str) -> None:
    set_field(layer.pooling_param, "round_mode", ROUND_FLOOR if round_mode == "down" else 0)


def _windows(parameter: str) -> dict[str, Write]:
    """Writers of a window: the pads behind are those before, else what is read is something else than written."""
    fields = {"kernel": "kernel", "stride": "stride", "pads_before": "pad"}
    return {attribute: _writes_window(parameter, name) for attribute, name in fields.items()}


_CONVOLUTION = Reader(
    _read_convolution,
    {
        **_windows("convolution_param"),
        **{
            name: writes("convolution_param", name) for name in ("num_output", "dilation", "group", "axis", "bias_term")
        },
    },
    reads_fillers("convolution_param", weight_filler=0.0, bias_filler=0.0),
    _say_convolution,
)
IM2COL = Reader(
    _read_convolution,
    {
        **_windows("convolution_param"),
        **{
            name: writes("convolution_param", name) for name in ("num_output", "dilation", "group", "axis", "bias_term")
        },
    },
    said=_say_convolution,
)
_POOLING = Reader(
    _read_pooling,
    {**_windows("pooling_param"), "pool": writes("pooling_param", "pool"), "round_mode": _write_round_mode},
    said=_say_pooling,
)
READERS = {
    "Convolution": _CONVOLUTION,
    "ConvolutionDepthwise": _CONVOLUTION,
    "DepthwiseConvolution": _CONVOLUTION,
    "Deconvolution": _CONVOLUTION,
    "Pooling": _POOLING,
}
