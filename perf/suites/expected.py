"""What all participants that run a net must compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...arguments import FLOOR
from ...engine.graph.ir.graph import Graph
from ...engine.graph.verification.difference import check_close, difference
from ...engine.graph.verification.finite import check_finite
from ...engine.graph.verification.scale import output_scales
from ...engine.graph.verification.verify import run_graph
from ...errors import CheckFailed

# Relative to the scales of outputs: float32 with Winograd's algorithm, in caffe64 and in some peers.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Expected:
    """The outputs of a net, float32, flat and one after the other, and the `scales`: the magnitudes relative to which
    differences from them are measured."""

    values: np.ndarray
    scales: np.ndarray

    @classmethod
    def of(cls, graph: Graph, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> Expected:
        """Of the `outputs` of these names, by the reference, as plans are what is measured."""
        values, scales = run_graph(graph, inputs, reference=True), output_scales(graph, inputs)
        spread = {name: np.broadcast_to(scales[name], found.shape) for name, found in values.items()}
        return cls(*(np.concatenate([each[name].ravel() for name in outputs]) for each in (values, spread)))

    def verify(self, net: str, facts: Mapping[str, Mapping]) -> None:
        """Raises CheckFailed if the "outputs" of a participant are other ones; nothing is timed then."""
        for participant, found in facts.items():
            values, label = np.array(found["outputs"], np.float32), f"{net}: nothing was timed: {participant} threads"
            if values.shape != self.values.shape:
                raise CheckFailed(f"{label}: {values.size} outputs, expected {self.values.size}")
            check_finite({"outputs": values, "expected": self.values}, {}, label)
            apart = difference("outputs", self.values, values, self.scales)
            check_close([apart], TOLERANCE, FLOOR, f"{label} differ")
