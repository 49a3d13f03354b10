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
threads. All buffers of a step are allocated before the first one.
"""

from __future__ import annotations

import numpy as np

from ..compiler import signatures as types
from ..compiler.jit import D1, F1, F1_IN, F2_IN, I1, I1_IN, I2_IN, f32, i64, inline, kernel
from ..products.gemm import MR
from ..team.atomics import atomic_load, atomic_store
from ..team.barrier import DIVERGED, DONE, STOP, STOP_REQUEST, barrier
from ..team.memory import aligned_zeros
from ..vectors.copying import copy
from ..vectors.views import view1, view2
from .layers.layer import call_backward, call_forward, call_loss, call_picking_forward, call_picking_update, call_update
from .layout import (
    BACKWARD_ADDRESS,
    DX,
    DY,
    FORWARD_ADDRESS,
    INPUTS,
    OUTPUTS,
    P_SIZE,
    PICKS,
    S_SIZE,
    UPDATE_ADDRESS,
    NetLayout,
    P,
    S,
    X,
    Y,
)


@inline
def gather(source, order, first, begin, end, out):
    """out[b] = source[order[first + b]] for b in [begin, end)."""
    width = source.shape[1]
    for b in range(begin, end):
        if width == 1:  # labels
            out[b, 0] = source[order[first + b], 0]
        else:
            copy(source, order[first + b] * width, out, b * width, width)


@kernel(
    types.void(
        I2_IN, F1_IN, i64, F2_IN, F2_IN, I1_IN, i64, i64, i64, F1, F1, F1, I1_IN, f32, f32, f32, i64, i64, I1, D1
    )
)
def run_minibatches(
    table, settings, loss, inputs, targets, order, first, last, batch, parameters, velocity, arena, layout,
    rate, decay, momentum, thread, threads, sync, losses,
):  # fmt: skip
    """Minibatches [first, last) of an epoch that visits the rows in `order`; minibatch s is order[s*batch:(s+1)*batch].

    layout: offsets into `arena` of the gradient buffers, targets, row losses, and of this thread's scratch memory.
    Writes parameters, velocity and losses[s], the mean loss of minibatch s; sync[DONE] counts finished minibatches.
    Ends early, in all threads after the same minibatch, when sync[STOP_REQUEST] is set; and before the update of a
    minibatch whose loss is not finite, with sync[STOP] at DIVERGED.
    """
    layers = table.shape[0]
    bands = (batch + MR - 1) // MR
    begin, end = min(batch, bands * thread // threads * MR), min(batch, bands * (thread + 1) // threads * MR)
    rows = end - begin
    gradients_at, targets_at, row_losses_at, scratch_at = layout[0], layout[1], layout[2], layout[3]
    features, columns = table[0, OUTPUTS], targets.shape[1]
    x_rows = view2(arena, table[0, Y] * batch, batch, features)
    t_rows = view2(arena, targets_at, batch, columns)
    row_losses = view1(arena, row_losses_at, batch)
    scratch = view1(arena, scratch_at, layout[4])
    cap = layers - 1
    for step in range(first, last):
        if rows > 0:
            if not table[1, PICKS]:
                gather(inputs, order, step * batch, begin, end, x_rows)
            gather(targets, order, step * batch, begin, end, t_rows)
            for i in range(1, cap):
                if table[i, FORWARD_ADDRESS]:
                    F, K = table[i, INPUTS], table[i, OUTPUTS]
                    x = view2(arena, table[i, X] * batch + begin * F, rows, F)
                    y = view2(arena, table[i, Y] * batch + begin * K, rows, K)
                    p, s = (
                        view1(parameters, table[i, P], table[i, P_SIZE]),
                        view1(settings, table[i, S], table[i, S_SIZE]),
                    )
                    if not table[i, PICKS]:
                        call_forward(table[i, FORWARD_ADDRESS], (x, p, s, y, scratch))
                    else:
                        picked, at = (inputs, step * batch + begin) if i == 1 else (x, -1)
                        call_picking_forward(table[i, FORWARD_ADDRESS], (picked, order, at, p, s, y, scratch))
            F = table[cap, INPUTS]
            x = view2(arena, table[cap, X] * batch + begin * F, rows, F)
            dx = view2(arena, gradients_at + table[cap, DX] * batch + begin * F, rows, F)
            target = view2(arena, targets_at + begin * columns, rows, columns)
            call_loss(loss, (x, target, dx, view1(arena, row_losses_at + begin, rows)))
            for i in range(cap - 1, 0, -1):
                if table[i, BACKWARD_ADDRESS]:
                    F, K = table[i, INPUTS], table[i, OUTPUTS]
                    x = view2(arena, table[i, X] * batch + begin * F, rows, F)
                    y = view2(arena, table[i, Y] * batch + begin * K, rows, K)
                    dx = view2(arena, gradients_at + table[i, DX] * batch + begin * F, rows, F)
                    dy = view2(arena, gradients_at + table[i, DY] * batch + begin * K, rows, K)
                    p, s = (
                        view1(parameters, table[i, P], table[i, P_SIZE]),
                        view1(settings, table[i, S], table[i, S_SIZE]),
                    )
                    call_backward(table[i, BACKWARD_ADDRESS], (x, p, s, y, dy, dx, scratch))
        barrier(sync, threads)
        total = 0.0  # by every thread, so that each knows whether there is an update
        for b in range(batch):
            total += row_losses[b]
        if thread == 0:
            losses[step] = total / batch
            if atomic_load(sync, STOP_REQUEST):
                atomic_store(sync, STOP, 1)
        if not np.isfinite(total):
            if thread == 0:
                atomic_store(sync, STOP, DIVERGED)
            break
        for i in range(1, cap):
            if table[i, UPDATE_ADDRESS]:
                F, K = table[i, INPUTS], table[i, OUTPUTS]
                x = view2(arena, table[i, X] * batch, batch, F)
                dy = view2(arena, gradients_at + table[i, DY] * batch, batch, K)
                p, v = view1(parameters, table[i, P], table[i, P_SIZE]), view1(velocity, table[i, P], table[i, P_SIZE])
                if not table[i, PICKS]:
                    call_update(
                        table[i, UPDATE_ADDRESS], (x, dy, p, v, rate, decay, momentum, thread, threads, scratch)
                    )
                else:
                    picked, at = (inputs, step * batch) if i == 1 else (x, -1)
                    call_picking_update(
                        table[i, UPDATE_ADDRESS],
                        (picked, order, at, dy, p, v, rate, decay, momentum, thread, threads, scratch),
                    )
        barrier(sync, threads)
        if thread == 0:
            atomic_store(sync, DONE, step + 1)
        if atomic_load(sync, STOP):
            break


class TrainingBuffers:
    """Everything the loop writes besides parameters and velocity: one arena, allocated once."""

    def __init__(self, plan: NetLayout, batch: int, threads: int):
        gradients = plan.forward_columns * batch
        targets = gradients + plan.gradient_columns * batch
        losses = targets + _padded(plan.targets * batch)
        scratch = losses + _padded(batch)
        self.arena = aligned_zeros(scratch + threads * plan.scratch_size)
        self.layouts = [
            np.array([gradients, targets, losses, scratch + n * plan.scratch_size, plan.scratch_size], np.int64)
            for n in range(threads)
        ]


def _padded(size: int) -> int:
    return -(-size // 32) * 32  # 128 bytes: threads do not share cache lines
