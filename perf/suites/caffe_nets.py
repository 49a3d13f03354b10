"""The nets of the suite `caffe`, written as prototxt with the layers' usual names, and their weights.

ResNet-18 and MobileNet v1 as for prediction, AlexNet with BatchNorm likewise, and a small residual net for CIFAR-10
with its data and loss layers, which is trained as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ...caffe.net import CaffeNet
from ...engine.graph.analysis.shapes import weight_shapes
from ...engine.graph.ir.ownership import assign_weights

FACTOR = 999.98  # of BatchNorm's sums over the values they stand for, after some thousand training steps
FACTORS = ("BN", "Normalize", "Scale")  # types whose first blob is about 1
SCALED = "scale_param { bias_term: true }"
BN = "bn_param { slope_filler { value: 1 } bias_filler { value: 0 } frozen: true momentum: 0.95 }"  # PSPNet's


@dataclass(frozen=True)
class CaffeCase:
    """`text()` is the net's prototxt, `shape` that of its input `data`. `repeats`: runs per time measurement.
    `goals` are peer times over ours that the project wants to reach. `large`: left out with --quick. `instead`: the
    jobs of peers that cannot read it as a Caffe file, and get the ONNX model."""

    name: str
    text: Callable[[], str]
    shape: tuple[int, ...]
    repeats: int
    goals: dict[str, float] = field(default_factory=dict)
    large: bool = False
    instead: dict[str, str] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The name as that of a file."""
        return self.name.replace(" ", "-").replace("/", "-")

    def input(self) -> np.ndarray:
        """float32 of `shape`, the same for all participants."""
        return np.random.default_rng(8).standard_normal(self.shape, np.float32)


def layer(kind: str, name: str, bottoms: str = "", tops: str = "", rest: str = "") -> str:
    """A layer; `bottoms` and `tops` are names with spaces between them, the top is the layer's name by default."""
    flow = [f'bottom: "{each}"' for each in bottoms.split()] + [f'top: "{each}"' for each in (tops or name).split()]
    return f'layer {{ name: "{name}" type: "{kind}" {" ".join([*flow, rest])} }}\n'


def data(*shape: int) -> str:
    dims = " ".join(f"dim: {dim}" for dim in shape)
    return layer("Input", "data", rest=f"input_param {{ shape {{ {dims} }} }}")


def convolution(name: str, bottom: str, outputs: int, kernel: int, rest: str) -> str:
    sizes = f"num_output: {outputs} kernel_size: {kernel} {rest}"
    return layer("Convolution", name, bottom, rest=f"convolution_param {{ {sizes} }}")


def product(name: str, bottom: str, outputs: int) -> str:
    return layer("InnerProduct", name, bottom, rest=f"inner_product_param {{ num_output: {outputs} }}")


def pooling(name: str, bottom: str, rest: str) -> str:
    return layer("Pooling", name, bottom, rest=f"pooling_param {{ {rest} }}")


def in_place(kind: str, name: str, blob: str, rest: str = "") -> str:
    return layer(kind, name, blob, blob, rest)


def normalised(names: tuple[str, str], blob: str, parameters: str = "") -> str:
    """BatchNorm and Scale of these names, in place."""
    rest = f"batch_norm_param {{ {parameters} }}" if parameters else ""
    return in_place("BatchNorm", names[0], blob, rest) + in_place("Scale", names[1], blob, SCALED)


