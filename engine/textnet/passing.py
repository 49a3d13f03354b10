"""What the training loops do with the rows of a minibatch, and with its parameters: helpers that they compile in.

    own_rows          the rows of one thread
    pass_rows         gather, forward, loss and backward of these rows, layer by layer
    update_layers     gradient and step of one thread's share of the parameters

`at` is the place in `order` where the minibatch begins, or its shard. Buffers have `room` rows, of which the first are
used. `layout` gives the offsets of a thread in `arena`: `TrainingBuffers`.
"""

from __future__ import annotations

import numpy as np

from ..compiler.jit import inline
from ..products.gemm import MR
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


@inline
def own_rows(rows, thread, threads):
    """The rows [begin, end) of a thread: whole bands of MR."""
    bands = (rows + MR - 1) // MR
    return min(rows, bands * thread // threads * MR), min(rows, bands * (thread + 1) // threads * MR)


@inline
def gather_rows(table, inputs, targets, order, at, begin, end, room, arena, layout):
    """The rows [begin, end) of X, unless the first layer picks them, and of Y into their buffers."""
    if not table[1, PICKS]:
        gather(inputs, order, at, begin, end, view2(arena, table[0, Y] * room, room, table[0, OUTPUTS]))
    gather(targets, order, at, begin, end, view2(arena, layout[1], room, targets.shape[1]))


@inline
def forward_layer(table, i, settings, inputs, order, at, begin, end, room, parameters, arena, scratch):
    """Rows [begin, end) of layer i's output."""
    F, K, rows = table[i, INPUTS], table[i, OUTPUTS], end - begin
    x = view2(arena, table[i, X] * room + begin * F, rows, F)
    y = view2(arena, table[i, Y] * room + begin * K, rows, K)
    p, s = view1(parameters, table[i, P], table[i, P_SIZE]), view1(settings, table[i, S], table[i, S_SIZE])
    if not table[i, PICKS]:
        call_forward(table[i, FORWARD_ADDRESS], (x, p, s, y, scratch))
    else:
        picked, first = (inputs, at + begin) if i == 1 else (x, -1)
        call_picking_forward(table[i, FORWARD_ADDRESS], (picked, order, first, p, s, y, scratch))


@inline
def loss_rows(table, settings, loss, columns, begin, end, room, arena, layout):
    """The losses of the rows [begin, end) and their gradient; Y has so many columns."""
    cap, rows = table.shape[0] - 1, end - begin
    F = table[cap, INPUTS]
    x = view2(arena, table[cap, X] * room + begin * F, rows, F)
    dx = view2(arena, layout[0] + table[cap, DX] * room + begin * F, rows, F)
    target = view2(arena, layout[1] + begin * columns, rows, columns)
    s = view1(settings, table[cap, S], table[cap, S_SIZE])
    call_loss(loss, (x, target, s, dx, view1(arena, layout[2] + begin, rows)))


@inline
def weigh_rows(table, row_weights, order, at, begin, end, room, arena, layout):
    """The losses of the rows [begin, end) and their gradient, times the weights of these rows, if there are some."""
    if row_weights.size:
        cap = table.shape[0] - 1
        F, start = table[cap, INPUTS], layout[0] + table[cap, DX] * room
        for b in range(begin, end):
            weight = row_weights[order[at + b]]
            arena[layout[2] + b] *= weight
            for i in range(start + b * F, start + (b + 1) * F):
                arena[i] *= weight


@inline
def backward_layer(table, i, settings, begin, end, room, parameters, arena, layout, scratch):
    """Rows [begin, end) of the gradient by layer i's input."""
    F, K, rows = table[i, INPUTS], table[i, OUTPUTS], end - begin
    x = view2(arena, table[i, X] * room + begin * F, rows, F)
    y = view2(arena, table[i, Y] * room + begin * K, rows, K)
    dx = view2(arena, layout[0] + table[i, DX] * room + begin * F, rows, F)
    dy = view2(arena, layout[0] + table[i, DY] * room + begin * K, rows, K)
    p, s = view1(parameters, table[i, P], table[i, P_SIZE]), view1(settings, table[i, S], table[i, S_SIZE])
    call_backward(table[i, BACKWARD_ADDRESS], (x, p, s, y, dy, dx, scratch))


@inline
def pass_rows(
    table, settings, loss, inputs, targets, row_weights, order, at, begin, end, room, parameters, arena, layout
):
    """Activations, losses and gradients of the rows [begin, end), at least one; writes their buffers in `arena`."""
    cap, scratch = table.shape[0] - 1, view1(arena, layout[3], layout[4])
    gather_rows(table, inputs, targets, order, at, begin, end, room, arena, layout)
    for i in range(1, cap):
        if table[i, FORWARD_ADDRESS]:
            forward_layer(table, i, settings, inputs, order, at, begin, end, room, parameters, arena, scratch)
    loss_rows(table, settings, loss, targets.shape[1], begin, end, room, arena, layout)
    weigh_rows(table, row_weights, order, at, begin, end, room, arena, layout)
    for i in range(cap - 1, 0, -1):
        if table[i, BACKWARD_ADDRESS]:
            backward_layer(table, i, settings, begin, end, room, parameters, arena, layout, scratch)


@inline
def sum_losses(arena, layout, rows):
    """The sum of the rows' losses, float64, in their order."""
    row_losses, total = view1(arena, layout[2], rows), 0.0
    for b in range(rows):
        total += row_losses[b]
    return total


@inline
def update_layers(
    table, inputs, order, at, rows, room, parameters, velocity, velocity_at, arena, layout,
    rate, decay, momentum, thread, threads,
):  # fmt: skip
    """This thread's share of the step of all parameters, whose velocities begin at velocity.flat[velocity_at]."""
    gradients_at = layout[0]
    scratch = view1(arena, layout[3], layout[4])
    for i in range(1, table.shape[0] - 1):
        if table[i, UPDATE_ADDRESS]:
            F, K = table[i, INPUTS], table[i, OUTPUTS]
            x = view2(arena, table[i, X] * room, rows, F)
            dy = view2(arena, gradients_at + table[i, DY] * room, rows, K)
            p = view1(parameters, table[i, P], table[i, P_SIZE])
            v = view1(velocity, velocity_at + table[i, P], table[i, P_SIZE])
            if not table[i, PICKS]:
                call_update(table[i, UPDATE_ADDRESS], (x, dy, p, v, rate, decay, momentum, thread, threads, scratch))
            else:
                picked, first = (inputs, at) if i == 1 else (x, -1)
                call_picking_update(
                    table[i, UPDATE_ADDRESS],
                    (picked, order, first, dy, p, v, rate, decay, momentum, thread, threads, scratch),
                )


class TrainingBuffers:
    """Everything that passing `room` rows writes: one arena, allocated once."""

    def __init__(self, plan: NetLayout, room: int, threads: int):
        gradients = plan.forward_columns * room
        targets = gradients + plan.gradient_columns * room
        losses = targets + _padded(plan.targets * room)
        scratch = losses + _padded(room)
        self.arena = aligned_zeros(scratch + threads * plan.scratch_size)
        self.layouts = [
            np.array([gradients, targets, losses, scratch + n * plan.scratch_size, plan.scratch_size], np.int64)
            for n in range(threads)
        ]


def _padded(size: int) -> int:
    return -(-size // 32) * 32  # 128 bytes: threads do not share cache lines
