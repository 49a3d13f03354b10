"""From a net's description to flat tables: what the compiled loops read instead of Python objects.

A plan holds one row of integers per layer (columns below), one parameter vector for the whole net and one layout of the
buffers between the layers. Buffers are [rows, width]; their offsets are counted in columns, so the same plan is used
for any number of rows:  offset in floats = column * rows.  All offsets are multiples of BUFFER_ALIGNMENT floats.

    forward buffers    the outputs that are read later. A layer that does not read its input back works in
                       place, unless the layer before needs its output or is the input itself.
    gradient buffers   one for the output of each layer that reads its input back (lin); the others work in place.
                       No buffer, and no backward call, where no earlier layer has parameters.
    rel after lin      is the lower bound in the epilogue of lin's product, so its own forward is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...formats.network import NetSpec
from ..compiler.jit import Kernel
from ..parameters.owner import Slice, placed, total_size
from .layers import TABLE
from .layers.layer import TextLayer

BUFFER_ALIGNMENT = 16  # floats: one 64-byte cache line
UNUSED = -1  # instead of a buffer column or an address

# Columns of the table. X, Y, DX, DY are buffer columns, P and S offsets into parameters and settings.
# PICKS is 1 for layers whose forward and update pick their rows, READS_PARAMETERS for those whose gradient reads p,
# PLACED for those with `train`, which take their place, and ACROSS for those of them that take all rows at a time.
INPUTS, OUTPUTS, X, Y, DX, DY, P, P_SIZE, S, S_SIZE, PICKS, READS_PARAMETERS, PLACED, ACROSS = range(14)
FORWARD_ADDRESS, BACKWARD_ADDRESS, UPDATE_ADDRESS = range(14, 17)


@dataclass(frozen=True)
class LayerInfo:
    """One line of a net: its text, widths, number of parameters, and multiply-accumulates per row (forward)."""

    word: str
    text: str
    inputs: int
    outputs: int
    parameters: int
    macs: int


@dataclass(frozen=True)
class NetLayout:
    """See the module's docstring. `table` is int64 [layers, 17] with the three function columns still 0."""

    spec: NetSpec
    layers: tuple[TextLayer, ...]
    infos: tuple[LayerInfo, ...]
    table: np.ndarray
    settings: np.ndarray
    parameters: tuple[Slice, ...]  # of the vector, one per layer; empty for layers without
    averages: np.ndarray  # int64 [n, 2]: [begin, end) of the running averages in the vector of parameters
    forward_columns: int
    gradient_columns: int
    scratch_size: int

    @property
    def loss(self) -> TextLayer | None:
        """The loss layer that ends the net, or None."""
        return self.layers[-1] if self.layers[-1].loss else None

    @property
    def features(self) -> int:
        return self.infos[0].inputs

    @property
    def outputs(self) -> int:
        return self.infos[-1].outputs

    @cached_property
    def targets(self) -> int:
        """Numbers per row in Y; 0 for a net without a loss."""
        return self.loss.targets(self.outputs) if self.loss else 0

    @cached_property
    def parameter_total(self) -> int:
        """Floats of the parameter vector, alignment gaps included."""
        return total_size(self.parameters)

    @property
    def is_plain(self) -> bool:
        """Whether training calls the same functions as predictions and steps all parameters alike."""
        return not self.table[:, PLACED].any() and not len(self.averages)

    @cached_property
    def macs(self) -> int:
        return sum(info.macs for info in self.infos)

    def kernels(self, *, training: bool) -> list[Kernel]:
        """The layer functions that this net calls, each once."""
        needed: dict[int, Kernel] = {}
        for row, layer in zip(self.table, self.layers, strict=True):
            for kernel in self._functions(row, layer, training):
                if kernel is not None:
                    needed[id(kernel)] = kernel
        if self.loss:
            needed[id(self.loss.loss)] = self.loss.loss
        return list(needed.values())

    def link(self, *, training: bool) -> np.ndarray:
        """A copy of the table with the addresses of the layers' functions, compiled if need be."""
        linked = self.table.copy()
        for row, layer in zip(linked, self.layers, strict=True):
            row[FORWARD_ADDRESS:] = [
                kernel.address if kernel else 0 for kernel in self._functions(row, layer, training)
            ]
        return linked

    def _functions(self, row, layer: TextLayer, training: bool) -> tuple[Kernel | None, ...]:
        """forward, backward and update of one layer, None where it is not called."""
        if row[Y] == UNUSED:  # the loss layer: training calls its `loss` instead
            return (None if training else layer.forward), None, None
        forward = None if row[X] == UNUSED or row[FORWARD_ADDRESS] == UNUSED else layer.forward
        if forward and training and layer.train:
            forward = layer.train
        backward = layer.backward if training and row[DX] != UNUSED else None
        update = layer.update if training and row[P_SIZE] else None
        return forward, backward, update


