"""Training of Caffe's nets in PyTorch: autograd and its fused SGD, eager or compiled."""

from __future__ import annotations

import os

import numpy as np
import torch
import torch.nn.functional as F

from ... import load_caffe
from ...engine.graph.ir.graph import Node
from ...engine.graph.ops.batch_norm import global_statistics, uses_global_statistics
from ..suites.solve_nets import CHECKED, DECAY, MOMENTUM, RATE
from .torch_nets import Layer, Tensors, TorchNet


class Job:
    """For `worker`: as `caffe64_solver.Job`. `way`: contiguous, channels_last, or compiled, which is with channels
    last."""

    def __init__(self, check: str, train: str, model: str, batch: str, threads: int, repeats: int, way: str):
        os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
        torch.set_num_threads(threads)
        with np.load(batch) as arrays:
            inputs = {name: torch.from_numpy(values) for name, values in arrays.items()}
        checked = TorchTraining(check, model, inputs, way)
        losses = [float(checked.run()) for _ in range(CHECKED)]
        training = TorchTraining(train, model, inputs, way)
        self.run = lambda: [training.run() for _ in range(repeats)]
        self.run()
        self.facts = {"losses": losses}


class TorchTraining:
    """A net in the TRAIN phase, and its SGD of the weights whose rate is not 0. BatchNorm and Scale are one call."""

    def __init__(self, prototxt: str, model: str, inputs: dict[str, torch.Tensor], way: str):
        shapes = {name: tuple(values.shape) for name, values in inputs.items()}
        graph = load_caffe(prototxt, model, phase="TRAIN", input_shapes=shapes).graph
        net = TorchNet(graph, shapes)
        learned = []
        for node in graph.nodes:
            for number, weights in enumerate(net.weights.get(node.name, [])):
                if way != "contiguous" and weights.dim() == 4:
                    weights.data = weights.data.contiguous(memory_format=torch.channels_last)
                if node.held.owner.slices[node.held.numbers[number]].lr_mult:
                    learned.append(weights.requires_grad_())
        net.join(_normalise)
        data = inputs["data"]
        self.inputs = {**inputs, "data": data if way == "contiguous" else data.to(memory_format=torch.channels_last)}

        def loss(**inputs: torch.Tensor) -> torch.Tensor:
            (value,) = net(**inputs).values()
            return value

        self.loss = torch.compile(loss, dynamic=False) if way == "compiled" else loss
        self.update = torch.optim.SGD(learned, lr=RATE, momentum=MOMENTUM, weight_decay=DECAY, fused=True)

    def run(self) -> torch.Tensor:
        """One iteration; returns its loss."""
        self.update.zero_grad(set_to_none=True)
        loss = self.loss(**self.inputs)
        loss.backward()
        self.update.step()
        return loss.detach()


def _normalise(node: Node, weights: Tensors, reader: Node, affine: Tensors) -> Layer | None:
    """A BatchNorm and the Scale behind it; None for others."""
    if node.type != "BatchNorm" or reader.type != "Scale" or len(reader.bottoms) > 1:
        return None
    batch, attributes = not uses_global_statistics(node), node.attributes
    mean, variance = (torch.from_numpy(each.astype(np.float32)) for each in global_statistics(node))
    gamma, beta = [*affine, None][:2]
    momentum = 1 - attributes.moving_average_fraction
    return lambda x: F.batch_norm(x, mean, variance, gamma, beta, batch, momentum, attributes.eps)
