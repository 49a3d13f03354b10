"""Writing ONNX models layer by layer, with weights drawn at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class ModelBuilder:
    """Nodes and weights of a model while it is written. Values are named by their nodes; `channels` are a value's.
    `width` multiplies the numbers of channels of hidden layers, `size` is that of the input."""

    def __init__(self, width: float, size: int, seed: int):
        self.width, self.size, self.channels = width, size, {"x": 3}
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._source = np.random.default_rng(seed)

    def node(self, kind: str, inputs: Sequence[str], outputs: int = 1, **attributes) -> list[str]:
        """The names of another node's outputs, with the channels of its first input."""
        name = f"{kind}_{len(self.nodes)}"
        tops = [name] if outputs == 1 else [f"{name}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, tops, name=name, **attributes))
        self.channels |= dict.fromkeys(tops, self.channels.get(inputs[0], 0))
        return tops

    def one(self, kind: str, *inputs: str, **attributes) -> str:
        return self.node(kind, inputs, **attributes)[0]

    def constant(self, values) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def drawn(self, *shape: int, deviation: float = 1.0, mean: float = 0.0) -> str:
        values = mean + deviation * self._source.standard_normal(shape)
        return self.constant(values.astype(np.float32))

    def wide(self, channels: int) -> int:
        """`channels` times the width, at least 8 and a multiple of 8, as in the nets of that kind."""
        return max(8, int(channels * self.width / 8 + 0.5) * 8)

    def model(self, name: str, batch: int | str, outputs: Sequence[str], opset: int) -> onnx.ModelProto:
        """float32 "x" [batch, 3, size, size], free in a batch that is a name -> `outputs`."""
        source = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, self.size, self.size])
        results = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None) for output in outputs]
        graph = helper.make_graph(self.nodes, name, [source], results, self.weights)
        opsets = [helper.make_opsetid("", opset)]
        return onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=opsets, ir_version=8))

    def conv(
        self,
        x: str,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        group: int = 1,
        act: str = "",
        bias: bool = True,
        pad: int | None = None,
    ) -> str:
        """A convolution, with "same" padding if `pad` does not say otherwise, then an activation."""
        inputs = self.channels[x] // group
        weight = self.drawn(outputs, inputs, kernel, kernel, deviation=(2 / (inputs * kernel**2)) ** 0.5)
        operands = [x, weight, self.drawn(outputs, deviation=0.1)] if bias else [x, weight]
        pads = [(kernel - 1) // 2 if pad is None else pad] * 4
        made = self.one(
            "Conv", *operands, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads, group=group, dilations=[1, 1]
        )
        self.channels[made] = outputs
        return self.act(made, act)

    def depthwise(self, x: str, kernel: int = 3, stride: int = 1, act: str = "") -> str:
        return self.conv(x, self.channels[x], kernel, stride, self.channels[x], act)

    def norm(self, x: str) -> str:
        channels = self.channels[x]
        statistics = [self.drawn(channels, deviation=0.1, mean=mean) for mean in (1.0, 0.0, 0.0)]
        variance = self.constant(self._source.uniform(0.5, 1.5, channels).astype(np.float32))
        return self.one("BatchNormalization", x, *statistics, variance, epsilon=1e-5)

    def act(self, x: str, kind: str) -> str:
        """ "", "Relu6", "Swish", or an operator without attributes."""
        if kind == "Relu6":
            return self.one("Clip", x, self.constant(np.float32(0)), self.constant(np.float32(6)))
        if kind == "Swish":
            return self.one("Mul", x, self.one("Sigmoid", x))
        return self.one(kind, x) if kind else x

    def join(self, *values: str) -> str:
        made = self.one("Concat", *values, axis=1)
        self.channels[made] = sum(self.channels[value] for value in values)
        return made

    def halves(self, x: str) -> list[str]:
        half = self.channels[x] // 2
        parts = self.node("Split", [x, self.constant([half, half])], 2, axis=1)
        self.channels |= dict.fromkeys(parts, half)
        return parts

    def pool(self, x: str, kind: str, kernel: int, stride: int, pad: int = 0, **more) -> str:
        return self.one(kind, x, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, **more)

    def twice(self, x: str, mode: str = "nearest") -> str:
        """Both sides doubled."""
        how = {"nearest": ("asymmetric", "floor"), "linear": ("half_pixel", "floor")}[mode]
        scales = self.constant(np.float32([1, 1, 2, 2]))
        return self.one("Resize", x, "", scales, mode=mode, coordinate_transformation_mode=how[0], nearest_mode=how[1])

    def excite(self, x: str, hidden: int, act: str, gate: str) -> str:
        """Channels weighted by a function of their means (squeeze and excitation)."""
        means = self.one("GlobalAveragePool", x)
        scale = self.conv(self.conv(means, hidden, act=act), self.channels[x])
        return self.one("Mul", x, self.act(scale, gate))

    def classes(self, x: str, number: int = 1000) -> list[str]:
        flat = self.one("Flatten", self.one("GlobalAveragePool", x), axis=1)
        weight = self.drawn(number, self.channels[x], deviation=self.channels[x] ** -0.5)
        return [self.one("Gemm", flat, weight, self.drawn(number, deviation=0.1), transB=1)]

    def rows(self, x: str, per_row: int) -> str:
        """[N, anchors * per_row, H, W] -> [N, H * W * anchors, per_row], as detectors give their results."""
        moved = self.one("Transpose", x, perm=[0, 2, 3, 1])
        return self.one("Reshape", moved, self.constant([0, -1, per_row]))
