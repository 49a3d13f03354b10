"""The kind of each layer type, which gives a box its colour, and the style sheet of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .net import DrawnLayer


@dataclass(frozen=True)
class LayerColour:
    """`key` is its class in the SVG, `title` its name in the legend, `colour` #rrggbb of its mark."""

    key: str
    title: str
    colour: str
    types: str


KINDS = (
    LayerColour("data", "data", "#5b6b82", "Input Data ImageData MemoryData WindowData HDF5Data DummyData Parameter"),
    LayerColour(
        "conv",
        "convolution",
        "#2f74e0",
        "Convolution ConvolutionDepthwise DepthwiseConvolution Deconvolution Im2col",
    ),
    LayerColour("dense", "inner product", "#7d55d9", "InnerProduct Embed LSTM Lstm LSTMUnit RNN Recurrent MatMul"),
    LayerColour("pool", "pooling", "#0d968b", "Pooling SPP ROIPooling PSROIPooling Reduction"),
    LayerColour("norm", "normalisation", "#c98a08", "BatchNorm BN GroupNorm Scale Bias LRN MVN Normalize Power"),
    LayerColour(
        "act",
        "activation",
        "#dc4c3f",
        "ReLU ReLU6 PReLU ELU SELU SeLu Sigmoid TanH Swish Mish HardSigmoid HSigmoid HardSwish HSwish Clip AbsVal BNLL "
        "Exp Log Threshold Dropout",
    ),
    LayerColour("join", "join and split", "#3a9a3f", "Concat Eltwise Axpy Slice Split Silence Filter BatchReindex"),
    LayerColour(
        "shape",
        "shape",
        "#9a6b42",
        "Flatten Reshape Permute Transpose Crop CropCenter StridedSlice Pad Tile Resize Upsample Interp ShuffleChannel "
        "Reorg Reverse ReverseTime",
    ),
    LayerColour(
        "output",
        "output and loss",
        "#c9418f",
        "Softmax LogSoftmax SoftmaxWithLoss EuclideanLoss SigmoidCrossEntropyLoss HingeLoss InfogainLoss "
        "ContrastiveLoss MultinomialLogisticLoss CenterLoss Accuracy ArgMax PriorBox DetectionOutput MultiBoxLoss "
        "HDF5Output Proposal YoloDetectionOutput Yolov3DetectionOutput RegionLoss SmoothL1Loss CTCGreedyDecoder",
    ),
)
UNKNOWN = LayerColour("unknown", "other types", "#8b9099", "")
MARKS = {"folded": "#c98a08", "removed": "#dc4c3f", "added": "#3a9a3f", "renamed": "#2f74e0", "changed": "#7d55d9"}
_BY_KEY = {kind.key: kind for kind in KINDS}
_BY_TYPE = {name: kind for kind in KINDS for name in kind.types.split()}

LIGHT = {"paper": "#ffffff", "ink": "#1d2430", "soft": "#5d6775", "line": "#8792a2", "tint": 0.1, "edge": 0.55}
DARK = {"paper": "#14181f", "ink": "#e8ebf0", "soft": "#a3adbb", "line": "#6f7a8a", "tint": 0.2, "edge": 0.6}


def kind_of(layer: DrawnLayer) -> LayerColour:
    """By its type, else by its own `kind`, else UNKNOWN."""
    return _BY_TYPE.get(layer.role) or _BY_KEY.get(layer.kind, UNKNOWN)


def style_sheet(theme: Mapping[str, Any], scope: str = "") -> str:
    """The CSS rules of a picture in one theme; `scope` is a selector that each begins with."""
    rules = [
        f".ink{{fill:{theme['ink']}}}",
        f".soft{{fill:{theme['soft']}}}",
        f".paper{{fill:{theme['paper']}}}",
        f".edge{{stroke:{theme['line']}}}",
        f".tip{{fill:{theme['line']}}}",
    ]
    for kind in (*KINDS, UNKNOWN):
        fill, stroke = (mix(kind.colour, theme["paper"], theme[share]) for share in ("tint", "edge"))
        rules += [f".k-{kind.key} .box{{fill:{fill};stroke:{stroke}}}", f".k-{kind.key} .bar{{fill:{kind.colour}}}"]
    for mark, colour in MARKS.items():
        text = mix(colour, theme["ink"], 0.75)
        rules += [f".m-{mark} .box{{stroke:{colour}}}", f".m-{mark} .mark{{fill:{text}}}", f".t-{mark}{{fill:{text}}}"]
    return "\n".join(scope + " " + rule if scope else rule for rule in rules)


SHAPES = """
text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
.name{font-size:12.5px;font-weight:600}
.shape{font-family:ui-monospace,"SF Mono",Menlo,"DejaVu Sans Mono",monospace;font-size:10.5px}
.mark{font-weight:600}
.edge{fill:none;stroke-width:1.4}
.box{stroke-width:1}
.k-unknown .box{stroke-dasharray:5 3}
[class*="m-"] .box{stroke-width:1.8}
.m-folded .box,.m-removed .box{stroke-dasharray:5 3}
.gone{text-decoration:line-through}
"""


def mix(colour: str, other: str, share: float) -> str:
    """`share` of a colour #rrggbb, the rest of another."""
    pairs = ((int(colour[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)
