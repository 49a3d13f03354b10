"""LSTM and RNN, Caffe's own recurrent layers.

Bottoms: x [T, N, ...], cont [T, N], a static input [N, ...] if there is one more, and with expose_hidden the state to
begin with, [1, N, H] each. Tops: h (RNN: o) [T, N, H], and with expose_hidden the state after the last step.

Without expose_hidden, a run begins with the state that the one before has left, zeros at first (`ir/carried.py`): the
rows of cont of the first step decide by stream whether it goes on (1) or a sequence begins (0). After a reshape the
state is zeros.

Weights: of x, bias, of the static input, of the state; RNN: then W and bias of the output. Gradients end at the first
step of the run; the tops of the state have none, and bottoms of the state get 0, as in Caffe.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...team.memory import aligned_zeros
from ..ir.carried import Carried
from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run, count
from .curves import TANH
from .product import PANELS, multiply
from .recurrent_kernels import lstm_backward, lstm_forward, rnn_backward, rnn_forward
from .smooth import smooth_activation
from .unrolled import BACK_PRODUCTS, STEP_PRODUCTS, Sizes, Unrolled, UnrolledBack, check_sizes

STATES = {"LSTM": 2, "RNN": 1}  # arrays of a stream's state
ROWS_PER_UNIT = {"LSTM": 4, "RNN": 1}


@dataclass(frozen=True)
class Recurrent:
    """Of an LSTM or RNN."""

    num_output: int = 0
    expose_hidden: bool = False


def static_bottom(node: Node) -> int | None:
    """The number of the static input; None without one. Raises node.error for another number of bottoms or tops."""
    states = STATES[node.type] if node.attributes.expose_hidden else 0
    bottoms, tops = len(node.bottoms), len(node.tops)
    if bottoms - states not in (2, 3):
        exposed = f" and {states} of the state" if states else ""
        raise node.error(f"has {bottoms} bottoms", f"x, cont, perhaps a static input{exposed}")
    if tops != 1 + states:
        raise node.error(f"has {tops} tops", f"{1 + states}")
    return 2 if bottoms - states == 3 else None


def sizes_of(node: Node, bottoms: list[Shape]) -> Sizes:
    """Raises node.error for bottoms that do not fit."""
    static, (x, cont) = static_bottom(node), bottoms[:2]
    units = node.attributes.num_output
    if len(x) < 2 or cont != x[:2]:
        raise node.error(f"bottoms of shapes {list(x)} and {list(cont)}", "[steps, streams, ...], [steps, streams]")
    steps, streams = x[:2]
    if static is not None and bottoms[static][:1] != (streams,):
        raise node.error(f"has a static input of shape {list(bottoms[static])}", f"[{streams}, ...], a row per stream")
    for shape in bottoms[2 if static is None else 3 :]:
        if shape != (1, streams, units):
            raise node.error(f"has a state of shape {list(shape)}", f"{[1, streams, units]}")
    width = 0 if static is None else count(bottoms[static], 1)
    return check_sizes(node, Sizes(steps, streams, count(x, 2), width, units, ROWS_PER_UNIT[node.type]))


def recurrent_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    sizes = sizes_of(node, bottoms)
    return [(sizes.steps, sizes.streams, sizes.units), *[(1, sizes.streams, sizes.units)] * (len(node.tops) - 1)]


def recurrent_weights(node: Node, bottoms: list[Shape]) -> list[Shape]:
    sizes = sizes_of(node, bottoms)
    units, values = sizes.units, sizes.values
    static = [] if static_bottom(node) is None else [(values, sizes.static)]
    output = [(units, units), (units,)] if node.type == "RNN" else []
    return [(values, sizes.inputs), (values,), *static, (values, units), *output]


def recurrent_macs(node: Node, bottoms: list[Shape], tops: list[Shape]) -> int:
    sizes = sizes_of(node, bottoms)
    of_step = sizes.values * (sizes.inputs + sizes.units) + (sizes.units**2 if node.type == "RNN" else 0)
    return sizes.rows * of_step + sizes.streams * sizes.values * sizes.static


def _unrolled(node: Node, bottoms: list[Shape]) -> Unrolled:
    sizes, static = sizes_of(node, bottoms), static_bottom(node)
    roles = {"x": 0, "bias": 1, "static": static, "state": 2 if static is None else 3}
    size = sizes.streams * sizes.units
    state = None if node.attributes.expose_hidden else Carried(*[size] * STATES[node.type])
    return Unrolled(node, sizes, roles, state)


class RecurrentRun:
    """A prepared LSTM or RNN. `state` is what it carries over, None with expose_hidden."""

    def __init__(self, node: Node, bottoms: list[Shape]):
        self.unrolled, self.static = _unrolled(node, bottoms), static_bottom(node)
        self.state = self.unrolled.state

    def begin(self, inputs) -> None:
        static = None if self.static is None else inputs[self.static]
        self.unrolled.begin(inputs, static, inputs[2 if self.static is None else 3 :])

    def finish(self, outputs, *ends: np.ndarray) -> None:
        """Keep the state, and write its tops."""
        unrolled = self.unrolled
        unrolled.keep(*ends)
        for top, values, start in zip(outputs[1:], ends, unrolled.starts, strict=False):
            np.copyto(top.reshape(-1), values[-top.size :] if unrolled.sizes.steps else start)


class LstmRun(RecurrentRun):
    def __init__(self, node: Node, bottoms: list[Shape]):
        super().__init__(node, bottoms)
        self.cells = aligned_zeros(self.unrolled.masked.size)

    def __call__(self, inputs, outputs) -> None:
        self.begin(inputs)
        run, sizes, h = self.unrolled, self.unrolled.sizes, outputs[0].reshape(-1)
        lstm_forward.run(
            run.z, run.of_state.panels(), inputs[1].reshape(-1), *run.starts,
            sizes.steps, sizes.streams, sizes.units, run.masked, h, self.cells,
        )  # fmt: skip
        self.finish(outputs, h, self.cells)


class RnnRun(RecurrentRun):
    def __init__(self, node: Node, bottoms: list[Shape]):
        super().__init__(node, bottoms)
        self.hidden, self.panels = aligned_zeros(self.unrolled.masked.size), aligned_zeros(PANELS)

    def __call__(self, inputs, outputs) -> None:
        self.begin(inputs)
        run, sizes, o = self.unrolled, self.unrolled.sizes, outputs[0].reshape(-1)
        rnn_forward.run(
            run.z, run.of_state.panels(), inputs[1].reshape(-1), *run.starts,
            sizes.steps, sizes.streams, sizes.units, run.masked, self.hidden,
        )  # fmt: skip
        weights, bias = run.node.weights[-2].reshape(-1), run.node.weights[-1]
        units = sizes.units
        multiply.run(self.hidden, units, 1, weights, 1, bias, sizes.rows, units, units, self.panels, o)
        smooth_activation.run(o, o, TANH, 1.0, 0.0)
        self.finish(outputs, self.hidden)


def prepare_lstm(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    return LstmRun(node, bottoms)


def prepare_rnn(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    return RnnRun(node, bottoms)


# ------------------------------------------------------------------------------------------------------------- gradient
def lstm_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    unrolled, sizes = run.unrolled, run.unrolled.sizes
    terms = UnrolledBack(unrolled, states=2)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        terms.begin()
        lstm_backward.run(
            unrolled.z, run.cells, unrolled.starts[1], inputs[1].reshape(-1), output_gradients[0].reshape(-1),
            terms.of_state.panels(), np.inf, sizes.steps, sizes.streams, sizes.units,
            *terms.carried, terms.dz,
        )  # fmt: skip
        terms.finish(inputs, input_gradients, weight_gradients, run.static)

    return back


def rnn_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    unrolled, sizes = run.unrolled, run.unrolled.sizes
    terms, units = UnrolledBack(unrolled, states=1), sizes.units
    of_output, of_hidden = (aligned_zeros(sizes.rows * units) for _ in range(2))

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        o = outputs[0].reshape(-1)
        np.multiply(output_gradients[0].reshape(-1), 1 - o * o, out=of_output)
        terms.add(len(node.weights) - 2, weight_gradients, of_output, run.hidden, sizes.rows)
        terms.add_bias(len(node.weights) - 1, weight_gradients, of_output, sizes.rows, units)
        terms.times(of_output, node.weights[-2].reshape(-1), sizes.rows, of_hidden)
        terms.begin()
        rnn_backward.run(
            run.hidden, inputs[1].reshape(-1), of_hidden, terms.of_state.panels(),
            sizes.steps, sizes.streams, units, *terms.carried, terms.dz,
        )  # fmt: skip
        terms.finish(inputs, input_gradients, weight_gradients, run.static)

    return back


CONT = (1,)  # the bottom that never gets a gradient
OPS = (
    Op(
        "LSTM", recurrent_shapes, prepare_lstm, recurrent_weights, recurrent_macs, bottoms=(2, 5), tops=(1, 3),
        kernels=(*STEP_PRODUCTS, lstm_forward),
        gradient=Gradient(lstm_back, CONT, kernels=(*BACK_PRODUCTS, lstm_backward)),
    ),
    Op(
        "RNN", recurrent_shapes, prepare_rnn, recurrent_weights, recurrent_macs, bottoms=(2, 4), tops=(1, 2),
        kernels=(*STEP_PRODUCTS, rnn_forward, multiply, smooth_activation),
        gradient=Gradient(rnn_back, CONT, kernels=(*BACK_PRODUCTS, rnn_backward)),
    ),
)  # fmt: skip