def resnet18() -> str:
    """He and others 2015, 18 layers with weights; a 1 x 1 convolution also in the first block, as Caffe's files do."""

    def unit(position: str, bottom: str, outputs: int, kernel: int, stride: int, pad: int) -> str:
        sizes = f"stride: {stride} pad: {pad} bias_term: false"
        names = ("bn_conv1", "scale_conv1") if position == "conv1" else (f"bn{position[3:]}", f"scale{position[3:]}")
        made = convolution(position, bottom, outputs, kernel, sizes)
        return made + normalised(names, position, "moving_average_fraction: 0.9")

    net = 'name: "ResNet-18"\n' + data(1, 3, 224, 224)
    net += unit("conv1", "data", 64, 7, 2, 3) + in_place("ReLU", "conv1_relu", "conv1")
    net += pooling("pool1", "conv1", "kernel_size: 3 stride: 2 pool: MAX")
    bottom = "pool1"
    for stage, outputs in ((2, 64), (3, 128), (4, 256), (5, 512)):
        for block in "ab":
            name, stride, other = f"res{stage}{block}", 2 if stage > 2 and block == "a" else 1, bottom
            if block == "a":
                other = f"{name}_branch1"
                net += unit(other, bottom, outputs, 1, stride, 0)
            net += unit(f"{name}_branch2a", bottom, outputs, 3, stride, 1)
            net += in_place("ReLU", f"{name}_branch2a_relu", f"{name}_branch2a")
            net += unit(f"{name}_branch2b", f"{name}_branch2a", outputs, 3, 1, 1)
            net += layer("Eltwise", name, f"{other} {name}_branch2b", rest="eltwise_param { operation: SUM }")
            net += in_place("ReLU", f"{name}_relu", name)
            bottom = name
    net += pooling("pool5", bottom, "kernel_size: 7 stride: 1 pool: AVE") + product("fc1000", "pool5", 1000)
    return net + layer("Softmax", "prob", "fc1000")


def mobilenet() -> str:
    """Howard and others 2017, width 1: 3 x 3 depthwise convolutions (as many groups as channels), then 1 x 1 ones."""

    def unit(name: str, bottom: str, outputs: int, kernel: int, rest: str) -> str:
        made = convolution(name, bottom, outputs, kernel, f"{rest} bias_term: false")
        names = f"{name}/bn", f"{name}/scale"
        made += normalised(names, name, "use_global_stats: true eps: 1e-5")
        return made + in_place("ReLU", name.replace("conv", "relu"), name)

    net = 'name: "MOBILENET"\n' + data(1, 3, 224, 224) + unit("conv1", "data", 32, 3, "stride: 2 pad: 1")
    bottom, channels = "conv1", 32
    blocks = [("2_1", 64, 1), ("2_2", 128, 2), ("3_1", 128, 1), ("3_2", 256, 2), ("4_1", 256, 1), ("4_2", 512, 2)]
    blocks += [*((f"5_{number}", 512, 1) for number in range(1, 6)), ("5_6", 1024, 2), ("6", 1024, 1)]
    for block, outputs, stride in blocks:
        each, across = f"conv{block}/dw", f"conv{block}/sep"
        net += unit(each, bottom, channels, 3, f"stride: {stride} pad: 1 group: {channels} engine: CAFFE")
        net += unit(across, each, outputs, 1, "")
        bottom, channels = across, outputs
    net += pooling("pool6", bottom, "pool: AVE global_pooling: true") + convolution("fc7", "pool6", 1000, 1, "")
    return net + layer("Softmax", "prob", "fc7")


def alexnet_bn() -> str:
    """Krizhevsky and others 2012 in one column without LRN, BatchNorm behind all layers with weights but the last."""
    net, bottom = 'name: "AlexNet-BN"\n' + data(1, 3, 227, 227), "data"
    convolutions = [(96, 11, "stride: 4 pad: 2"), (256, 5, "pad: 2"), *((n, 3, "pad: 1") for n in (384, 384, 256))]
    for number, (outputs, kernel, rest) in enumerate(convolutions, 1):
        name = f"conv{number}"
        net += convolution(name, bottom, outputs, kernel, rest) + normalised((f"bn{number}", f"scale{number}"), name)
        net += in_place("ReLU", f"relu{number}", name)
        bottom = name
        if number in (1, 2, 5):
            bottom = f"pool{number}"
            net += pooling(bottom, name, "kernel_size: 3 stride: 2 pool: MAX")
    for number in (6, 7):
        name = f"fc{number}"
        net += product(name, bottom, 4096) + normalised((f"bn{number}", f"scale{number}"), name)
        net += in_place("ReLU", f"relu{number}", name) + in_place("Dropout", f"drop{number}", name)
        bottom = name
    return net + product("fc8", bottom, 1000) + layer("Softmax", "prob", "fc8")


