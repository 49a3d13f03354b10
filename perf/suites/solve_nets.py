"""The nets of the suite `solve`, as they are trained: Caffe's own examples, and ResNet-18 and SqueezeNet of 224 x 224
pixels, all of whose layers are trained or the last one alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from . import caffe_nets
from .caffe_nets import convolution, in_place, layer, pooling, product

RATE, MOMENTUM, DECAY = 0.01, 0.9, 5e-4
CHECKED = 4  # updates whose losses are compared
AFTER, DOWN = "kernel_size: 3 stride: 2", "kernel_size: 2 stride: 2"
FROZEN = "param { lr_mult: 0 }"


@dataclass(frozen=True)
class SolveCase:
    """`text(dropout ratio)` is the net's prototxt, `shape` that of its `data`, whose labels are among so many
    `classes`. `repeats`: iterations per time measurement. `goals`: threads -> the time of PyTorch's best way over ours
    that the project wants to reach. `large`: left out with --quick."""

    name: str
    text: Callable[[float], str]
    shape: tuple[int, ...]
    classes: int = 10
    repeats: int = 1
    goals: Mapping[int, float] = field(default_factory=dict)
    large: bool = False

    def batch(self) -> dict[str, np.ndarray]:
        """float32 arrays by name, the same for all participants."""
        source = np.random.default_rng(12)
        data = source.standard_normal(self.shape, np.float32)
        return {"data": data, "label": source.integers(0, self.classes, self.shape[0]).astype(np.float32)}


def begin(name: str) -> str:
    return f'name: "{name}"\n' + layer("Data", "data", tops="data label")


def loss(bottom: str) -> str:
    return layer("SoftmaxWithLoss", "loss", f"{bottom} label")


def lenet(dropout: float = 0) -> str:
    """Of Caffe's examples/mnist."""
    net = begin("LeNet") + convolution("conv1", "data", 20, 5, "") + pooling("pool1", "conv1", f"pool: MAX {DOWN}")
    net += convolution("conv2", "pool1", 50, 5, "") + pooling("pool2", "conv2", f"pool: MAX {DOWN}")
    net += product("ip1", "pool2", 500) + in_place("ReLU", "relu1", "ip1")
    return net + product("ip2", "ip1", 10) + loss("ip2")


def cifar10(name: str, normalised: bool) -> str:
    """Of Caffe's examples/cifar10: with two LRN layers the full one, else the quick one, which ends in two products."""
    net, bottom = begin(name), "data"
    for number, (outputs, pool) in enumerate(((32, "MAX"), (32, "AVE"), (64, "AVE")), 1):
        conv, relu = f"conv{number}", f"relu{number}"
        net += convolution(conv, bottom, outputs, 5, "pad: 2")
        net += in_place("ReLU", relu, conv) if number > 1 else ""
        bottom = f"pool{number}"
        net += pooling(bottom, conv, f"pool: {pool} {AFTER}")
        net += in_place("ReLU", relu, bottom) if number == 1 else ""
        if normalised and number < 3:
            fields = "local_size: 3 alpha: 5e-5 beta: 0.75 norm_region: WITHIN_CHANNEL"
            net += layer("LRN", f"norm{number}", bottom, rest=f"lrn_param {{ {fields} }}")
            bottom = f"norm{number}"
    if normalised:
        return net + product("ip1", bottom, 10) + loss("ip1")
    return net + product("ip1", bottom, 64) + product("ip2", "ip1", 10) + loss("ip2")


def resnet18(dropout: float = 0) -> str:
    """That of the suite `caffe`, with data and a loss."""
    given, last = caffe_nets.data(1, 3, 224, 224), layer("Softmax", "prob", "fc1000")
    text = caffe_nets.resnet18().replace(given, layer("Data", "data", tops="data label"))
    return text.replace(last, loss("fc1000"))


