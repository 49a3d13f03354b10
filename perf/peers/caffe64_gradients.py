"""Gradients of Caffe's nets with caffe64 itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ... import load_caffe
from ...engine.graph.ir.ownership import weight_gradients
from ...engine.graph.plan import Plan, WantedGradients


class Job:
    """For `worker`: `repeats` runs of the net `train` forward and backward, on the arrays of `batch` by their names.

    `facts`: a file of the gradients of `check`, of each layer's weights in one axis.
    """

    def __init__(self, check: str, train: str, model: str, batch: str, threads: int, repeats: int):
        with np.load(batch) as arrays:
            inputs = dict(arrays)
        step = OursStep(check, model, inputs, threads)
        step.run()
        path = Path(check).with_name(f"caffe64-{threads}.npz")
        np.savez(path, **step.gradients())
        step = OursStep(train, model, inputs, threads)
        self.run = lambda: [step.run() for _ in range(repeats)]
        self.run()
        self.facts = {"gradients": str(path)}


class OursStep:
    """A net in the TRAIN phase that is run forward and backward, from gradients of 0."""

    def __init__(self, prototxt: str, model: str, inputs: dict[str, np.ndarray], threads: int):
        shapes = {name: values.shape for name, values in inputs.items()}
        graph = load_caffe(prototxt, model, phase="TRAIN", input_shapes=shapes).graph
        wanted = WantedGradients(weight_gradients(graph))
        self.inputs, self.weights = inputs, wanted.weights
        self.plan = Plan(graph, shapes, threads=threads, gradients=wanted)

    def run(self) -> None:
        for blob, array in self.plan.inputs.items():
            array[...] = self.inputs[blob.name]
        for arrays in self.weights.values():
            for each in arrays:
                each.fill(0)
        self.plan.forward()
        self.plan.backward()

    def gradients(self) -> dict[str, np.ndarray]:
        """By layer; BatchNorm's blobs have none."""
        learned = {node.name: arrays for node, arrays in self.weights.items() if node.type != "BatchNorm"}
        return {name: np.concatenate([each.ravel() for each in arrays]) for name, arrays in learned.items()}
