"""A net with its parameters: initial values, prediction, evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import UsageError
from ..formats.network import NetSpec
from .evaluate import Evaluation, as_targets, evaluate_outputs
from .memory import aligned_zeros
from .net import plan_net
from .one_hot import plan_inputs
from .predict import predict
from .randomness import generator


class Model:
    """`plan` says how the net is laid out; `parameters` is its one float32 vector, None until there are some."""

    def __init__(self, spec: NetSpec):
        self.plan = plan_net(spec)
        self.parameters: np.ndarray | None = None

    @property
    def parameter_count(self) -> int:
        """Number of weights and biases."""
        return sum(info.parameters for info in self.plan.infos)

    def initialise(self, seed: int = 0) -> None:
        """Draw all parameters, weights and biases alike, from N(0, deviation**2) of their layer.

        `seed` is a whole number from 0 to 2**64 - 1. Raises UsageError for another.
        """
        source = generator(seed, 0)
        blobs = []
        for layer, line, info in zip(self.plan.layers, self.plan.spec.layers, self.plan.infos, strict=True):
            if info.parameters:
                drawn = source.standard_normal(info.parameters, np.float32)
                blobs.append(drawn * np.float32(layer.deviation(info.inputs, line.numbers)))
        self.parameters = self.unpack(np.concatenate([np.empty(0, np.float32), *blobs]))

    def pack(self, vector: np.ndarray) -> np.ndarray:
        """A vector laid out like `parameters`, in the order of the weights file: float32 [parameter_count]."""
        return np.concatenate(self._blobs(vector))

    def unpack(self, packed: np.ndarray) -> np.ndarray:
        """The inverse of `pack`. Raises UsageError for another length."""
        if packed.size != self.parameter_count:
            raise UsageError(f"{packed.size} parameters, but the net has {self.parameter_count}")
        vector, used = aligned_zeros(self.plan.parameter_total), 0
        for where, layer, info in zip(self.plan.parameter_slices, self.plan.layers, self.plan.infos, strict=True):
            blob = np.asarray(packed[used : used + info.parameters], np.float32)
            vector[where] = layer.store(blob, info.inputs, info.outputs) if info.parameters else blob
            used += info.parameters
        return vector

    def layer_parameters(self) -> Sequence[np.ndarray]:
        """Each layer's parameters in the order of the weights file, float32 [P], empty for layers without."""
        return self._blobs(self._trained())

    def _blobs(self, vector: np.ndarray) -> list[np.ndarray]:
        return [
            layer.natural(vector[where], info.inputs, info.outputs) if info.parameters else vector[where]
            for where, layer, info in zip(self.plan.parameter_slices, self.plan.layers, self.plan.infos, strict=True)
        ]

    def predict(self, X, *, threads: int | None = None, watch: Callable[[int], None] | None = None) -> np.ndarray:
        """Outputs float32 [N, K] for X [N, F], an array or a `OneHot`: posteriors after sce, else the last values.

        `watch(rows)` is called about twenty times a second. Raises UsageError for another number of features.
        """
        plan, inputs = plan_inputs(self.plan, X)
        return predict(plan, self._trained(), inputs, threads=threads, watch=watch)[0]

    def evaluate(self, X, Y, *, threads: int | None = None) -> Evaluation:
        """Mean loss, and for classes accuracy and confusion, of X [N, F] against Y [N, T].

        Raises UsageError for shapes that do not fit, LabelError for a wrong class.
        """
        plan, inputs = plan_inputs(self.plan, X)
        targets = as_targets(plan, Y)
        if len(inputs) != len(targets) or not len(inputs):
            raise UsageError(f"X has {len(inputs)} rows and Y has {len(targets)}, expected the same, at least one")
        outputs, losses = predict(plan, self._trained(), inputs, targets, threads=threads)
        return evaluate_outputs(plan, outputs, losses, targets)

    def _trained(self) -> np.ndarray:
        if self.parameters is None:
            raise UsageError("the net has no weights yet: fit, load or initialise it first")
        return self.parameters
