"""Gradients of a graph that has run: memory for them, and the layers' backward functions in reverse order."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from ...team.memory import aligned_zeros
from ..analysis.aliasing import left_in_memory
from ..analysis.need_backward import Need, find_needs, loss_blobs, loss_weights
from ..ir.graph import Blob, Graph, Node
from ..ir.op import Back, count
from ..ir.ownership import WeightGradients, weight_gradients
from ..ops import OPS
from .runtime import Runtime


@dataclass(frozen=True)
class BackwardStep:
    """One node's call, and additions after it: arrays or numbers to gradients that other nodes have written before."""

    back: Back
    arguments: tuple[list, list, list, list, list]
    additions: list[tuple[np.ndarray, np.ndarray | np.float32]]

    def run(self) -> None:
        self.back(*self.arguments)
        for gradient, part in self.additions:
            np.add(gradient, part, out=gradient)


def run_step(node: Node, step: BackwardStep) -> None:
    step.run()


class Gradients:
    """The gradients for the last run of `runtime`, which was made with `gradients`; of the layers of `graph` alone, if
    given: it holds the first of the runtime's nodes.

    `blobs[blob]` is a gradient of that blob's shape, `weights[node]` are those of its weights. There is one for each
    blob for which a layer needs one (`need_backward.py`), and for each in `seeds`. As in Caffe, a layer that works in
    place, by its names, has one gradient for its top and its bottom, so that of the top is overwritten.

    `steps` are the layers that run backward, last first. backward() overwrites gradients of blobs, and adds to
    those of weights. It starts from the losses' weights, and from the present gradients of other blobs without
    readers: zeros, or values written by the caller. `memory` gives the array of the gradient of the last blob of a
    name, unchanged; without it there are new ones, of zeros or the loss's weights.
    """

    def __init__(
        self,
        runtime: Runtime,
        seeds: Collection[Blob] = (),
        weights: WeightGradients | None = None,
        *,
        graph: Graph | None = None,
        memory: Callable[[Blob], np.ndarray] | None = None,
    ):
        self.runtime, self.graph = runtime, graph or runtime.graph
        self.weights = weight_gradients(runtime.graph) if weights is None else weights
        self.needs = find_needs(self.graph, seeds)
        self._losses = loss_blobs(self.needs)
        self._seeds, self._memory = frozenset(seeds), memory or self._new
        self._runs, self._left = dict(runtime.runs), left_in_memory(self.graph)
        self.blobs = self._place()
        self.steps = self._prepare()

    def backward(self, first: int = 0, run: Callable[[Node, BackwardStep], None] = run_step) -> None:
        """Run all layers that need it, from the last to graph.nodes[first], each by `run`; inf and NaN are values like
        others."""
        left_out = set(self.graph.nodes[:first])
        with np.errstate(all="ignore"):
            for node, step in self.steps:
                if node not in left_out:
                    run(node, step)

    def _place(self) -> dict[Blob, np.ndarray]:
        """Memory for the gradients that are needed; those of losses hold their weights."""
        wanted = {bottom for node, need in self.needs.items() for bottom in _wanted(node, need)}
        wanted |= {top for node in self.needs for top in node.tops} | self._seeds
        last = {top.name: top for node in self.graph.nodes for top in node.tops}
        blobs: dict[Blob, np.ndarray] = {}
        for node in reversed(self.graph.nodes):  # a bottom may take the array of its reader's top
            for top in node.tops:
                if top in wanted and top not in blobs:
                    blobs[top] = self._memory(top) if last[top.name] is top else self._new(top)
            if node in self.needs and self._shares(node):
                blobs[node.bottoms[0]] = blobs[node.tops[0]].reshape(self.runtime.shapes[node.bottoms[0]])
        return blobs

    def _new(self, blob: Blob) -> np.ndarray:
        array = aligned_zeros(count(self.runtime.shapes[blob])).reshape(self.runtime.shapes[blob])
        array.fill(self._losses.get(blob, 0))
        return array

    def _shares(self, node: Node) -> bool:
        """Whether top and bottom have one gradient: in place or in another shape, where no other node adds to it."""
        op = OPS[node.type]
        if len(node.tops) != 1 or not self.needs[node].bottoms or not self.needs[node].bottoms[0]:
            return False
        top, bottom = node.tops[0], node.bottoms[0]
        alone = len(self.graph.readers(bottom)) == 1 and not {top, bottom} & self._losses.keys()
        return alone and (op.view or (op.in_place and top.name == bottom.name))

    def _prepare(self) -> list[tuple[Node, BackwardStep]]:
        begun: set[Blob] = set()
        return [(node, self._step(node, need, begun)) for node, need in reversed(self.needs.items())]

    @np.errstate(all="ignore")
    def _step(self, node: Node, need: Need, begun: set[Blob]) -> BackwardStep:
        """The first node that gives a gradient of a blob writes it; all others write an addend."""
        arrays, shapes = self.runtime.arrays, self.runtime.shapes
        given, additions = [], []
        for bottom, needed in zip(node.bottoms, need.bottoms, strict=True):
            gradient = self.blobs[bottom] if needed else None
            if needed and bottom in begun:
                gradient = aligned_zeros(count(shapes[bottom])).reshape(shapes[bottom])
                additions.append((self.blobs[bottom], gradient))
            elif needed and bottom in self._losses:
                additions.append((gradient, self._losses[bottom]))
            given.append(gradient)
            begun.add(bottom) if needed else None
        tops = [self.blobs[top] for top in node.tops] or [np.float32(weight) for weight in loss_weights(node)]
        weights = [
            gradient if wanted else None
            for gradient, wanted in zip(self.weights.get(node, []), need.weights, strict=True)
        ]
        left = self._left if OPS[node.type].gradient.reads_memory else {}
        inputs, outputs = ([arrays[left.get(blob, blob)] for blob in each] for each in (node.bottoms, node.tops))
        back = OPS[node.type].gradient.prepare(
            node,
            [shapes[blob] for blob in node.bottoms],
            [shapes[blob] for blob in node.tops],
            self._runs[node],
            self.runtime.layers,
        )
        return BackwardStep(back, (inputs, outputs, tops, given, weights), additions)


def _wanted(node: Node, need: Need) -> list[Blob]:
    return [bottom for bottom, needed in zip(node.bottoms, need.bottoms, strict=True) if needed]
