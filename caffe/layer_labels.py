"""The text of a box of a picture for a layer of a Caffe net, besides its name and type."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine.graph.ir.graph import Node
from ..engine.graph.ops.pooling import Pooling
from ..engine.graph.ops.windows import Convolution
from ..formats.caffe.schema import shortest_float


def main_parameters(node: Node) -> str:
    """A layer's main parameters, for its box: window, number of outputs, operation, axis."""
    attributes = node.attributes
    match node.type:
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
            return ("product", "sum", "max")[attributes.operation]
        case "Concat":
            return "" if attributes.axis == 1 else f"axis {attributes.axis}"
        case "LRN":
            return f"over {attributes.local_size}"
        case "Dropout":
            return shortest_float(attributes.dropout_ratio)
        case "ReLU" if attributes.negative_slope:
            return f"slope {shortest_float(attributes.negative_slope)}"
        case "Reshape":
            return "×".join(map(str, attributes.dims))
        case "Permute":
            return ", ".join(map(str, attributes.order))
    return ""


def _window(attributes: Convolution | Pooling) -> str:
    """3×3 /2, pad 1."""
    kernel, stride, pad = attributes.kernel or (), attributes.stride, attributes.pads_before
    text = "×".join(map(str, kernel * 2 if len(kernel) == 1 else kernel))
    text += f" /{_one(stride)}" if set(stride) != {1} else ""
    return text + (f", pad {_one(pad)}" if any(pad) else "")


def _one(values: Sequence[object]) -> str:
    """The number, of several equal ones."""
    texts = list(map(str, values))
    return texts[0] if len(set(texts)) == 1 else "×".join(texts)
