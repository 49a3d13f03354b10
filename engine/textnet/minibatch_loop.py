"""The training loop: many minibatches in one compiled call, in one thread or several.

Each step of the loop, for a minibatch of B rows:

    1. gather    the shuffled rows of Y into the target buffer, and those of X into     own rows
                 the input buffer, unless the first layer picks them where they lie
    2. forward   layer by layer                                                         own rows
    3. loss      its value per row, and its gradient                                    own rows
    4. backward  layer by layer, to the first layer with parameters                     own rows
       -- barrier --  every row's activations and gradients are complete; a loss that is not finite ends the loop
    5. update    gradient by the parameters, momentum, weight decay, step               own share of the parameters
       -- barrier --  every parameter is updated

So there are two barriers per step, and no sum is split between threads: the weights are bit-identical for any number of
threads. All buffers of a step are allocated before the first one. What this loop does not do, `shard_loop.py` does:
minibatches in shards, other rules than plain gradient descent, clipping, and layers that differ in training.
"""

from __future__ import annotations

import numpy as np

from ..compiler import signatures as types
from ..compiler.jit import D1, F1, F1_IN, F2_IN, I1, I1_IN, I2_IN, f32, i64, kernel
from ..team.atomics import atomic_load, atomic_store
from ..team.barrier import DIVERGED, DONE, STOP, STOP_REQUEST, barrier
from .passing import own_rows, pass_rows, sum_losses, update_layers


@kernel(
    types.void(
        I2_IN, F1_IN, i64, F2_IN, F2_IN, F1_IN, I1_IN, i64, i64, i64, F1, F1, F1, I1_IN, F1_IN, f32, f32, i64, i64, I1,
        D1,
    )
)  # fmt: skip
def run_minibatches(
    table, settings, loss, inputs, targets, row_weights, order, first, last, batch, parameters, velocity, arena, layout,
    rates, decay, momentum, thread, threads, sync, losses,
):  # fmt: skip
    """Minibatches [first, last) of an epoch that visits the rows in `order`; minibatch s is order[s*batch:(s+1)*batch].

    rates [steps]: the learning rate of each over the number of its rows. row_weights [N] multiply the rows' losses and
    gradients; [0]: none.
    layout: offsets into `arena` of the gradient buffers, targets, row losses, and of this thread's scratch memory.
    Writes parameters, velocity and losses[s], the mean loss of minibatch s; sync[DONE] counts finished minibatches.
    Ends early, in all threads after the same minibatch, when sync[STOP_REQUEST] is set; and before the update of a
    minibatch whose loss is not finite, with sync[STOP] at DIVERGED.
    """
    for step in range(first, last):
        at = step * batch
        rows = min(batch, order.size - at)  # the last minibatch may have fewer
        begin, end = own_rows(rows, thread, threads)
        if end > begin:
            pass_rows(
                table, settings, loss, inputs, targets, row_weights, order, at, begin, end, batch, parameters, arena,
                layout,
            )  # fmt: skip
        barrier(sync, threads)
        total = sum_losses(arena, layout, rows)  # by every thread, so that each knows whether there is an update
        if thread == 0:
            losses[step] = total / rows
            if atomic_load(sync, STOP_REQUEST):
                atomic_store(sync, STOP, 1)
        if not np.isfinite(total):
            if thread == 0:
                atomic_store(sync, STOP, DIVERGED)
            break
        update_layers(
            table, inputs, order, at, rows, batch, parameters, velocity, 0, arena, layout,
            rates[step], decay, momentum, thread, threads,
        )  # fmt: skip
        barrier(sync, threads)
        if thread == 0:
            atomic_store(sync, DONE, step + 1)
        if atomic_load(sync, STOP):
            break
