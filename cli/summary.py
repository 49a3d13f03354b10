"""caffe64 summary: shapes, parameters, multiply-accumulates and bytes of a Caffe net, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from . import caffe_options as caffe
from . import options

NAME = "summary"
EXAMPLES = (
    "caffe64 summary deploy.prototxt",
    "caffe64 summary deploy.prototxt net.caffemodel --input-shape 1x3x320x320 --json",
)


def command(
    net: caffe.Prototxt,
    model: Annotated[Path | None, options.input_argument("[MODEL]", "Its weights, to see whether they fit.")] = None,
    input_shape: caffe.InputShape = None,
    deploy: caffe.Deploy = False,
    allow_unknown: caffe.AllowUnknown = False,
    phase: caffe.Phase = "test",
    as_json: options.Json = False,
) -> None:
    """Show a Caffe net layer by layer: output shape, parameters, multiply-accumulates (MACs), bytes.

    Layers of these types run: AbsVal, Accuracy, ArgMax, BNLL, BatchNorm, Bias, Clip, Concat, Convolution,
    ConvolutionDepthwise, Crop, Data, Deconvolution, DepthwiseConvolution, DetectionOutput, Dropout, DummyData,
    ELU, Eltwise, Embed, EuclideanLoss, Exp, Flatten, HDF5Data, HingeLoss, ImageData, InnerProduct, Input, LRN,
    Log, MVN, MemoryData, Normalize, PReLU, Parameter, Permute, Pooling, Power, PriorBox, ReLU, Reduction,
    Reshape, Scale, Sigmoid, SigmoidCrossEntropyLoss, Silence, Slice, Softmax, SoftmaxWithLoss, Split, Swish,
    TanH, Threshold, Tile, WindowData.
    """
    from ..summaries import summary
    from .loading import load
    from .output import Output
    from .table import print_result

    reading = caffe.Reading(input_shape, deploy, allow_unknown, phase)
    print_result(summary(load(net, model, reading, Output(quiet=as_json), runs=False)), as_json)