class _Columns:
    """Hands out aligned column ranges."""

    def __init__(self):
        self.used = 0

    def take(self, width: int) -> int:
        start = self.used
        self.used += _aligned(width)
        return start


def _aligned(size: int) -> int:
    return -(-size // BUFFER_ALIGNMENT) * BUFFER_ALIGNMENT


def plan_net(spec: NetSpec) -> NetLayout:
    """Lay out `spec`. Pure arithmetic: allocates no buffers, compiles nothing."""
    layers = tuple(TABLE[line.word] for line in spec.layers)
    infos, widths, settings = [], spec.features, []
    table = np.zeros((len(layers), UPDATE_ADDRESS + 1), np.int64)
    stored, averaged, setting_count, scratch = [], [], 0, BUFFER_ALIGNMENT
    for row, line, layer in zip(table, spec.layers, layers, strict=True):
        inputs, outputs = widths, layer.outputs(widths, line.numbers)
        size = layer.parameters(inputs, line.numbers)
        stored.append(int(layer.stored_size(inputs, outputs)) if layer.stored_size else size)
        values = np.asarray(layer.settings(inputs, line.numbers), np.float32)
        settings.append(values)
        row[[INPUTS, OUTPUTS, S, S_SIZE]] = inputs, outputs, setting_count, values.size
        row[[PICKS, READS_PARAMETERS]] = layer.picks, layer.reads_parameters
        row[[PLACED, ACROSS]] = layer.train is not None, layer.across
        averaged.append(int(layer.averages(inputs, outputs)))
        infos.append(LayerInfo(line.word, str(line), inputs, outputs, size, layer.macs(inputs, outputs)))
        setting_count += values.size
        scratch = max(scratch, layer.scratch_size(inputs, outputs, spec.minibatch))
        widths = outputs
    parameters = placed(Slice(info.text, 0, (size,), 0) for info, size in zip(infos, stored, strict=True))
    table[:, P], table[:, P_SIZE] = [each.offset for each in parameters], stored
    ends = table[:, P] + table[:, P_SIZE]
    averages = np.array([(end - count, end) for end, count in zip(ends, averaged, strict=True) if count], np.int64)
    forward, gradient = _place_outputs(table, layers, settings), _place_gradients(table, layers)
    return NetLayout(
        spec, layers, tuple(infos), table, np.concatenate(settings), parameters, averages.reshape(-1, 2), forward,
        gradient, _aligned(scratch),
    )  # fmt: skip


def _place_outputs(table, layers, settings) -> int:
    """Fill X and Y; mark a rel that becomes the lower bound of the lin before it. Returns the columns used."""
    columns = _Columns()
    table[0, X], table[0, Y] = UNUSED, columns.take(int(table[0, OUTPUTS]))
    for i in range(1, len(layers)):
        row, previous, layer = table[i], layers[i - 1], layers[i]
        row[X] = table[i - 1, Y]
        if layer.loss:
            row[Y] = UNUSED
        elif i > 1 and not layer.reads_input and not previous.reads_output:
            row[Y] = row[X]
            if layer is TABLE["rel"] and previous is TABLE["lin"]:
                settings[i - 1][0] = 0.0
                row[FORWARD_ADDRESS] = UNUSED
        else:
            row[Y] = columns.take(int(row[OUTPUTS]))
    return columns.used


def _place_gradients(table, layers) -> int:
    """Fill DX and DY, from the loss back to the first layer with parameters. Returns the columns used."""
    columns = _Columns()
    table[:, DX] = table[:, DY] = UNUSED
    wanted = np.cumsum(table[:, P_SIZE]) > 0  # wanted[i]: a layer up to i has parameters
    column = columns.take(int(table[-1, INPUTS])) if layers[-1].loss else UNUSED
    table[-1, DX] = column
    for i in range(len(layers) - 2, 0, -1):
        table[i, DY] = column
        if not wanted[i - 1] or column == UNUSED:
            break
        if layers[i].reads_input:
            column = columns.take(int(table[i, INPUTS]))
        table[i, DX] = column
    return columns.used
