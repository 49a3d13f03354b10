"""The text of a box of a picture for a layer of a Caffe net, besides its name and type."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine.graph.ir.graph import Node
from ..engine.graph.ops.interp import Interp
from ..engine.graph.ops.pooling import Pooling
from ..engine.graph.ops.resize import Resize
from ..engine.graph.ops.upsample import Upsample
from ..engine.graph.ops.windows import MOST_NUMBERS, Convolution
from ..formats.caffe.schema import shortest_float


def main_parameters(node: Node) -> str:
    """A layer's main parameters, for its box: window, number of outputs, operation, axis."""
    attributes = node.attributes
    match node.type:
        case "Im2col":
            return _window(attributes)
        case "SPP":
            return f"{('max', 'average', 'stochastic')[attributes.pool]}, {attributes.pyramid_height} levels"
        case "LSTM" | "Lstm" | "RNN" | "CenterLoss":
            return f"→ {attributes.num_output}"
        case "Convolution" | "ConvolutionDepthwise" | "DepthwiseConvolution" | "Deconvolution":
            group = f", group {attributes.group}" if (attributes.group or 1) > 1 else ""
            dilated = f", dilation {_one(attributes.dilation)}" if any(d > 1 for d in attributes.dilation) else ""
            return f"{_window(attributes)} → {attributes.num_output}{group}{dilated}"
        case "InnerProduct" | "Embed":
            return f"→ {attributes.num_output}"
        case "Pooling":
            kind = ("max", "average", "stochastic")[attributes.pool]
            return f"{kind}, global" if attributes.kernel is None else f"{kind} {_window(attributes)}"
        case "Eltwise":
            return ("product", "sum", "max", "min")[attributes.operation]
        case "Concat":
            return "" if attributes.axis == 1 else f"axis {attributes.axis}"
        case "LRN":
            return f"over {attributes.local_size}"
        case "Dropout":
            return shortest_float(attributes.dropout_ratio)
        case "ReLU" if attributes.negative_slope:
            return f"slope {shortest_float(attributes.negative_slope)}"
        case "Resize":
            return f"{attributes.mode} {_factors(attributes)}"
        case "Pad":
            sides = [pads[2:] or pads for pads in (attributes.pads_before, attributes.pads_after)]
            return f"{attributes.mode} {_sides(*sides)}"
        case "StridedSlice":
            return ", ".join(_slice(*each) for each in zip(*vars(attributes).values(), strict=True))
        case "GroupNorm" if attributes.groups is not None:
            return f"{attributes.groups} groups"
        case "LogSoftmax" if attributes.axis != 1:
            return f"axis {attributes.axis}"
        case "Reshape":
            return "×".join(map(str, attributes.dims))
        case "Permute" | "Transpose":
            return ", ".join(map(str, attributes.order))
        case "Interp" | "Upsample":
            return _new_size(attributes)
        case "ShuffleChannel":
            return f"{attributes.group} groups"
        case "Reorg":
            return f"{'back ' if attributes.reverse else ''}/{attributes.stride}"
        case "CropCenter":
            return "×".join(map(str, attributes.crop_size))
        case "Reverse":
            return f"axis {attributes.axis}"
    return ""


def _window(attributes: Convolution | Pooling) -> str:
    """3×3 /2, pad 1; with other pads behind than before, both of them: pad 0..1."""
    kernel, stride = attributes.kernel or (), attributes.stride
    before, after = attributes.pads_before, attributes.pads_after
    text = "×".join(map(str, kernel * 2 if len(kernel) == 1 else kernel))
    text += f" /{_one(stride)}" if set(stride) != {1} else ""
    return text + (f", pad {_sides(before, after)}" if any(before + after) else "")


def _sides(before: Sequence[int], after: Sequence[int]) -> str:
    """Pads, one number for both sides of an axis if it is the same: 1, 0..1, 1×0..2."""
    most = max(len(before), len(after))
    axes = zip(*(pads if len(pads) == most else [*pads] * most for pads in (before, after)), strict=True)
    return _one([str(first) if first == last else f"{first}..{last}" for first, last in axes])


def _factors(attributes: Resize) -> str:
    """×2, or → 40×40."""
    if attributes.sizes:
        return "→ " + "×".join(map(str, attributes.sizes))
    return "×" + _one([shortest_float(scale) for scale in attributes.scales])


def _new_size(attributes: Interp | Upsample) -> str:
    """×2, → 40×40 or /2 ×4: what is given in the file."""
    if isinstance(attributes, Upsample):
        sizes, scale = (attributes.upsample_h, attributes.upsample_w), attributes.scale
        scales = (attributes.scale_h or scale, attributes.scale_w or scale)
        return (
            "→ " + "×".join(map(str, sizes)) if None not in sizes else f"×{_one(scales)}" if None not in scales else ""
        )
    shrink, zoom = attributes.shrink_factor, attributes.zoom_factor
    if attributes.by_size:
        return f"→ {attributes.height}×{attributes.width}"
    return " ".join(([f"/{shrink}"] if shrink else []) + ([f"×{zoom}"] if zoom else []))


def _slice(axis: int, start: int, end: int, step: int) -> str:
    """axis 2: 1:9:2, in Python's words; ends that lie beyond any axis are left out."""
    stop = "" if abs(end) >= MOST_NUMBERS else str(end)
    return f"axis {axis}: {start}:{stop}" + (f":{step}" if step != 1 else "")


def _one(values: Sequence[object]) -> str:
    """The number, of several equal ones."""
    texts = list(map(str, values))
    return texts[0] if len(set(texts)) == 1 else "×".join(texts)
