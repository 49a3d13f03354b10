"""`pass_rows` for nets of any layers, also of those whose training takes their place or all rows at a time."""

from __future__ import annotations

from ..compiler.jit import inline
from ..team.barrier import barrier
from ..vectors.views import view1, view2
from .layers.layer import COLUMN_SHARE, COLUMN_SHARES, FIRST_ROW, LAYER_NUMBER, call_train, call_train_backward
from .layout import (
    ACROSS,
    BACKWARD_ADDRESS,
    DX,
    DY,
    FORWARD_ADDRESS,
    INPUTS,
    OUTPUTS,
    P_SIZE,
    PLACED,
    S_SIZE,
    P,
    S,
    X,
    Y,
)
from .passing import (
    backward_layer,
    forward_layer,
    gather_rows,
    loss_rows,
    own_rows,
    weigh_rows,
)


@inline
def row_views(table, i, begin, end, room, arena):
    """The rows [begin, end) of layer i's x and y."""
    F, K, rows = table[i, INPUTS], table[i, OUTPUTS], end - begin
    x = view2(arena, table[i, X] * room + begin * F, rows, F)
    return x, view2(arena, table[i, Y] * room + begin * K, rows, K)


@inline
def gradient_views(table, i, begin, end, room, arena, layout):
    """The rows [begin, end) of layer i's dx and dy."""
    F, K, rows = table[i, INPUTS], table[i, OUTPUTS], end - begin
    dx = view2(arena, layout[0] + table[i, DX] * room + begin * F, rows, F)
    return dx, view2(arena, layout[0] + table[i, DY] * room + begin * K, rows, K)


@inline
def number_views(table, i, parameters, settings):
    """Layer i's parameters and settings."""
    return view1(parameters, table[i, P], table[i, P_SIZE]), view1(settings, table[i, S], table[i, S_SIZE])


@inline
def placed_forward(table, i, settings, begin, end, room, parameters, arena, scratch, place):
    """As `forward_layer`, by `train`."""
    x, y = row_views(table, i, begin, end, room, arena)
    p, s = number_views(table, i, parameters, settings)
    call_train(table[i, FORWARD_ADDRESS], (x, p, s, y, scratch, place))


@inline
def placed_backward(table, i, settings, begin, end, room, parameters, arena, layout, scratch, place):
    """As `backward_layer`, of a layer with `train`."""
    x, y = row_views(table, i, begin, end, room, arena)
    dx, dy = gradient_views(table, i, begin, end, room, arena, layout)
    p, s = number_views(table, i, parameters, settings)
    call_train_backward(table[i, BACKWARD_ADDRESS], (x, p, s, y, dy, dx, scratch, place))


@inline
def set_place(place, i, first_row, share, shares):
    place[LAYER_NUMBER], place[FIRST_ROW], place[COLUMN_SHARE], place[COLUMN_SHARES] = i, first_row, share, shares


@inline
def pass_placed(
    table, settings, loss, inputs, targets, row_weights, order, at, rows, start, room, parameters, arena, layout,
    place, thread, threads, sync,
):  # fmt: skip
    """Activations, losses and gradients of this thread's part of `rows` rows, which begin at row `start` of their
    minibatch; called by all threads, with place[SEED] and place[ITERATION] set. Writes the buffers in `arena`."""
    begin, end = own_rows(rows, thread, threads)
    cap, scratch, any_rows = table.shape[0] - 1, view1(arena, layout[3], layout[4]), end > begin
    if any_rows:
        gather_rows(table, inputs, targets, order, at, begin, end, room, arena, layout)
    for i in range(1, cap):
        if table[i, FORWARD_ADDRESS]:
            if table[i, ACROSS]:
                barrier(sync, threads)
                set_place(place, i, start, thread, threads)
                placed_forward(table, i, settings, 0, rows, room, parameters, arena, scratch, place)
                barrier(sync, threads)
            elif any_rows and table[i, PLACED]:
                set_place(place, i, start + begin, 0, 1)
                placed_forward(table, i, settings, begin, end, room, parameters, arena, scratch, place)
            elif any_rows:
                forward_layer(table, i, settings, inputs, order, at, begin, end, room, parameters, arena, scratch)
    if any_rows:
        loss_rows(table, settings, loss, targets.shape[1], begin, end, room, arena, layout)
        weigh_rows(table, row_weights, order, at, begin, end, room, arena, layout)
    for i in range(cap - 1, 0, -1):
        if table[i, BACKWARD_ADDRESS]:
            if table[i, ACROSS]:
                barrier(sync, threads)
                set_place(place, i, start, thread, threads)
                placed_backward(table, i, settings, 0, rows, room, parameters, arena, layout, scratch, place)
                barrier(sync, threads)
            elif any_rows and table[i, PLACED]:
                set_place(place, i, start + begin, 0, 1)
                placed_backward(table, i, settings, begin, end, room, parameters, arena, layout, scratch, place)
            elif any_rows:
                backward_layer(table, i, settings, begin, end, room, parameters, arena, layout, scratch)
