"""An epoch of the suite `train` in JAX: one jitted scan over the shuffled minibatches, buffers donated."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import numpy as np

from ..suites.nets import CHECKED, DECAY, MOMENTUM, NETS, RATE, NetCase


class Job:
    """See `worker`. `facts`: mean losses of the verified passes, seconds to compile and of the first epoch."""

    def __init__(self, net: str, rows: int, threads: int):
        case = NETS[net]
        epoch = _epoch(case)
        checked = case.minibatch * CHECKED[0]
        data, state, losses = _device(case.data(checked)), _initial(case), []
        for _ in range(CHECKED[1]):
            state, values = epoch(state, *data, jnp.asarray(case.batches(np.arange(checked))))
            losses.append(float(values.mean()))

        random = np.random.default_rng(0)
        data, self._state = _device(case.data(rows)), _initial(case)

        def batches() -> jax.Array:
            return jnp.asarray(case.batches(random.permutation(rows).astype(np.int32)))

        started = time.perf_counter()
        compiled = epoch.lower(self._state, *data, batches()).compile()
        middle = time.perf_counter()

        def run() -> None:
            self._state, values = compiled(self._state, *data, batches())
            values.block_until_ready()
            jax.block_until_ready(self._state)

        self.run = run
        self.run()
        self.facts = {"losses": losses, "compile": middle - started, "first": time.perf_counter() - middle}


def _device(data):
    return jnp.asarray(data[0]), jnp.asarray(data[1].astype(np.int32) if data[1].ndim == 1 else data[1])


def _initial(case: NetCase):
    parameters = [(jnp.asarray(W), jnp.asarray(b)) for W, b in case.parameters()]
    return parameters, jax.tree.map(jnp.zeros_like, parameters)


def _epoch(case: NetCase):
    def objective(parameters, x, y):
        """What is differentiated, and the loss as caffe64 reports it."""
        for number, (W, b) in enumerate(parameters):
            x = x @ W + b
            if number + 1 < len(parameters):
                x = jax.nn.relu(x)
        if case.loss == "sce":
            loss = -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1))
            return loss, loss
        loss = jnp.mean(((jnp.tanh(x) - y) ** 2).sum(1))
        return 0.5 * loss, loss

    def epoch(state, X, Y, batches):
        def step(state, batch):
            parameters, velocity = state
            (_, loss), gradient = jax.value_and_grad(objective, has_aux=True)(parameters, X[batch], Y[batch])
            decay = DECAY / case.minibatch
            velocity = jax.tree.map(
                lambda v, g, w: MOMENTUM * v + RATE * (g + decay * w), velocity, gradient, parameters
            )
            return (jax.tree.map(jnp.subtract, parameters, velocity), velocity), loss

        return jax.lax.scan(step, state, batches)

    return jax.jit(epoch, donate_argnums=0)