def squeezenet(dropout: float = 0.5) -> str:
    """Iandola and others 2016, version 1.1."""
    net = begin("SqueezeNet") + convolution("conv1", "data", 64, 3, "stride: 2") + in_place("ReLU", "relu1", "conv1")
    net += pooling("pool1", "conv1", f"pool: MAX {AFTER}")
    bottom = "pool1"
    for number, inner in enumerate((16, 16, 32, 32, 48, 48, 64, 64), 2):
        fire, outputs = f"fire{number}", 4 * inner
        branches = [("squeeze1x1", bottom, inner, 1, ""), ("expand1x1", f"{fire}/squeeze1x1", outputs, 1, "")]
        branches.append(("expand3x3", f"{fire}/squeeze1x1", outputs, 3, "pad: 1"))
        for name, source, count, kernel, rest in branches:
            net += convolution(f"{fire}/{name}", source, count, kernel, rest)
            net += in_place("ReLU", f"{fire}/relu_{name}", f"{fire}/{name}")
        bottom = f"{fire}/concat"
        net += layer("Concat", bottom, f"{fire}/expand1x1 {fire}/expand3x3")
        if number in (3, 5):
            net += pooling(f"pool{number}", bottom, f"pool: MAX {AFTER}")
            bottom = f"pool{number}"
    net += in_place("Dropout", "drop9", bottom, f"dropout_param {{ dropout_ratio: {dropout} }}")
    net += convolution("conv10", bottom, 1000, 1, "") + in_place("ReLU", "relu_conv10", "conv10")
    return net + pooling("pool10", "conv10", "pool: AVE global_pooling: true") + loss("pool10")


def last_layer_only(text: str) -> str:
    """The net, of which only the last layer with weights is trained; BatchNorm uses its stored statistics."""
    lines, trained = text.splitlines(keepends=True), False
    for number in reversed(range(len(lines))):
        kind = re.search(r'type: "(\w+)"', lines[number])
        if kind and kind[1] in ("Convolution", "InnerProduct", "BatchNorm", "Scale"):
            blobs = 3 if kind[1] == "BatchNorm" else 1 if "bias_term: false" in lines[number] else 2
            if trained:  # also BatchNorm's: else gradients reach it, as in Caffe
                lines[number] = lines[number].replace('" type:', f'" {FROZEN * blobs} type:', 1)
            trained = True
    return "".join(lines).replace("moving_average_fraction: 0.9", "use_global_stats: true")


SMALL, LARGE = {1: 2.0, 2: 1.8}, {1: 1.7, 2: 1.5}
PICTURES = (8, 3, 224, 224)
NETS = {
    case.name: case
    for case in (
        SolveCase("LeNet 64", lenet, (64, 1, 28, 28), repeats=10, goals=SMALL),
        SolveCase("cifar10_quick 100", lambda _: cifar10("quick", False), (100, 3, 32, 32), repeats=3, goals=SMALL),
        SolveCase("cifar10_full 100", lambda _: cifar10("full", True), (100, 3, 32, 32), repeats=2,
                  goals={1: 1.8, 2: 1.6}),
        SolveCase("CIFAR-BN 10", caffe_nets.cifar, (10, 3, 32, 32), repeats=10, goals={1: 2.0, 2: 2.0}),
        SolveCase("CIFAR-BN 100", caffe_nets.cifar, (100, 3, 32, 32), goals={1: 2.0, 2: 2.0}),
        SolveCase("ResNet-18 8", resnet18, PICTURES, 1000, goals=LARGE, large=True),
        SolveCase("ResNet-18 8, last layer", lambda ratio: last_layer_only(resnet18(ratio)), PICTURES, 1000,
                  large=True),
        SolveCase("SqueezeNet 8", squeezenet, PICTURES, 1000, large=True),
        SolveCase("SqueezeNet 8, last layer", lambda ratio: last_layer_only(squeezenet(ratio)), PICTURES, 1000,
                  large=True),
    )
}  # fmt: skip
