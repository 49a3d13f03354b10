"""Models of a few operators, each with something that could be folded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto

from ..suites.onnx_builder import ModelBuilder

OPSET, SIZE = 14, 8
MEAN = np.float32([0.485, 0.456, 0.406]).reshape(3, 1, 1)
DEVIATION = np.float32([0.229, 0.224, 0.225]).reshape(3, 1, 1)


@dataclass(frozen=True)
class FoldCase:
    """`design` adds nodes behind "x" and gives the output. `least`: the operators that must remain, as none of them can
    be folded exactly."""

    name: str
    design: Callable[[ModelBuilder, str], str]
    least: int = 1
    batch: int | str = 1

    def model(self) -> onnx.ModelProto:
        """float32 "x" [batch, 3, SIZE, SIZE] -> one output."""
        b = ModelBuilder(1.0, SIZE, seed=7)
        return b.model(self.name, self.batch, [self.design(b, "x")], OPSET)


def per_channel(b: ModelBuilder, kind: str, x: str, values=None) -> str:
    """`x` and a constant for each channel."""
    constant = b.drawn(b.channels[x], 1, 1, deviation=0.1, mean=1.0) if values is None else b.constant(values)
    return b.one(kind, x, constant)


def standardised(b: ModelBuilder, x: str) -> str:
    return per_channel(b, "Div", per_channel(b, "Sub", x, MEAN), DEVIATION)


def inner(b: ModelBuilder, x: str) -> str:
    """A convolution without padding."""
    return b.conv(x, 8, 3, pad=0)


def padded(b: ModelBuilder, x: str) -> str:
    return b.conv(x, 8, 3)


def flat(b: ModelBuilder, x: str) -> str:
    """The means of 8 channels, [1, 8]."""
    return b.one("Flatten", b.one("GlobalAveragePool", inner(b, x)), axis=1)


def multiplied(b: ModelBuilder, x: str) -> str:
    return b.one("Add", b.one("MatMul", flat(b, x), b.drawn(8, 4)), b.drawn(4))


def gemm_norm(b: ModelBuilder, x: str) -> str:
    made = b.one("Gemm", flat(b, x), b.drawn(8, 4), b.drawn(4))
    b.channels[made] = 4
    return b.norm(made)


def deconvolved(b: ModelBuilder, x: str) -> str:
    return b.norm(b.one("ConvTranspose", inner(b, x), b.drawn(8, 8, 2, 2), kernel_shape=[2, 2], strides=[2, 2]))


def number(b: ModelBuilder, value: float) -> str:
    return b.constant(np.float32(value))


def scaled(b: ModelBuilder, x: str) -> str:
    """By numbers, as the ends of some nets."""
    return b.one("Sub", b.one("Div", inner(b, x), number(b, 4)), number(b, 0.5))


def hard_swish(b: ModelBuilder, x: str) -> str:
    x = inner(b, x)
    gate = b.one("Clip", b.one("Add", x, number(b, 3)), number(b, 0), number(b, 6))
    return b.one("Div", b.one("Mul", x, gate), number(b, 6))


def pad_conv(b: ModelBuilder, x: str) -> str:
    return inner(b, b.one("Pad", x, b.constant([0, 0, 1, 1, 0, 0, 1, 1]), number(b, 0)))


def same_reshape(b: ModelBuilder, x: str) -> str:
    return inner(b, b.one("Reshape", x, b.constant([1, 3, SIZE, SIZE])))


def there_and_back(b: ModelBuilder, x: str) -> str:
    return inner(b, b.one("Transpose", b.one("Transpose", x, perm=[0, 2, 3, 1]), perm=[0, 3, 1, 2]))


def nothing(b: ModelBuilder, x: str) -> str:
    same = b.one("Cast", b.one("Dropout", b.one("Identity", inner(b, x))), to=TensorProto.FLOAT)
    return b.one("Relu", same)


def dead(b: ModelBuilder, x: str) -> str:
    made = inner(b, x)
    b.one("Sigmoid", padded(b, x))
    return made


def flattened_by_shape(b: ModelBuilder, x: str) -> str:
    """As PyTorch's `view(x.size(0), -1)` is written."""
    x = inner(b, x)
    batch = b.one("Gather", b.one("Shape", x), b.constant(np.int64(0)), axis=0)
    target = b.one("Concat", b.one("Unsqueeze", batch, b.constant([0])), b.constant([-1]), axis=0)
    return b.one("Reshape", x, target)


CASES = (
    FoldCase("Sub mean, Conv", lambda b, x: inner(b, per_channel(b, "Sub", x, MEAN))),
    FoldCase("Mul scale, Conv", lambda b, x: inner(b, per_channel(b, "Mul", x, 1 / DEVIATION))),
    FoldCase("Div deviation, Conv", lambda b, x: inner(b, per_channel(b, "Div", x, DEVIATION))),
    FoldCase("Sub, Div, Conv", lambda b, x: inner(b, standardised(b, x))),
    FoldCase("BatchNorm, Conv", lambda b, x: inner(b, b.norm(x))),
    FoldCase("Mul scale, padded Conv", lambda b, x: padded(b, per_channel(b, "Mul", x, 1 / DEVIATION))),
    FoldCase("Sub, Div, padded Conv", lambda b, x: padded(b, standardised(b, x)), least=2),
    FoldCase("Conv, BatchNorm", lambda b, x: b.norm(inner(b, x))),
    FoldCase("Conv, Mul, Add per channel", lambda b, x: per_channel(b, "Add", per_channel(b, "Mul", inner(b, x)))),
    FoldCase("Conv, Div, Sub by numbers", scaled),
    FoldCase("Conv, ConvTranspose, BatchNorm", deconvolved, least=2),
    FoldCase("MatMul, Add", multiplied, least=4),
    FoldCase("Gemm, BatchNorm", gemm_norm, least=4),
    FoldCase("x * Sigmoid(x)", lambda b, x: b.act(inner(b, x), "Swish"), least=2),
    FoldCase("hard-swish as Add, Clip, Mul, Div", hard_swish, least=2),
    FoldCase("Pad, Conv", pad_conv),
    FoldCase("Reshape to the same shape", same_reshape),
    FoldCase("Transpose and back", there_and_back),
    FoldCase("Identity, Dropout, Cast", nothing, least=2),
    FoldCase("dead branch", dead),
    FoldCase("Shape, Gather, Concat, Reshape", flattened_by_shape, least=2),
    FoldCase("the same, batch free", flattened_by_shape, least=2, batch="N"),
)
