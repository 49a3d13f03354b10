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
    from ..engine.graph.analysis.cost import cost_of
    from .optimize_run import load
    from .output import Output

    reading = caffe.Reading(input_shape, deploy, allow_unknown, phase)
    loaded = load(net, model, reading, Output(quiet=as_json), runs=False)
    layers = describe(loaded)
    total = vars(cost_of(loaded.graph, loaded.shapes))
    if as_json:
        import json

        print(json.dumps({"net": str(net), **total, "layers": layers}, indent=2))
        return
    from .table import print_table

    rows = [
        [layer["name"], layer["type"], *("x".join(map(str, shape)) or "1" for shape in layer["shapes"][:1] or [()])]
        + [f"{layer[number]:,}" for number in ("parameters", "macs", "bytes")]
        for layer in layers
    ]
    print_table(["layer", "type", "output", "parameters", "MACs", "bytes"], rows, left=3)
    print(
        f"{total['layers']} layers, {total['parameters']:,} parameters, {total['macs']:,} MACs, "
        f"{total['activation_bytes']:,} bytes of blobs"
    )


def describe(net) -> list[dict]:
    """One dict a layer of a CaffeNet."""
    from ..engine.graph.analysis.shapes import macs
    from ..engine.graph.ir.op import count

    return [
        {
            "name": node.name,
            "type": node.type,
            "bottoms": [blob.name for blob in node.bottoms],
            "tops": [blob.name for blob in node.tops],
            "shapes": [list(net.shapes[blob]) for blob in node.tops],
            "parameters": sum(blob.size for blob in node.weights),
            "macs": macs(node, net.shapes),
            "bytes": 4 * sum(count(net.shapes[blob]) for blob in node.tops),
        }
        for node in net.graph.nodes
    ]
