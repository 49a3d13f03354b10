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
    "caffe64 summary net.onnx",
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
    """Show a Caffe net layer by layer: output shape, parameters, multiply-accumulates (MACs), bytes; or an ONNX model
    node by node, operators of any kind.

    Layers of these types run: AbsVal, Accuracy, ArgMax, Axpy, BN, BNLL, BatchNorm, BatchReindex, Bias,
    CTCGreedyDecoder, CenterLoss, Clip, Concat, ContrastiveLoss, Convolution, ConvolutionDepthwise, Crop,
    CropCenter, Data, Deconvolution, DepthwiseConvolution, DetectionOutput, Dropout, DummyData, ELU,
    Eltwise, Embed, EuclideanLoss, Exp, Filter, Flatten, HDF5Data, HDF5Output, HSigmoid, HSwish,
    HardSigmoid, HardSwish, HingeLoss, Im2col, ImageData, InfogainLoss, InnerProduct, Input, Interp, LRN,
    LSTM, LSTMUnit, Log, Lstm, MVN, MemoryData, Mish, MultiBoxLoss, MultinomialLogisticLoss, Normalize,
    PReLU, PSROIPooling, Parameter, Permute, Pooling, Power, PriorBox, Proposal, RNN, ROIPooling, ReLU,
    ReLU6, Reduction, Reorg, Reshape, Reverse, ReverseTime, SELU, SPP, Scale, SeLu, ShuffleChannel,
    Sigmoid, SigmoidCrossEntropyLoss, Silence, Slice, SmoothL1Loss, Softmax, SoftmaxWithLoss, Split,
    Swish, TanH, Threshold, Tile, Transpose, Upsample, WindowData, YoloDetectionOutput,
    Yolov3DetectionOutput.
    """
    from ..summaries import summary
    from .loading import load
    from .net_files import check_reading, net_files
    from .output import Output
    from .table import print_result

    reading, output = caffe.Reading(input_shape, deploy, allow_unknown, phase), Output(quiet=as_json)
    files = net_files(net, model, weights=False)
    check_reading(reading, net)
    if files.is_onnx:
        from ..caffe.onnx_outline import summarise_onnx

        found, notices = summarise_onnx(net, reading.shapes)
        for notice in notices:
            output.say(notice)
        print_result(found, as_json)
        return
    print_result(summary(load(net, model, reading, output, runs=False)), as_json)
