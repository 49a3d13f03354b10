"""Recurrent layers.

ONNX's LSTM has no input that restarts a stream in the middle, as Caffe's cont does. So LSTM and RNN are written step by
step in plain operators, for the number of steps and streams that the net has. A state that is carried over from run to
run begins with zeros in each run of the model: with expose_hidden it is an input. Lstm without clip is one LSTM node.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from ....ir.graph import Node
from ....ops.lstm_forms import lstm_sizes
from ....ops.recurrent import sizes_of, static_bottom
from ....ops.unrolled import Sizes
from .builder import Builder, ExportedLayer

MOST_STEPS = 1024  # 15 nodes each
ONNX_GATES = (0, 2, 1, 3)  # i, o, f, c of Caffe's i, f, o, g

State = tuple[str, ...]  # of the step before, [streams, units] each; none where it is zeros


def carried_over(node: Node) -> bool:
    """Whether a layer begins with the state that its last run has left, which an ONNX model does not."""
    if node.type == "Lstm":
        return len(node.bottoms) > 1
    return node.type in ("LSTM", "RNN") and not node.attributes.expose_hidden


def lstm_cell(builder: Builder, z: str, cont: str, cells: str | None) -> State:
    """h and c of the gates' arguments [streams, 4 * units]; `cells` None: zeros."""
    parts = [builder.fresh(name) for name in ("i", "f", "o", "g")]
    builder.add("Split", [z], parts, axis=-1)
    i, f, o = (builder.add("Sigmoid", [part]) for part in parts[:3])
    c = builder.add("Mul", [i, builder.add("Tanh", [parts[3]])])
    if cells is not None:
        kept = builder.add("Mul", [builder.add("Mul", [f, cont]), cells])
        c = builder.add("Add", [c, kept])
    return builder.add("Mul", [o, builder.add("Tanh", [c])]), c


def _unroll(
    builder: Builder, layer: ExportedLayer, sizes: Sizes, z: str, cont: str, state: State, weight: int, kind: str
) -> tuple[list[str], State]:
    """h of each step, and the state after the last."""
    if not 0 < sizes.steps <= MOST_STEPS:
        raise layer.node.error(f"has {sizes.steps} steps", f"1 to {MOST_STEPS}: they are written one by one")
    hidden = []
    for z_t, cont_t in zip(_steps(builder, z, sizes), _steps(builder, cont, sizes), strict=True):
        if state:
            masked = builder.add("Mul", [state[0], cont_t])
            z_t = builder.add("Gemm", [masked, builder.weight(weight), z_t], transB=1)
        if kind == "RNN":
            state = (builder.add("Tanh", [z_t]),)
        else:
            state = lstm_cell(builder, z_t, cont_t, state[1] if state else None)
        hidden.append(state[0])
    return hidden, state


def _steps(builder: Builder, value: str, sizes: Sizes) -> list[str]:
    """The rows of each step of a value [steps * streams, ...]."""
    if sizes.steps == 1:
        return [value]
    names = [builder.fresh("step") for _ in range(sizes.steps)]
    builder.add("Split", [value, builder.indices([sizes.streams] * sizes.steps)], names, axis=0)
    return names


def recurrent(builder: Builder, layer: ExportedLayer) -> None:
    sizes, static, number = sizes_of(layer.node, layer.bottoms), static_bottom(layer.node), len(layer.node.weights)
    rows, streams, units = sizes.rows, sizes.streams, sizes.units
    x = builder.reshape(layer.inputs[0], [rows, sizes.inputs])
    z = builder.add("Gemm", [x, builder.weight(0), builder.weight(1)], transB=1)
    if static is not None:
        flat = builder.reshape(layer.inputs[static], [streams, sizes.static])
        part = builder.add("Gemm", [flat, builder.weight(2)], transB=1)
        stacked = builder.add("Add", [builder.reshape(z, [sizes.steps, streams, sizes.values]), part])
        z = builder.reshape(stacked, [rows, sizes.values])
    cont = builder.reshape(layer.inputs[1], [rows, 1])
    given = layer.inputs[2 if static is None else 3 :]
    state = tuple(builder.reshape(each, [streams, units]) for each in given)
    kind = layer.node.type
    weight = number - (3 if kind == "RNN" else 1)
    hidden, ends = _unroll(builder, layer, sizes, z, cont, state, weight, kind)
    value = _joined(builder, hidden)
    if kind == "RNN":
        weights = [builder.weight(number - 2), builder.weight(number - 1)]
        value = builder.add("Tanh", [builder.add("Gemm", [value, *weights], transB=1)])
    builder.reshape(value, layer.tops[0], layer.outputs[0])
    for end, top, output in zip(ends, layer.tops[1:], layer.outputs[1:], strict=False):
        builder.reshape(end, top, output)


def _joined(builder: Builder, parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else builder.add("Concat", parts, axis=0)


def own_lstm(builder: Builder, layer: ExportedLayer) -> None:
    sizes = lstm_sizes(layer.node, layer.bottoms)
    if len(layer.inputs) > 1:
        _own_lstm_by_steps(builder, layer, sizes)
        return
    dims = [-1, sizes.streams, sizes.inputs] if len(layer.bottoms[0]) == 2 else [0, 0, sizes.inputs]
    of_x, of_state, bias = (_onnx_gates(blob, sizes) for blob in layer.node.weights)
    operands = [builder.constant(each[np.newaxis]) for each in (of_x, of_state)]
    operands.append(builder.constant(np.concatenate([bias, np.zeros_like(bias)])[np.newaxis]))
    x = builder.reshape(layer.inputs[0], dims)
    value = builder.add("LSTM", [x, *operands], hidden_size=sizes.units)  # [steps, 1, streams, units]
    builder.reshape(value, layer.dims[0], layer.outputs)


def _onnx_gates(blob: np.ndarray, sizes: Sizes) -> np.ndarray:
    """The rows of a blob in ONNX's order of the gates."""
    blocks = blob.reshape(sizes.gates, sizes.units, *blob.shape[1:])
    return blocks[list(ONNX_GATES)].reshape(blob.shape)


def _own_lstm_by_steps(builder: Builder, layer: ExportedLayer, sizes: Sizes) -> None:
    x = builder.reshape(layer.inputs[0], [sizes.rows, sizes.inputs])
    z = builder.add("Gemm", [x, builder.weight(0), builder.weight(2)], transB=1)
    begins = builder.add("Equal", [builder.reshape(layer.inputs[1], [sizes.rows, 1]), builder.constant(0)])
    cont = builder.add("Cast", [builder.add("Not", [begins])], to=TensorProto.FLOAT)
    hidden, _ = _unroll(builder, layer, sizes, z, cont, (), 1, "LSTM")
    builder.reshape(_joined(builder, hidden), layer.tops[0], layer.outputs)


def lstm_unit(builder: Builder, layer: ExportedLayer) -> None:
    cells, z, cont = layer.inputs
    h, c = lstm_cell(builder, z, builder.add("Unsqueeze", [cont, builder.indices([-1])]), cells)
    for number, value in enumerate((c, h)):
        builder.add("Identity", [value], layer.outputs[number])


EXPORTS = {"LSTM": recurrent, "LSTMUnit": lstm_unit, "Lstm": own_lstm, "RNN": recurrent}
