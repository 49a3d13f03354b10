"""One of two ranks, started by `bars.py` under mpiexec; rank 0 prints one line of JSON.

What rank 0 does alone, rank 1 sleeps through: MPI would keep its CPU busy.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np

from ...engine.textnet.shard_loop import NOTES_BEHIND
from ...ranks.group import MpiGroup, load_mpi
from ..peak import Fma
from .work import LARGE, ROWS_OVER_RANKS, WIDTHS, seconds, training

PARAMETERS = (WIDTHS[0] + 1) * WIDTHS[1] + (WIDTHS[1] + 1) * WIDTHS[2]
EXCHANGES = 50  # in a row: one takes as long as the clock's own call may


def main(rounds: int) -> None:
    group, world = MpiGroup(), load_mpi().COMM_WORLD

    def by_rank_0(work: Callable[[], object]) -> float:
        """The seconds that rank 0 takes; on rank 1 the time that it slept."""
        group.barrier()
        found = 0.0 if group.rank else seconds(work)
        request = world.Ibarrier()
        while not request.Test():
            time.sleep(0.001)
        return found

    def together(work: Callable[[], object]) -> float:
        group.barrier()
        return seconds(work)

    share = -(-PARAMETERS // 32) * 16
    sent, received = (np.zeros((2, share + NOTES_BEHIND), np.float32) for _ in "ab")
    weights, gradient = np.zeros((2, share), np.float32), np.zeros(2 * share, np.float32)
    total = np.zeros_like(gradient)

    def exchange() -> None:
        for _ in range(EXCHANGES):
            group.alltoall(sent, received)
            group.allgather(None, weights)

    def allreduce() -> None:
        for _ in range(EXCHANGES):
            world.Allreduce(gradient, total)

    alone = training(LARGE, threads=2, rows=ROWS_OVER_RANKS)
    shared = training(LARGE, threads=1, rows=ROWS_OVER_RANKS, shards=2, group=group)
    shares: list[float] = []  # of two CPUs that two busy threads are given

    def calibrate() -> None:
        cpu, wall = time.process_time(), time.perf_counter()
        busy.call()
        shares.append((time.process_time() - cpu) / (time.perf_counter() - wall))

    busy = Fma(2)
    found: dict[str, list[float]] = {"exchange": [], "allreduce": [], "ranks": [], "threads": []}
    for _ in range(rounds + 1):
        by_rank_0(calibrate)
        found["exchange"].append(together(exchange) / EXCHANGES)
        found["allreduce"].append(together(allreduce) / EXCHANGES)
        found["ranks"].append(together(shared.run_epoch) / shared.steps)
        found["threads"].append(by_rank_0(alone.run_epoch) / alone.steps)
    if not group.rank:
        best = {name: min(values[1:]) for name, values in found.items()}  # the first turns are for warming up
        print(json.dumps(best | {"busy": float(np.median(shares[1:]))}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
