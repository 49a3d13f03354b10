"""Forward over many rows: the outputs of the net, and each row's loss where targets are given."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..compiler import signatures as types
from ..compiler.jit import F1, F1_IN, F2, F2_IN, I1, I2_IN, i64, kernel
from ..products.gemm import MR
from ..team.atomics import atomic_add, atomic_load
from ..team.barrier import DONE, STOP_REQUEST, make_sync
from ..team.memory import aligned_zeros
from ..team.threads import choose_threads, run_team
from ..vectors.copying import copy
from ..vectors.views import no_rows, view1, view2
from .layers.layer import call_forward, call_loss, call_picking_forward
from .layout import FORWARD_ADDRESS, INPUTS, OUTPUTS, P_SIZE, PICKS, S_SIZE, UNUSED, NetLayout, P, S, Y

CHUNK_ROWS = 256 // MR * MR  # at a time: the buffers of small nets stay in the L2 cache; derived, not measured


@kernel(types.void(I2_IN, F1_IN, i64, F2_IN, F2_IN, F1_IN, F1, i64, i64, i64, i64, i64, F2, F1, I1))
def run_rows(
    table, settings, loss, inputs, targets, parameters, arena, gradient_at, scratch_at, begin, end, chunk, out, losses,
    sync,
):  # fmt: skip
    """Rows [begin, end) of `inputs` through the net, `chunk` at a time, into `out`; where `losses` is not empty, also
    the loss of each row against `targets`.

    table int64 [layers, 17], linked; inputs [N, F], targets [N, T], parameters [P], out [N, K], losses [N] or [0], all
    float32 C-contiguous. Writes the rows of out and losses, and `arena` from its start: forward buffers, gradient at
    `gradient_at`, scratch from `scratch_at` on. Adds to sync[DONE]; ends early once sync[STOP_REQUEST] is set.
    """
    last = table.shape[0] - 1
    scratch = view1(arena, scratch_at, arena.size - scratch_at)
    for number in range(-(-(end - begin) // chunk)):  # a range with a step could raise, for a step of 0
        start = begin + number * chunk
        rows = min(chunk, end - start)
        x = view2(inputs, start * table[0, INPUTS], rows, table[0, INPUTS])
        for i in range(1, last + 1):
            width = table[i, OUTPUTS]
            if table[i, Y] == UNUSED:  # the loss layer: its output is the net's
                if losses.size:
                    gradient = view2(arena, gradient_at, rows, table[i, INPUTS])
                    columns = targets.shape[1]
                    wanted = view2(targets, start * columns, rows, columns)
                    s = view1(settings, table[i, S], table[i, S_SIZE])
                    call_loss(loss, (x, wanted, s, gradient, view1(losses, start, rows)))
                y = view2(out, start * width, rows, width)
            else:
                y = view2(arena, table[i, Y] * chunk, rows, width)
            if table[i, FORWARD_ADDRESS]:
                p, s = view1(parameters, table[i, P], table[i, P_SIZE]), view1(settings, table[i, S], table[i, S_SIZE])
                if table[i, PICKS]:
                    call_picking_forward(table[i, FORWARD_ADDRESS], (x, no_rows(), -1, p, s, y, scratch))
                else:
                    call_forward(table[i, FORWARD_ADDRESS], (x, p, s, y, scratch))
            x = y
        if table[last, Y] != UNUSED:
            copy(x, 0, out, start * out.shape[1], x.size)
        atomic_add(sync, DONE, rows)
        if atomic_load(sync, STOP_REQUEST):
            break


def predict(
    plan: NetLayout,
    parameters: np.ndarray,
    inputs: np.ndarray,
    targets: np.ndarray | None = None,
    *,
    threads: int | None = None,
    watch: Callable[[int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Outputs float32 [N, K] and the loss of each row float32 [N] (empty without `targets`).

    inputs float32 [N, F], targets float32 [N, T]. `watch(rows)` is called about twenty times per second with the number
    of rows done. The result does not depend on the number of threads.
    """
    rows = inputs.shape[0]
    out = np.empty((rows, plan.outputs), np.float32)
    losses = np.empty(0 if targets is None else rows, np.float32)
    wanted = np.empty((0, 1), np.float32) if targets is None else targets
    team = max(1, min(choose_threads(threads, plan.macs * min(rows, CHUNK_ROWS)), -(-rows // CHUNK_ROWS)))
    chunk = max(1, min(CHUNK_ROWS, rows))
    table, loss = plan.link(training=False), plan.loss.loss.address if plan.loss else 0
    gradient_at = plan.forward_columns * chunk
    scratch_at = gradient_at + (-(-plan.table[-1, INPUTS] // 16) * 16) * chunk
    sync = make_sync()

    def work(number: int) -> None:
        chunks = -(-rows // chunk)
        begin, end = (chunks * n // team * chunk for n in (number, number + 1))
        arena = aligned_zeros(scratch_at + plan.scratch_size)
        run_rows.run(
            table, plan.settings, loss, inputs, wanted, parameters, arena, gradient_at, scratch_at,
            begin, min(end, rows), chunk, out, losses, sync,
        )  # fmt: skip

    def stop() -> None:
        sync[STOP_REQUEST] = 1

    def poll() -> None:
        if watch:
            watch(int(sync[DONE]))

    run_team(work, team, (plan.macs + plan.features) * rows, stop, poll)
    return out, losses
