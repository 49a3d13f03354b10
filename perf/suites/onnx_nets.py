"""The nets of the suite `onnx`, as PyTorch's exporter writes such nets, with weights drawn at random.

Classifiers and detectors by their usual designs, of any input size and width: `NETS[name].model()` is the size that is
timed, `model(size, width)` another. An activation is written as exporters write it: Clip, HardSwish, x * Sigmoid(x).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx

from .onnx_builder import ModelBuilder

OPSET = 14  # the first with HardSwish
Design = Callable[[ModelBuilder, str], list[str]]


def resnet18(b: ModelBuilder, x: str) -> list[str]:
    """He and others 2015, BatchNormalization in the file."""

    def unit(x: str, outputs: int, kernel: int, stride: int = 1) -> str:
        return b.norm(b.conv(x, outputs, kernel, stride, bias=False))

    x = b.act(unit(x, b.wide(64), 7, 2), "Relu")
    x = b.pool(x, "MaxPool", 3, 2, 1)
    for stage, channels in enumerate((64, 128, 256, 512)):
        for block in range(2):
            stride = 2 if stage and not block else 1
            other = unit(x, b.wide(channels), 1, 2) if stride == 2 else x
            inner = unit(b.act(unit(x, b.wide(channels), 3, stride), "Relu"), b.wide(channels), 3)
            x = b.act(b.one("Add", inner, other), "Relu")
    return b.classes(x)


def mobilenet_v2(b: ModelBuilder, x: str) -> list[str]:
    """Sandler and others 2018."""
    x = b.conv(x, b.wide(32), 3, 2, act="Relu6")
    for expand, outputs, repeats, stride in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for number in range(repeats):
            inner = b.conv(x, b.channels[x] * expand, act="Relu6") if expand > 1 else x
            inner = b.depthwise(inner, 3, 1 if number else stride, "Relu6")
            inner = b.conv(inner, b.wide(outputs))
            x = b.one("Add", x, inner) if number else inner
    return b.classes(b.conv(x, b.wide(1280), act="Relu6"))


def mobilenet_v3(b: ModelBuilder, x: str) -> list[str]:
    """Howard and others 2019, the small one."""
    x = b.conv(x, b.wide(16), 3, 2, act="HardSwish")
    for kernel, hidden, outputs, excited, act, stride in (
        (3, 16, 16, True, "Relu", 2), (3, 72, 24, False, "Relu", 2), (3, 88, 24, False, "Relu", 1),
        (5, 96, 40, True, "HardSwish", 2), (5, 240, 40, True, "HardSwish", 1), (5, 240, 40, True, "HardSwish", 1),
        (5, 120, 48, True, "HardSwish", 1), (5, 144, 48, True, "HardSwish", 1), (5, 288, 96, True, "HardSwish", 2),
        (5, 576, 96, True, "HardSwish", 1), (5, 576, 96, True, "HardSwish", 1),
    ):  # fmt: skip
        inner = b.depthwise(b.conv(x, b.wide(hidden), act=act), kernel, stride, act)
        if excited:
            inner = b.excite(inner, b.wide(hidden / 4), "Relu", "HardSigmoid")
        inner = b.conv(inner, b.wide(outputs))
        x = b.one("Add", x, inner) if stride == 1 and b.channels[x] == b.channels[inner] else inner
    return b.classes(b.conv(x, b.wide(576), act="HardSwish"))


def efficientnet(b: ModelBuilder, x: str) -> list[str]:
    """Tan and Le 2019, B0."""
    x = b.conv(x, b.wide(32), 3, 2, act="Swish")
    for expand, kernel, outputs, repeats, stride in (
        (1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2), (6, 5, 112, 3, 1), (6, 5, 192, 4, 2),
        (6, 3, 320, 1, 1),
    ):  # fmt: skip
        for number in range(repeats):
            inner = b.conv(x, b.channels[x] * expand, act="Swish") if expand > 1 else x
            inner = b.depthwise(inner, kernel, 1 if number else stride, "Swish")
            inner = b.conv(b.excite(inner, max(4, b.channels[x] // 4), "Swish", "Sigmoid"), b.wide(outputs))
            x = b.one("Add", x, inner) if number else inner
    return b.classes(b.conv(x, b.wide(1280), act="Swish"))


def shufflenet_v2(b: ModelBuilder, x: str) -> list[str]:
    """Ma and others 2018, width 1: half of the channels pass by, then both halves are shuffled."""

    def shuffled(x: str, size: int) -> str:
        x = b.one("Reshape", x, b.constant([0, 2, b.channels[x] // 2, size, size]))
        x = b.one("Transpose", x, perm=[0, 2, 1, 3, 4])
        return b.one("Reshape", x, b.constant([0, -1, size, size]))

    def branch(x: str, outputs: int, stride: int) -> str:
        return b.conv(b.depthwise(b.conv(x, outputs, act="Relu"), 3, stride), outputs, act="Relu")

    size = b.size // 4
    x = b.pool(b.conv(x, b.wide(24), 3, 2, act="Relu"), "MaxPool", 3, 2, 1)
    for channels, repeats in ((116, 4), (232, 8), (464, 4)):
        half, size = b.wide(channels / 2), size // 2
        other = b.conv(b.depthwise(x, 3, 2), half, act="Relu")
        x = shuffled(b.join(other, branch(x, half, 2)), size)
        for _ in range(repeats - 1):
            kept, worked = b.halves(x)
            x = shuffled(b.join(kept, branch(worked, half, 1)), size)
    return b.classes(b.conv(x, b.wide(1024), act="Relu"))


def squeezenet(b: ModelBuilder, x: str) -> list[str]:
    """Iandola and others 2016, version 1.1, with a convolution as classifier."""

    def fire(x: str, squeezed: int, outputs: int) -> str:
        x = b.conv(x, b.wide(squeezed), act="Relu")
        return b.join(b.conv(x, b.wide(outputs), act="Relu"), b.conv(x, b.wide(outputs), 3, act="Relu"))

    x = b.pool(b.conv(x, b.wide(64), 3, 2, act="Relu"), "MaxPool", 3, 2, ceil_mode=1)
    x = b.pool(fire(fire(x, 16, 64), 16, 64), "MaxPool", 3, 2, ceil_mode=1)
    x = b.pool(fire(fire(x, 32, 128), 32, 128), "MaxPool", 3, 2, ceil_mode=1)
    for squeezed, outputs in ((48, 192), (48, 192), (64, 256), (64, 256)):
        x = fire(x, squeezed, outputs)
    x = b.one("GlobalAveragePool", b.conv(x, 1000, act="Relu"))
    return [b.one("Softmax", b.one("Flatten", x, axis=1), axis=1)]


def densenet(b: ModelBuilder, x: str) -> list[str]:
    """Huang and others 2017, a third of DenseNet-121's layers; BatchNormalization before each convolution."""
    growth = b.wide(32)
    x = b.act(b.norm(b.conv(x, 2 * growth, 7, 2, bias=False)), "Relu")
    x = b.pool(x, "MaxPool", 3, 2, 1)
    for stage, layers in enumerate((2, 4, 8, 5)):
        if stage:
            x = b.conv(b.act(b.norm(x), "Relu"), b.channels[x] // 2, bias=False)
            x = b.pool(x, "AveragePool", 2, 2)
        for _ in range(layers):
            inner = b.act(b.norm(b.conv(b.act(b.norm(x), "Relu"), 4 * growth, bias=False)), "Relu")
            x = b.join(x, b.conv(inner, growth, 3, bias=False))
    return b.classes(b.act(b.norm(x), "Relu"))


def yolo(b: ModelBuilder, x: str) -> list[str]:
    """A detector of three scales after Jocher and others 2023 (version 8, size n), without the decoding."""

    def split_stage(x: str, outputs: int, repeats: int, residual: bool) -> str:
        parts = b.halves(b.conv(x, outputs, act="Swish"))
        for _ in range(repeats):
            inner = b.conv(b.conv(parts[-1], outputs // 2, 3, act="Swish"), outputs // 2, 3, act="Swish")
            parts.append(b.one("Add", parts[-1], inner) if residual else inner)
        return b.conv(b.join(*parts), outputs, act="Swish")

    def head(x: str, outputs: int) -> str:
        inner = b.conv(b.conv(x, b.wide(64), 3, act="Swish"), b.wide(64), 3, act="Swish")
        return b.rows(b.conv(inner, outputs), outputs)

    x, levels = b.conv(x, b.wide(16), 3, 2, act="Swish"), []
    for channels, repeats in ((32, 1), (64, 2), (128, 2), (256, 1)):
        x = split_stage(b.conv(x, b.wide(channels), 3, 2, act="Swish"), b.wide(channels), repeats, True)
        levels.append(x)
    pooled = [b.conv(x, b.wide(128), act="Swish")]
    for _ in range(3):
        pooled.append(b.pool(pooled[-1], "MaxPool", 5, 1, 2))
    top = b.conv(b.join(*pooled), b.wide(256), act="Swish")
    middle = split_stage(b.join(b.twice(top), levels[2]), b.wide(128), 1, False)
    low = split_stage(b.join(b.twice(middle), levels[1]), b.wide(64), 1, False)
    middle = split_stage(b.join(b.conv(low, b.wide(64), 3, 2, act="Swish"), middle), b.wide(128), 1, False)
    top = split_stage(b.join(b.conv(middle, b.wide(128), 3, 2, act="Swish"), top), b.wide(256), 1, False)
    boxes = [head(level, 64) for level in (low, middle, top)]
    scores = [head(level, 80) for level in (low, middle, top)]
    return [b.one("Concat", *boxes, axis=1), b.one("Sigmoid", b.one("Concat", *scores, axis=1))]


def unet(b: ModelBuilder, x: str) -> list[str]:
    """Ronneberger and others 2015, a quarter as wide, with padding and linear enlargement."""

    def pair(x: str, outputs: int) -> str:
        return b.conv(b.conv(x, outputs, 3, act="Relu"), outputs, 3, act="Relu")

    levels = [pair(x, b.wide(16))]
    for channels in (32, 64, 128):
        levels.append(pair(b.pool(levels[-1], "MaxPool", 2, 2), b.wide(channels)))
    x = levels.pop()
    for level in reversed(levels):
        x = pair(b.join(level, b.twice(x, "linear")), b.channels[level])
    return [b.one("Sigmoid", b.conv(x, 1))]


def face(b: ModelBuilder, x: str) -> list[str]:
    """A face detector of four scales with depthwise convolutions, as in small ones for phones."""

    def separable(x: str, outputs: int, stride: int = 1) -> str:
        return b.conv(b.depthwise(x, 3, stride, "Relu"), outputs, act="Relu")

    x, levels = b.conv(x, b.wide(16), 3, 2, act="Relu"), []
    for channels, repeats in ((32, 3), (64, 4), (128, 3), (256, 2)):
        for number in range(repeats):
            x = separable(x, b.wide(channels), 1 if number else 2)
        levels.append(x)
    scores = [b.rows(b.conv(b.depthwise(level, act="Relu"), 3 * 2, 3), 2) for level in levels]
    boxes = [b.rows(b.conv(b.depthwise(level, act="Relu"), 3 * 4, 3), 4) for level in levels]
    return [b.one("Softmax", b.one("Concat", *scores, axis=1), axis=2), b.one("Concat", *boxes, axis=1)]


@dataclass(frozen=True)
class OnnxCase:
    """`size` are the pixels of a side that are timed, a multiple of 32. `repeats`: runs per time measurement."""

    name: str
    design: Design
    size: int
    repeats: int

    def model(self, size: int | None = None, width: float = 1.0, seed: int = 7) -> onnx.ModelProto:
        """float32 "x" [N, 3, size, size], free in N -> outputs by their nodes' names."""
        size = size or self.size
        b = ModelBuilder(width, size, seed)
        return b.model(self.name, "N", self.design(b, "x"), OPSET)


NETS = {
    case.name: case
    for case in (
        OnnxCase("ResNet-18", resnet18, 224, 1),
        OnnxCase("MobileNetV2", mobilenet_v2, 224, 2),
        OnnxCase("MobileNetV3-small", mobilenet_v3, 224, 5),
        OnnxCase("EfficientNet-B0", efficientnet, 224, 1),
        OnnxCase("ShuffleNetV2", shufflenet_v2, 224, 3),
        OnnxCase("SqueezeNet", squeezenet, 224, 2),
        OnnxCase("DenseNet", densenet, 224, 1),
        OnnxCase("YOLO-n", yolo, 320, 1),
        OnnxCase("U-Net", unet, 256, 1),
        OnnxCase("Face detector", face, 320, 5),
    )
}
