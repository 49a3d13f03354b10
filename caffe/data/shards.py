"""The data of a batch that is cut into shards: a net takes the rows of one shard at a time.

With S shards, its data layers take B / S rows, and the rows of shard s of batch p are batch number p * S + s of such a
source. As a batch depends on its number alone, each process gets the crops, mirrors and orders of its own shards, and
reads no others.
"""

from __future__ import annotations

from dataclasses import dataclass

from .sources import Batch, BatchSource


@dataclass
class ShardOrder:
    """In which order batches are taken, turn by turn: those of the shards `first` to `first + count` of each iteration,
    shard by shard, each with its `passes`. Turn 0 is in the iteration whose first batch, of shard 0, is `base`."""

    shards: int
    first: int
    count: int
    passes: int = 1
    base: int = 0

    def batch(self, turn: int) -> int:
        """The number of the batch."""
        iteration, rest = divmod(turn, self.count * self.passes)
        shard, number = divmod(rest, self.passes)
        return self.base + (iteration * self.passes + number) * self.shards + self.first + shard


def shards_of(order: ShardOrder | None) -> int:
    return order.shards if order else 1


class TurnSource:
    """The batches of a source in such an order, by their turns."""

    def __init__(self, source: BatchSource, order: ShardOrder):
        self._source, self._order, self.takes_long = source, order, source.takes_long

    def take(self, turn: int) -> Batch:
        return self._source.take(self._order.batch(turn))

    def close(self) -> None:
        self._source.close()
