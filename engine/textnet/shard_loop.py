"""The training loop for everything: any rule, in shards, by one process or by the ranks of a group.

Each step of the loop, for a minibatch of B rows in S shards (`parameters/shards.py` has the order of all sums):

    for each shard of this rank
      1. forward, loss, backward of its rows (`placed_pass.py`)                         own rows
         -- barrier --
      2. its gradient, by the layers' own update: with rate 1 and neither decay nor     own share of the parameters
         momentum, what becomes of the velocity is the gradient
         -- barrier --
      3. the sums that this shard completes                                             own stretch of the vector
    with several ranks
      4. the sum into the rows that are sent                                            own stretch
         -- barrier --
      5. exchange(GRADIENTS), with the losses and the wish to stop behind each row      thread 0
         -- barrier --  a loss that is not finite ends the loop, in all ranks
      6. the sum over the ranks                                                         own stretch of the share
    with clipping
      7. the squares of the gradient, between barriers, and with ranks exchange(SQUARES_OF_RANKS)
    8. the step (`stepping.py`) of all weights, or of the rank's share                  own stretch of those
       -- barrier --
    with several ranks
      9. exchange(WEIGHTS)                                                              thread 0
         -- barrier --
     10. the new weights to their places                                                own stretch
         -- barrier --

`exchange` is called by its address, so the loop knows nothing of MPI. In `notes` lie this rank's loss and wish before
GRADIENTS and its squares before SQUARES_OF_RANKS, and those of all ranks after it. A minibatch with fewer rows than
shards, which may be the last one of an epoch, has shards without rows.
"""

from __future__ import annotations

import math

import numpy as np

from ..compiler import signatures as types
from ..compiler.cpu import FLOAT_BYTES, LANES
from ..compiler.jit import D1, F1, F1_IN, F2, F2_IN, I1, I1_IN, I2_IN, i64, inline, kernel
from ..compiler.pointer_call import pointer_call
from ..parameters.shards import LINE_FLOATS, add_ranks, merge_stack, place_of, trailing_ones
from ..team.atomics import atomic_load, atomic_store
from ..team.barrier import AGREED, DIVERGED, DONE, FAILED, STOP, STOP_CALLED, STOP_REQUEST, barrier
from ..vectors.copying import copy
from ..vectors.simd import store, zeros
from ..vectors.views import view1
from .layers.layer import ITERATION
from .layout import P_SIZE, READS_PARAMETERS, P
from .passing import sum_losses, update_layers
from .placed_pass import pass_placed
from .stepping import G_AT, LARGEST_NORM, own_squares, put_averages, step_stretch, take_averages, total_squares

EXCHANGE = types.Signature(types.int64, (i64,))  # phase -> 0, or else it failed
GRADIENTS, SQUARES_OF_RANKS, WEIGHTS = range(3)  # phases
call_exchange = pointer_call(EXCHANGE)

# Places in `cut`, of the layout of `Shards`, the minibatches before this epoch and the rule; in `notes` the sums of
# losses by levels begin at LOSS_SUMS.
MINIBATCH, SHARDS, FIRST_SHARD, OWN_SHARDS, RANKS, SHARE_SIZE, SHARE_BEGIN, SHARE_END, ROOM, BEFORE, RULE = range(11)
LOSS_NOTE, STOP_NOTE, SQUARES_NOTE, LOSS_SUMS = range(4)
NOTES_BEHIND = 16  # floats behind each row of what is sent and received: a cache line, which holds loss and wish


@inline
def stretch(size, thread, threads):
    """This thread's part of `size` floats, a multiple of LINE_FLOATS: whole cache lines."""
    lines = size // LINE_FLOATS
    return lines * thread // threads * LINE_FLOATS, lines * (thread + 1) // threads * LINE_FLOATS


@inline
def lend_parameters(table, parameters, spare, thread, threads):
    """This thread's part of those parameters that the gradient of their layer reads, into `spare`, which it may write
    to."""
    for i in range(1, table.shape[0] - 1):
        if table[i, READS_PARAMETERS]:
            begin, end = table[i, P_SIZE] * thread // threads, table[i, P_SIZE] * (thread + 1) // threads
            copy(parameters, table[i, P] + begin, spare, table[i, P] + begin, end - begin)


@inline
def note_loss(notes, number, loss):
    """The loss of the rank's shard `number` to the sums of the others."""
    top = LOSS_SUMS + place_of(number)
    notes[top] = loss
    for _ in range(trailing_ones(number)):
        notes[top - 1] += notes[top]
        top -= 1


@inline
def copy_to_rows(total, begin, end, sent):
    """total.flat[begin:end] to sent [R, share + NOTES_BEHIND], whose rows hold a share each."""
    share = sent.shape[1] - NOTES_BEHIND
    at = begin
    while at < end:
        row = at // share
        count = min(end, (row + 1) * share) - at
        copy(total, at, sent, at + row * NOTES_BEHIND, count)
        at += count


@inline
def clear(stack, begin, end):
    """stack.flat[begin:end] = 0, whole vectors."""
    for i in range(begin, end, LANES):
        store(stack, i, zeros())


