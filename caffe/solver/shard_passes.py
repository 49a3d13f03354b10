"""The passes of an iteration over the shards of one process: which batch, which random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..data.shards import ShardOrder
from .events import Tell
from .nets import FedNet


class ShardPasses:
    """Of a net that takes the batches of one shard, in the `order`.

    Batches and random numbers are counted as if one net took all shards, pass by pass: between iterations the net's
    `passes`, the iteration of its streams and its row of a MemoryData layer are those of the next pass's shard 0,
    whatever the number of processes.
    """

    def __init__(self, fed: FedNet, order: ShardOrder):
        self._fed, self._order = fed, order
        self._turn = 0  # of the next iteration's first batch
        self._start = 0, 0, 0

    @contextmanager
    def iteration(self, passes: int, tell: Tell) -> Iterator[None]:
        """One of so many passes over each shard. Afterwards the net is behind them, after an exception where it was."""
        fed, order = self._fed, self._order
        self._start = fed.passes, fed.net.graph.streams.iteration, fed.net._rows.row
        if passes != order.passes or order.base + self._turn // order.count * order.shards != fed.passes:
            fed.close()
            order.passes, order.base, self._turn = passes, fed.passes, 0
        fed.tell_of_restarts(tell, passes * order.shards)
        done = 0
        try:
            yield
            done = passes * order.shards
            self._turn += passes * order.count
        finally:
            self._go_to(done)
            fed.turn = None

    def go_to(self, shard: int, number: int) -> None:
        """The next run is pass `number` of the shard `shard` of this process, both from 0."""
        order = self._order
        self._go_to(number * order.shards + order.first + shard)
        self._fed.turn = self._turn + shard * order.passes + number

    def _go_to(self, batches: int) -> None:
        passes, draws, row = self._start
        rows = self._fed.net._rows
        self._fed.passes, self._fed.net.graph.streams.iteration = passes + batches, draws + batches
        rows.row = row + batches * rows.size
