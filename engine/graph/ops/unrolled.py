"""What the recurrent layers share: their sizes, and the terms of all steps in time that do not depend on the state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compiler.jit import Kernel
from ...team.memory import aligned_zeros
from ..ir.carried import Carried
from ..ir.graph import Node
from ..ir.op import NO_VALUES, Arrays, Gradients
from .channels import add_sums, channel_sums
from .product import PANELS, add_product, multiply
from .recurrent_kernels import add_packed, pack_matrix, panels_size
from .windows import MOST_NUMBERS

STEP_PRODUCTS = (pack_matrix, add_packed)
BACK_PRODUCTS: tuple[Kernel, ...] = (multiply, add_product, channel_sums, *STEP_PRODUCTS)


@dataclass(frozen=True)
class Sizes:
    """`steps` of time, `streams` side by side, values of a step of a stream (`inputs`), of a static input (0 without
    one), `units`, and blocks of rows of the weights (`gates`)."""

    steps: int
    streams: int
    inputs: int
    static: int
    units: int
    gates: int

    @property
    def rows(self) -> int:
        return self.steps * self.streams

    @property
    def values(self) -> int:
        """Of z, for one step of one stream."""
        return self.gates * self.units


def check_sizes(node: Node, sizes: Sizes) -> Sizes:
    """Raises node.error for sizes that no layer can have, before anything of them is allocated."""
    if not sizes.units:
        raise node.error("has num_output 0", "at least 1")
    weights = sizes.values * max(sizes.inputs, sizes.static, sizes.units)
    if weights > MOST_NUMBERS:
        raise node.error(f"has {weights} weights", f"at most {MOST_NUMBERS}")
    if (numbers := max(1, sizes.steps) * sizes.streams * sizes.values) > MOST_NUMBERS:  # without steps, of the state
        raise node.error(f"needs {numbers} numbers for all steps", f"at most {MOST_NUMBERS}")
    return sizes


class Packed:
    """A blob [columns, depth] of a layer's weights in panels, for products with it, or transposed (`transposed` 1) with
    its transpose; packed again after it was written to."""

    def __init__(self, node: Node, number: int, transposed: int, columns: int, depth: int):
        self._node, self._number, self._sizes = node, number, (transposed, columns, depth)
        self._panels = aligned_zeros(panels_size(columns, depth))
        self._made: tuple | None = None

    def panels(self) -> np.ndarray:
        held = self._node.held
        now = (held.owner, held.versions()) if held else None
        if now is None or now != self._made:
            pack_matrix.run(self._node.weights[self._number].reshape(-1), *self._sizes, self._panels)
            self._made = now
        return self._panels


class Unrolled:
    """Memory and products of one preparation of a layer.

    z    [steps, streams, values]  W_x x + b (+ W_s static), which the steps add to, or turn into gates
    masked    [steps, streams, units]  what the weights of the state were multiplied by
    starts    the state that the last run began with

    `roles` are the numbers of the weights x, bias, static (None without) and state; `state` carries it over.
    """

    def __init__(self, node: Node, sizes: Sizes, roles: dict[str, int | None], state: Carried | None):
        self.node, self.sizes, self.roles, self.state = node, sizes, roles, state
        self.z, self.masked = aligned_zeros(sizes.rows * sizes.values), aligned_zeros(sizes.rows * sizes.units)
        self.starts: list[np.ndarray] = []
        self.of_x, self.of_static, self.of_state = (
            None if roles[role] is None else Packed(node, roles[role], 1, sizes.values, depth)
            for role, depth in (("x", sizes.inputs), ("static", sizes.static), ("state", sizes.units))
        )

    def weight(self, role: str) -> np.ndarray:
        """The blob of that role, flat."""
        return self.node.weights[self.roles[role]].reshape(-1)

    def begin(self, inputs: Arrays, static: np.ndarray | None, given: Arrays) -> None:
        """Compute z, and take the state from the bottoms `given`, or from the last run."""
        sizes, z, values = self.sizes, self.z, self.sizes.values
        if static is None:
            np.copyto(z.reshape(sizes.rows, values), self.weight("bias"))
        else:
            part = np.tile(self.weight("bias"), sizes.streams)
            add_packed.run(static.reshape(-1), 0, self.of_static.panels(), sizes.streams, values, sizes.static, part, 0)
            np.copyto(z.reshape(sizes.steps, part.size), part)
        add_packed.run(inputs[0].reshape(-1), 0, self.of_x.panels(), sizes.rows, values, sizes.inputs, z, 0)
        self.starts = self.state.begin(self.node.streams) if self.state else [each.reshape(-1) for each in given]

    def keep(self, *ends: np.ndarray) -> None:
        """The state after the last step, as flat arrays of all steps; before the first where there is none."""
        size = self.sizes.streams * self.sizes.units
        for number, each in enumerate(ends if self.state else ()):
            np.copyto(self.state.end[number], each[-size:] if self.sizes.steps else self.starts[number])


class UnrolledBack:
    """The gradients of the terms of one preparation's z, from its gradient `dz`, which the steps backward write.

    `of_state`: the weights of the state for products with dz; `carried`: memory for gradients of the state.
    """

    def __init__(self, run: Unrolled, states: int):
        self.run, sizes = run, run.sizes
        self.dz, self.panels = aligned_zeros(sizes.rows * sizes.values), aligned_zeros(PANELS)
        self.of_state = Packed(run.node, run.roles["state"], 0, sizes.units, sizes.values)
        self.carried = [aligned_zeros(sizes.streams * sizes.units) for _ in range(states)]
        self.sums = np.empty(sizes.values), np.empty(sizes.values)

    def begin(self) -> None:
        """The gradients are truncated: nothing comes from steps after the last."""
        for each in self.carried:
            each.fill(0)

    def add(self, number: int | None, weight_gradients: Gradients, dz: np.ndarray, x: np.ndarray, depth: int) -> None:
        """Adds dz.T @ x to the gradient of a blob, x of `depth` rows."""
        if number is None or weight_gradients[number] is None:
            return
        values = dz.size // max(1, depth)
        width, gradient = x.size // max(1, depth), weight_gradients[number].reshape(-1)
        if depth:
            add_product.run(dz, 1, values, x, values, width, depth, self.panels, gradient)

    def add_bias(self, number: int, weight_gradients: Gradients, dz: np.ndarray, rows: int, values: int) -> None:
        """Adds the sum of dz over its rows."""
        if weight_gradients[number] is not None:
            sums = [part[:values] for part in self.sums]
            channel_sums.run(NO_VALUES, dz, rows, values, 1, *sums)
            add_sums(weight_gradients[number], sums[0])

    def times(self, dz: np.ndarray, weights: np.ndarray, rows: int, out: np.ndarray) -> None:
        """out [rows, ...] = dz @ weights."""
        values, width = dz.size // max(1, rows), out.size // max(1, rows)
        if rows:
            multiply.run(dz, values, 1, weights, 0, NO_VALUES, rows, width, values, self.panels, out.reshape(-1))

    def finish(
        self, inputs: Arrays, input_gradients: Gradients, weight_gradients: Gradients, static: int | None
    ) -> None:
        """Gradients of x, of the bottom `static` and of the weights but those of an RNN's output. Those of the state's
        bottoms are 0, as in Caffe."""
        run, sizes, roles = self.run, self.run.sizes, self.run.roles
        self.add(roles["x"], weight_gradients, self.dz, inputs[0].reshape(-1), sizes.rows)
        self.add(roles["state"], weight_gradients, self.dz, run.masked, sizes.rows)
        self.add_bias(roles["bias"], weight_gradients, self.dz, sizes.rows, sizes.values)
        for dx in input_gradients[1:]:
            if dx is not None:
                dx.fill(0)
        if input_gradients[0] is not None:
            self.times(self.dz, run.weight("x"), sizes.rows, input_gradients[0])
        if static is not None:
            part = self.dz.reshape(sizes.steps, sizes.streams * sizes.values).sum(axis=0)
            self.add(roles["static"], weight_gradients, part, inputs[static].reshape(-1), sizes.streams)
            if input_gradients[static] is not None:
                self.times(part, run.weight("static"), sizes.streams, input_gradients[static])
