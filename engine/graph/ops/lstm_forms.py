"""Two more forms of LSTM: Lstm, Junhyuk Oh's layer, and LSTMUnit, one step of Caffe's LSTM without its weights.

Lstm: x [T, N, ...], or [T * N, inputs] with `batch_size` N, and perhaps clip [T * N]. Without clip each run begins with
zeros; with it a step whose clip is 0 begins a sequence, and the state goes on from run to run, as that of LSTM.
Weights: of x, of the state, bias, with the gates in LSTM's order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...team.memory import aligned_zeros
from ..ir.carried import Carried
from ..ir.graph import Node, Shape
from ..ir.op import NO_VALUES, Back, Gradient, Layers, Op, Run, count
from .recurrent_kernels import lstm_backward, lstm_forward
from .unrolled import BACK_PRODUCTS, STEP_PRODUCTS, Sizes, Unrolled, UnrolledBack, check_sizes

GATES = 4


# ----------------------------------------------------------------------------------------------------- Lstm
@dataclass(frozen=True)
class Lstm:
    """`clipping_threshold`: the bound of the gradients of the gates' arguments, 0 for none. `batch_size`: the streams
    of a bottom of 2 axes."""

    num_output: int = 0
    clipping_threshold: float = 0.0
    batch_size: int = 1


def lstm_sizes(node: Node, bottoms: list[Shape]) -> Sizes:
    """Raises node.error for bottoms that do not fit."""
    x, attributes = bottoms[0], node.attributes
    if len(x) < 2:
        raise node.error(f"has a bottom of shape {list(x)}", "[steps, streams, inputs]")
    steps, streams, width = x[0], x[1], count(x, 2)
    if len(x) == 2:
        streams, width = attributes.batch_size, x[1]
        if streams < 1 or x[0] % streams:
            raise node.error(f"has {x[0]} rows and batch_size {streams}", "a multiple of batch_size, from 1 on")
        steps = x[0] // streams
    if len(bottoms) > 1 and count(bottoms[1]) != steps * streams:
        raise node.error(f"{count(bottoms[1])} numbers of clip", f"{steps * streams}, one per step of each stream")
    return check_sizes(node, Sizes(steps, streams, width, 0, attributes.num_output, GATES))


def lstm_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    sizes = lstm_sizes(node, bottoms)
    leading = (sizes.rows,) if len(bottoms[0]) == 2 else (sizes.steps, sizes.streams)
    return [(*leading, sizes.units)]


def lstm_weights(node: Node, bottoms: list[Shape]) -> list[Shape]:
    sizes = lstm_sizes(node, bottoms)
    return [(sizes.values, sizes.inputs), (sizes.values, sizes.units), (sizes.values,)]


def lstm_macs(node: Node, bottoms: list[Shape], tops: list[Shape]) -> int:
    sizes = lstm_sizes(node, bottoms)
    return sizes.rows * sizes.values * (sizes.inputs + sizes.units)


class OwnLstmRun:
    """A prepared Lstm. `state` is what it carries over, None without clip; `cont` is 0 where a sequence begins, else
    1."""

    def __init__(self, node: Node, bottoms: list[Shape]):
        sizes = lstm_sizes(node, bottoms)
        size = sizes.streams * sizes.units
        self.state = Carried(size, size) if len(bottoms) > 1 else None
        self.unrolled = Unrolled(node, sizes, {"x": 0, "state": 1, "bias": 2, "static": None}, self.state)
        self.cells, self.zeros = aligned_zeros(self.unrolled.masked.size), aligned_zeros(size)
        self.cont = np.ones(sizes.rows, np.float32)
        self.cont[: sizes.streams] = 0

    def __call__(self, inputs, outputs) -> None:
        run, sizes, h = self.unrolled, self.unrolled.sizes, outputs[0].reshape(-1)
        if len(inputs) > 1:
            np.not_equal(inputs[1].reshape(-1), 0, out=self.cont, casting="unsafe")
        run.begin(inputs, None, [self.zeros, self.zeros])
        lstm_forward.run(
            run.z, run.of_state.panels(), self.cont, *run.starts,
            sizes.steps, sizes.streams, sizes.units, run.masked, h, self.cells,
        )  # fmt: skip
        run.keep(h, self.cells)


def prepare_lstm(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    return OwnLstmRun(node, bottoms)


def lstm_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    unrolled, sizes = run.unrolled, run.unrolled.sizes
    terms, bound = UnrolledBack(unrolled, states=2), node.attributes.clipping_threshold
    bound = bound if bound > 0 else np.inf

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        terms.begin()
        lstm_backward.run(
            unrolled.z, run.cells, unrolled.starts[1], run.cont, output_gradients[0].reshape(-1),
            terms.of_state.panels(), bound, sizes.steps, sizes.streams, sizes.units,
            *terms.carried, terms.dz,
        )  # fmt: skip
        terms.finish(inputs, input_gradients, weight_gradients, None)

    return back


# ------------------------------------------------------------------------------------------------- LSTMUnit
def unit_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    """c before [1, N, H], z [1, N, 4*H] and cont [1, N]; tops c and h."""
    cells, z, cont = bottoms
    if len(cells) != 3 or cells[0] != 1 or z != (*cells[:2], GATES * cells[2]) or cont != cells[:2]:
        shapes = ", ".join(str(list(shape)) for shape in bottoms)
        raise node.error(f"bottoms of shapes {shapes}", "[1, streams, units], [1, streams, 4 * units], [1, streams]")
    return [cells, cells]


class UnitRun:
    """A prepared LSTMUnit; `gates` of its last run, for its gradient."""

    def __init__(self, bottoms: list[Shape]):
        (_, self.streams, self.units), self.gates = bottoms[0], aligned_zeros(count(bottoms[1]))

    def __call__(self, inputs, outputs) -> None:
        cells, z, cont = (each.reshape(-1) for each in inputs)
        np.copyto(self.gates, z)
        c, h = (each.reshape(-1) for each in outputs)
        lstm_forward.run(self.gates, NO_VALUES, cont, NO_VALUES, cells, 1, self.streams, self.units, NO_VALUES, h, c)


def prepare_unit(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    return UnitRun(bottoms)


def unit_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    nothing, dz = aligned_zeros(count(bottoms[0])), aligned_zeros(count(bottoms[1]))
    of_cells = aligned_zeros(count(bottoms[0]))

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        of_c, of_h = (each.reshape(-1) for each in output_gradients)
        np.copyto(of_cells, of_c)
        lstm_backward.run(
            run.gates, outputs[0].reshape(-1), inputs[0].reshape(-1), inputs[2].reshape(-1), of_h, NO_VALUES,
            np.inf, 1, run.streams, run.units, nothing, of_cells, dz,
        )  # fmt: skip
        for dx, values in zip(input_gradients, (of_cells, dz), strict=False):
            if dx is not None:
                np.copyto(dx.reshape(-1), values)

    return back


OPS = (
    Op(
        "Lstm", lstm_shapes, prepare_lstm, lstm_weights, lstm_macs, bottoms=(1, 2),
        kernels=(*STEP_PRODUCTS, lstm_forward),
        gradient=Gradient(lstm_back, (1,), kernels=(*BACK_PRODUCTS, lstm_backward)),
    ),
    Op(
        "LSTMUnit", unit_shapes, prepare_unit, bottoms=(3, 3), tops=(2, 2), kernels=(lstm_forward,),
        gradient=Gradient(unit_back, (2,), kernels=(lstm_backward,)),
    ),
)  # fmt: skip
