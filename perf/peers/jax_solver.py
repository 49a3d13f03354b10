"""Training of Caffe's nets in JAX: one jitted step, forward, backward, update and moving averages, buffers donated."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ... import load_caffe
from ..suites.solve_nets import CHECKED, DECAY, MOMENTUM, RATE
from .jax_nets import Arrays, JaxNet


class Job:
    """For `worker`: as `caffe64_solver.Job`."""

    def __init__(self, check: str, train: str, model: str, batch: str, threads: int, repeats: int):
        with np.load(batch) as arrays:
            inputs = {name: jnp.asarray(values) for name, values in arrays.items()}
        checked = JaxTraining(check, model, inputs)
        losses = [float(checked.run()) for _ in range(CHECKED)]
        training = JaxTraining(train, model, inputs)

        def run() -> None:
            for _ in range(repeats):
                training.run()
            jax.block_until_ready(training.state)

        self.run = run
        self.run()
        self.facts = {"losses": losses}


class JaxTraining:
    """A net in the TRAIN phase, and momentum with decay of the weights whose rate is not 0."""

    def __init__(self, prototxt: str, model: str, inputs: dict[str, jax.Array]):
        shapes = {name: values.shape for name, values in inputs.items()}
        graph = load_caffe(prototxt, model, phase="TRAIN", input_shapes=shapes).graph
        self.inputs, self.number, net = inputs, 0, JaxNet(graph, shapes)
        learned: Arrays = {}
        fixed: Arrays = {}
        for node in graph.nodes:
            for number, blob in enumerate(node.weights):
                rate = node.held.owner.slices[node.held.numbers[number]].lr_mult
                (learned if rate else fixed)[f"{node.name} {number}"] = jnp.asarray(blob)
        self.state = learned, jax.tree.map(jnp.zeros_like, learned), fixed

        def step(state, inputs, number):
            learned, histories, fixed = state
            key = jax.random.key(number)
            objective = jax.value_and_grad(lambda learned: net(learned | fixed, inputs, key), has_aux=True)
            (loss, averages), gradients = objective(learned)
            histories = jax.tree.map(
                lambda h, g, w: MOMENTUM * h + RATE * (g + DECAY * w), histories, gradients, learned
            )
            return (jax.tree.map(jnp.subtract, learned, histories), histories, fixed | averages), loss

        self.step = jax.jit(step, donate_argnums=0)

    def run(self) -> jax.Array:
        """One iteration; returns its loss."""
        self.state, loss = self.step(self.state, self.inputs, self.number)
        self.number += 1
        return loss
