"""The parts of a Caffe net, under the names of pycaffe: its layers in order, and the blobs that each reads and
gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..arguments import names as checked_names
from ..engine.graph.analysis.need_backward import loss_blobs
from ..engine.graph.ir.graph import Blob, Graph
from ..errors import UsageError
from .blob import Array


@dataclass(frozen=True)
class CaffeLayer:
    """A layer of a net. `blobs` are its weights, as in `net.params`."""

    name: str
    type: str
    blobs: list[Array]


class NetTables:
    """Looks up names in the `graph` of a net with `blobs` and `params`. There are no Split layers, as Caffe adds."""

    graph: Graph

    if TYPE_CHECKING:

        @cached_property
        def blobs(self) -> dict[str, Array]: ...

        @property
        def params(self) -> dict[str, list[Array]]: ...

    @property
    def inputs(self) -> list[str]:
        return [blob.name for blob in self.graph.inputs]

    @property
    def outputs(self) -> list[str]:
        return [blob.name for blob in self.graph.outputs]

    @property
    def needed_inputs(self) -> list[str]:
        """The inputs that an output depends on; an unread one is an output itself, as in Caffe."""
        return [blob.name for blob in self.graph.needed_inputs]

    @property
    def layers(self) -> list[CaffeLayer]:
        """All layers, in the order in which they run."""
        params = self.params
        return [
            CaffeLayer(node.name, node.type, params[node.name] if node.weights else []) for node in self.graph.nodes
        ]

    @property
    def layer_dict(self) -> dict[str, CaffeLayer]:
        """Name -> layer."""
        return {layer.name: layer for layer in self.layers}

    @property
    def top_names(self) -> dict[str, list[str]]:
        """Name of a layer -> names of the blobs that it gives."""
        return {node.name: [blob.name for blob in node.tops] for node in self.graph.nodes}

    @property
    def bottom_names(self) -> dict[str, list[str]]:
        """Name of a layer -> names of the blobs that it reads."""
        return {node.name: [blob.name for blob in node.bottoms] for node in self.graph.nodes}

    @cached_property
    def losses(self) -> dict[Blob, np.float32]:
        """The parts of the loss, with their weights."""
        return loss_blobs(self.graph.nodes)

    @property
    def blob_loss_weights(self) -> dict[str, float]:
        """Name of a blob -> its weight in the loss, 0 for most."""
        weights = {blob.name: float(weight) for blob, weight in self.losses.items()}
        return {name: weights.get(name, 0.0) for name in self.blobs}

    @property
    def _layer_names(self) -> list[str]:
        return [node.name for node in self.graph.nodes]

    @property
    def _blob_names(self) -> list[str]:
        return list(self.blobs)

    @property
    def _blob_loss_weights(self) -> list[float]:
        return list(self.blob_loss_weights.values())

    def _range(self, first: str | None, last: str | None) -> tuple[int, int]:
        """The numbers of two layers, None for the first and the last of the net."""
        names = [node.name for node in self.graph.nodes]
        for name in (first, last):
            if name is not None and name not in names:
                raise UsageError(f"there is no layer {name!r} to start or end with: net.layer_dict names them")
        numbers = (0 if first is None else names.index(first), len(names) - 1 if last is None else names.index(last))
        if numbers[0] > numbers[1]:
            raise UsageError(f"the layer {first!r} runs after {last!r}")
        return numbers

    def _ends(self, start: str | None, last: int, given: Iterable[str]) -> dict[str, Blob]:
        """The blobs that a run backward begins with, by name: the net's outputs, or, if it begins with the layer
        `start`, number `last`, the tops of that. Raises UsageError where others are `given`."""
        ends = {blob.name: blob for blob in (self.graph.outputs if start is None else self.graph.nodes[last].tops)}
        if unknown := sorted(set(given) - ends.keys()):
            owner = "the net's outputs are" if start is None else f"{start!r} gives"
            raise UsageError(f"backward was given a diff of {unknown[0]!r}, {owner} {sorted(ends)}")
        return ends

    def _chosen(self, what: str, names: Sequence[str] | None) -> list[Blob]:
        """The blobs of these names, an argument called `what`."""
        found = checked_names(what, () if names is None else names, "names of blobs")
        for name in found:
            if name not in self._named:
                raise UsageError(f"there is no blob {name!r}: net.blobs names them")
        return [self._named[name] for name in found]

    @cached_property
    def _named(self) -> dict[str, Blob]:
        """Each name's blob: an input, or else the last that a layer writes."""
        tops = {top.name: top for node in self.graph.nodes for top in node.tops}
        return tops | {blob.name: blob for blob in self.graph.inputs}
