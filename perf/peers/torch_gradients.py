"""Gradients of Caffe's nets in PyTorch, by autograd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ... import load_caffe
from .torch_nets import TorchNet


class Job:
    """For `worker`: as `caffe64_gradients.Job`."""

    def __init__(self, check: str, train: str, model: str, batch: str, threads: int, repeats: int):
        torch.set_num_threads(threads)
        with np.load(batch) as arrays:
            inputs = {name: torch.from_numpy(values) for name, values in arrays.items()}
        step = TorchStep(check, model, inputs)
        step.run()
        path = Path(check).with_name(f"torch-{threads}.npz")
        np.savez(path, **step.gradients())
        step = TorchStep(train, model, inputs)
        self.run = lambda: [step.run() for _ in range(repeats)]
        self.run()
        self.facts = {"gradients": str(path)}


class TorchStep:
    """A net in the TRAIN phase that is run forward and backward. Gradients are written anew each time."""

    def __init__(self, prototxt: str, model: str, inputs: dict[str, torch.Tensor]):
        shapes = {name: tuple(values.shape) for name, values in inputs.items()}
        graph = load_caffe(prototxt, model, phase="TRAIN", input_shapes=shapes).graph
        self.inputs, self.net = inputs, TorchNet(graph, shapes)
        types = {node.name: node.type for node in graph.nodes}
        self.learned = {name: each for name, each in self.net.weights.items() if types[name] != "BatchNorm"}
        for weights in self.learned.values():
            for each in weights:
                each.requires_grad_()

    def run(self) -> None:
        for weights in self.learned.values():
            for each in weights:
                each.grad = None
        (loss,) = self.net(**self.inputs).values()
        loss.backward()

    def gradients(self) -> dict[str, np.ndarray]:
        """By layer."""
        return {
            name: np.concatenate([each.grad.numpy().ravel() for each in weights])
            for name, weights in self.learned.items()
        }