def cifar(dropout: float = 0.5) -> str:
    """A residual block, and channels weighted by a function of their means (squeeze and excitation), for 32 x 32
    pixels."""
    average, no_bias = "pool: AVE kernel_size: 3 stride: 2", "scale_param { bias_term: false }"
    net = 'name: "CIFAR10_quick"\n' + layer("Data", "cifar", tops="data label")
    net += convolution("conv1", "data", 32, 5, "") + in_place("BatchNorm", "bn1", "conv1")
    net += layer("ReLU", "relu1", "conv1", "conv1_scale")
    net += convolution("conv2", "conv1_scale", 32, 5, "pad: 2") + in_place("ReLU", "relu2", "conv2")
    net += layer("Eltwise", "ele_sum", "conv1_scale conv2", rest="eltwise_param { operation: SUM }")
    net += pooling("pool2", "ele_sum", average)
    net += convolution("conv3", "pool2", 64, 5, "pad: 2") + in_place("ReLU", "relu3", "conv3")
    net += convolution("conv4", "conv3", 64, 3, "pad: 1 bias_term: false") + in_place("BatchNorm", "bn4", "conv4")
    net += layer("Scale", "scale4", "conv4", "conv_scale4", no_bias)
    net += pooling("pool4", "conv_scale4", "pool: AVE global_pooling: true engine: CAFFE") + product("ip0", "pool4", 64)
    net += layer("Scale", "scale5", "conv_scale4 ip0", "conv_scale5", "scale_param { bias_term: false axis: 0 }")
    net += pooling("pool3", "conv_scale5", average) + product("ip1", "pool3", 64)
    net += layer("BatchNorm", "bn7", "ip1", "ip1_bn") + layer("Scale", "scale7", "ip1_bn", "ip1_scale", SCALED)
    net += layer("Dropout", "drop7", "ip1_scale", rest=f"dropout_param {{ dropout_ratio: {dropout} }}")
    net += product("ip2", "drop7", 10) + in_place("BatchNorm", "bn8", "ip2")
    net += layer("Scale", "scale8", "ip2", "ip2_scale", no_bias)
    net += layer("Accuracy", "accuracy", "ip2_scale label", rest="include { phase: TEST }")
    return net + layer("SoftmaxWithLoss", "loss", "ip2_scale label")


def inner_product() -> str:
    """The first product of AlexNet by itself: its 151 MB of weights are read once per run."""
    return 'name: "InnerProduct"\n' + data(1, 9216) + product("ip", "data", 4096)


def give_weights(net: CaffeNet, seed: int = 9) -> None:
    """Weights with which values stay at a scale of about 1: N(0, 1 / fan in), biases N(0, 1/4), factors about 1, and
    for BatchNorm means about 0 and variances about 1, as sums over a factor; BN's, of forks, as they are."""
    source = np.random.default_rng(seed)

    def drawn(kind: str, number: int, shape: tuple[int, ...]) -> np.ndarray:
        values = source.standard_normal(shape, np.float32)
        if kind == "BatchNorm":
            return FACTOR * (0.3 * values, 0.5 + np.abs(values), np.ones(shape))[number]
        if kind == "BN" and number == 3:
            return 0.5 + np.abs(values)
        if number:
            return 0.5 * values
        return 1 + 0.3 * values if kind in FACTORS else values / np.sqrt(np.prod(shape[1:]))

    shapes = zip(net.graph.nodes, weight_shapes(net.graph, net.shapes), strict=True)
    weights = [[drawn(node.type, number, shape) for number, shape in enumerate(each)] for node, each in shapes]
    assign_weights(net.graph, weights)


CNNS = {"ONNX Runtime": 1.0, "PyTorch": 1.7, "OpenCV": 1.8}
OTHERS = dict.fromkeys(CNNS, 1.0)
NETS = {
    case.name: case
    for case in (
        CaffeCase("ResNet-18", resnet18, (1, 3, 224, 224), 1, {**CNNS, "ONNX Runtime": 1.25}, large=True),
        CaffeCase("MobileNet", mobilenet, (1, 3, 224, 224), 3, CNNS),
        CaffeCase("AlexNet-BN", alexnet_bn, (1, 3, 227, 227), 1, OTHERS, large=True),
        CaffeCase("CIFAR", cifar, (10, 3, 32, 32), 10, OTHERS),
    )
}
PRODUCT = CaffeCase("InnerProduct 9216 -> 4096", inner_product, (1, 9216), 5)