@kernel(
    types.void(
        I2_IN, F1_IN, i64, F2_IN, F2_IN, F1_IN, I1_IN, i64, i64, I1_IN, F1, F1, F1, F1, I1_IN, I1, I2_IN, F1, F2, F2,
        F2, F2, D1, D1, I1_IN, F1_IN, F1_IN, F1_IN, i64, i64, I1, D1, i64,
    )
)  # fmt: skip
def run_shards(
    table, settings, loss, inputs, targets, row_weights, order, first, last, cut, parameters, velocity, second, arena,
    layout, place, averages, spare, stack, sent, received, weights, notes, squares, addresses, numbers, rates, epsilons,
    thread, threads, sync, losses, exchange,
):  # fmt: skip
    """As `run_minibatches`, for everything: see above. Writes all arrays that are not only read; of velocity, and of
    second, which rules with two histories have, this rank's share. `weights` [R, share] holds the parameters.
    rates, epsilons [steps]; addresses, numbers: of `stepping.py`. sync[STOP] is AGREED after a stop that all ranks know
    of, and FAILED after an exchange that did; its reason is with the function that was called."""
    batch, shards, own, ranks, room = cut[MINIBATCH], cut[SHARDS], cut[OWN_SHARDS], cut[RANKS], cut[ROOM]
    padded, base, rule, clip = stack.shape[1], 0, cut[RULE], numbers[LARGEST_NORM]
    begin, end = stretch(padded, thread, threads)
    share_begin, share_end = stretch(cut[SHARE_SIZE], thread, threads)
    w, g = view1(parameters, 0, parameters.size), view1(stack, 0, stack.size)
    first_step, last_step = begin, min(end, parameters.size)
    if ranks > 1:
        w, g, base = view1(weights, 0, weights.size), view1(received, 0, received.size), cut[SHARE_BEGIN]
        first_step, last_step = base + share_begin, min(base + share_end, cut[SHARE_END])
    for step in range(first, last):
        place[ITERATION] = cut[BEFORE] + step
        total_rows = min(batch, order.size - step * batch)
        for number in range(own):
            shard = cut[FIRST_SHARD] + number
            start = total_rows * shard // shards
            rows, at = total_rows * (shard + 1) // shards - start, step * batch + start
            if rows:
                lend_parameters(table, parameters, spare, thread, threads)
                pass_placed(
                    table, settings, loss, inputs, targets, row_weights, order, at, rows, start, room, parameters,
                    arena, layout, place, thread, threads, sync,
                )  # fmt: skip
                barrier(sync, threads)
            if thread == 0:
                note_loss(notes, number, sum_losses(arena, layout, rows))
                notes[LOSS_NOTE] = notes[LOSS_SUMS]
            if rows:
                update_layers(
                    table, inputs, order, at, rows, room, spare, stack, place_of(number) * padded, arena, layout,
                    1.0, 0.0, 0.0, thread, threads,
                )  # fmt: skip
            else:
                clear(stack, place_of(number) * padded + begin, place_of(number) * padded + end)
            barrier(sync, threads)
            merge_stack(stack, number, begin, end)
        if ranks > 1:
            copy_to_rows(stack, begin, end, sent)
            barrier(sync, threads)
        if thread == 0:
            asked = atomic_load(sync, STOP_REQUEST)
            if asked:
                atomic_store(sync, STOP, 1)
            if ranks > 1:
                notes[STOP_NOTE] = asked & STOP_CALLED
                if call_exchange(exchange, (GRADIENTS,)):
                    atomic_store(sync, STOP, FAILED)
                elif notes[STOP_NOTE]:
                    atomic_store(sync, STOP, AGREED)
            losses[step] = notes[LOSS_NOTE] / total_rows
        if ranks > 1:
            barrier(sync, threads)
            if atomic_load(sync, STOP) == FAILED:
                break
        total = notes[LOSS_NOTE]
        if not np.isfinite(total):
            if thread == 0:
                atomic_store(sync, STOP, DIVERGED)
            break
        if ranks > 1:
            add_ranks(received, share_begin, share_end)
        take_averages(w, spare, g, base, first_step, last_step, averages, min(shards, total_rows))
        factor = np.float32(1)
        if clip > 0:
            barrier(sync, threads)
            own_squares(addresses[G_AT] + base * FLOAT_BYTES, cut[SHARE_SIZE] // own, own, squares, thread, threads)
            barrier(sync, threads)
            if thread == 0:
                notes[SQUARES_NOTE] = total_squares(squares, own)
                if ranks > 1 and call_exchange(exchange, (SQUARES_OF_RANKS,)):
                    atomic_store(sync, STOP, FAILED)
            barrier(sync, threads)
            if ranks > 1 and atomic_load(sync, STOP) == FAILED:
                break
            norm = math.sqrt(notes[SQUARES_NOTE]) / total_rows
            if norm > clip:
                factor = np.float32(clip / norm)
        step_stretch(
            w, velocity, g, base, first_step, last_step, addresses, rule, numbers, rates[step], epsilons[step],
            total_rows, factor,
        )  # fmt: skip
        put_averages(w, spare, velocity, second, first_step, last_step, averages)
        if ranks > 1:
            barrier(sync, threads)
            if thread == 0 and call_exchange(exchange, (WEIGHTS,)):
                atomic_store(sync, STOP, FAILED)
            barrier(sync, threads)
            if atomic_load(sync, STOP) == FAILED:
                break
            if parameters.size > begin:
                copy(weights, begin, parameters, begin, min(end, parameters.size) - begin)
        barrier(sync, threads)
        if thread == 0:
            atomic_store(sync, DONE, step + 1)
        if atomic_load(sync, STOP):
            break
