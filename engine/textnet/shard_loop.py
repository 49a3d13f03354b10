"""The training loop where a minibatch is cut into shards, by one process or by the ranks of a group.

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
      6. the sum over the ranks, and the step of the own share of the weights           own stretch of the share
         -- barrier --
      7. exchange(WEIGHTS)                                                              thread 0
         -- barrier --
      8. the new weights to their places                                                own stretch
         -- barrier --
    alone: 6. for all weights, and a barrier

`exchange` is called by its address, so the loop knows nothing of MPI. In `notes` lie this rank's loss and wish before
GRADIENTS, and those of all ranks after it.
"""

from __future__ import annotations

import numpy as np

from ..compiler import signatures as types
from ..compiler.jit import D1, F1, F1_IN, F2, F2_IN, I1, I1_IN, I2_IN, f32, i64, inline, kernel
from ..compiler.pointer_call import pointer_call
from ..parameters.shards import LINE_FLOATS, add_ranks, merge_stack, place_of, trailing_ones
from ..team.atomics import atomic_load, atomic_store
from ..team.barrier import AGREED, DIVERGED, DONE, FAILED, STOP, STOP_CALLED, STOP_REQUEST, barrier
from ..vectors.copying import copy
from .layers.layer import ITERATION
from .layout import P_SIZE, READS_PARAMETERS, P
from .passing import sum_losses, update_layers
from .placed_pass import pass_placed
from .stepping import step_stretch

EXCHANGE = types.Signature(types.int64, (i64,))  # phase -> 0, or else it failed
GRADIENTS, WEIGHTS = 0, 1  # phases
call_exchange = pointer_call(EXCHANGE)

# Places in `cut`, of the layout of `Shards` and the minibatches before this epoch; in `notes` the losses' sums by
# levels begin at LOSS_SUMS.
MINIBATCH, SHARDS, FIRST_SHARD, OWN_SHARDS, RANKS, SHARE_SIZE, SHARE_BEGIN, SHARE_END, ROOM, BEFORE = range(10)
LOSS_NOTE, STOP_NOTE, LOSS_SUMS = range(3)
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


@kernel(
    types.void(
        I2_IN, F1_IN, i64, F2_IN, F2_IN, I1_IN, i64, i64, I1_IN, F1, F1, F1, I1_IN, I1, I2_IN, F1, F2, F2, F2, F2, D1,
        f32, f32, f32, i64, i64, I1, D1, i64,
    )
)  # fmt: skip
def run_shards(
    table, settings, loss, inputs, targets, order, first, last, cut, parameters, velocity, arena, layout, place,
    averages, spare, stack, sent, received, weights, notes, rate, decay, momentum, thread, threads, sync, losses,
    exchange,
):  # fmt: skip
    """As `run_minibatches`, in shards: see above. Writes all arrays that are not only read; of velocity this rank's
    share. `weights` [R, share] holds the parameters. sync[STOP] is AGREED after a stop that all ranks know of, and
    FAILED after an exchange that did; its reason is with the function that was called."""
    batch, shards, own, ranks, room = cut[MINIBATCH], cut[SHARDS], cut[OWN_SHARDS], cut[RANKS], cut[ROOM]
    padded, size = stack.shape[1], parameters.size
    begin, end = stretch(padded, thread, threads)
    share_begin, share_end = stretch(cut[SHARE_SIZE], thread, threads)
    for step in range(first, last):
        place[ITERATION] = cut[BEFORE] + step
        for number in range(own):
            shard = cut[FIRST_SHARD] + number
            start = batch * shard // shards
            rows, at = batch * (shard + 1) // shards - start, step * batch + start
            lend_parameters(table, parameters, spare, thread, threads)
            pass_placed(
                table, settings, loss, inputs, targets, order, at, rows, start, room, parameters, arena, layout, place,
                thread, threads, sync,
            )  # fmt: skip
            barrier(sync, threads)
            if thread == 0:
                note_loss(notes, number, sum_losses(arena, layout, rows))
                notes[LOSS_NOTE] = notes[LOSS_SUMS]
            update_layers(
                table, inputs, order, at, rows, room, spare, stack, place_of(number) * padded, arena, layout,
                1.0, 0.0, 0.0, thread, threads,
            )  # fmt: skip
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
            losses[step] = notes[LOSS_NOTE] / batch
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
            base = cut[SHARE_BEGIN]
            step_stretch(
                weights, velocity, received, -base, base + share_begin, min(base + share_end, cut[SHARE_END]),
                averages, shards, rate, decay, momentum,
            )  # fmt: skip
            barrier(sync, threads)
            if thread == 0 and call_exchange(exchange, (WEIGHTS,)):
                atomic_store(sync, STOP, FAILED)
            barrier(sync, threads)
            if atomic_load(sync, STOP) == FAILED:
                break
            if size > begin:
                copy(weights, begin, parameters, begin, min(end, size) - begin)
        else:
            step_stretch(parameters, velocity, stack, 0, begin, min(end, size), averages, shards, rate, decay, momentum)
        barrier(sync, threads)
        if thread == 0:
            atomic_store(sync, DONE, step + 1)
        if atomic_load(sync, STOP):
            break
