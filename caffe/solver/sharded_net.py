"""The train net of a solver where a batch is cut into shards, perhaps over the ranks of a group.

    for each own shard    its passes forward and backward: its gradient, into the tree of sums
    Alltoall              each rank gets the parts of its share of the vector, and adds them by the tree
    numbers               losses, sums of squares for clipping, and what signals ask for, from all to all
    the update            of the own share
    Allgather             of the weights

The sum is the balanced binary tree over the shards (`engine/parameters/shards.py`), so that nothing depends on the
number of ranks; the loss of a batch is taken to be the mean of those of its shards, as Caffe's losses are means over
rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from ...engine.graph.plan.shard_sums import ShardSums
from ...engine.graph.plan.update import VectorShare, WeightUpdate
from ...engine.parameters.shards import Shards, add_parts, tree_sum
from ...engine.team.memory import aligned_zeros
from ...errors import Diverged, UsageError
from ...formats.caffe.solver import ParsedSolver
from ...ranks.agreement import agreed
from ...ranks.group import Group
from ...ranks.times import RankTimes
from ..net import Outputs
from .events import Step, Tell, ignore
from .nets import FedNet
from .shard_passes import ShardPasses
from .statistics import Statistics
from .trained_net import TrainedNet, mean


class ShardedNet(TrainedNet):
    """`fed` takes the rows of one shard, in its order. All ranks call the same methods, one behind the other.

    A rank has the histories of its own share, and of `gradient` after an update what was subtracted from that; `gather`
    makes them whole. `ask` gives numbers, of which each iteration finds the largest of all ranks: `answers`. `times`
    are those of the iterations so far.
    """

    def __init__(self, solver: ParsedSolver, fed: FedNet, group: Group):
        assert fed.order
        self.group, self._count = group, fed.order.shards
        super().__init__(solver, fed)
        shards, threads = self.shards, fed.net.threads
        self._passes, self._statistics = ShardPasses(fed, fed.order), Statistics(self.owner)
        self._sums = ShardSums(shards, self._sum, threads)
        self._parts = np.zeros((group.size, shards.share if group.size > 1 else 0), np.float32)
        self._own = slice(shards.begin, shards.end)
        passes, end = solver.settings.iter_size * shards.count, shards.begin + shards.share
        share = VectorShare(shards.begin, end, shards.part)
        self._update_of_share = WeightUpdate(self.owner, self._sum, self.rule, self.histories, passes, threads, share)
        self.ask: Callable[[], Sequence[float]] = lambda: ()
        self.answers: list[float] = []
        self.times, self._exchanging = RankTimes(), 0.0

    def _gradient_vector(self) -> np.ndarray:
        """The start of one that is cut into equal parts, in which the shards' sum is left."""
        self.shards = Shards(self._count, self.group.size, self.group.rank, self.owner.vector.size)
        self._sum = aligned_zeros(self.shards.padded)
        return self._sum[: self.shards.size]

    @property
    def iteration(self) -> int:
        """The number of updates so far."""
        return self._update_of_share.updates

    @iteration.setter
    def iteration(self, number: int) -> None:
        self._update_of_share.updates = number

    @property
    def rows(self) -> int:
        return super().rows * self.shards.count

    def apply_update(self, found: Step | None = None) -> None:
        raise UsageError("apply_update is for a training without shards: `step` sums their gradients itself")

    def show(self, tell: Tell = ignore, *, traced: bool = False) -> tuple[np.float32, Outputs]:
        """One more pass over all shards, without an update: the smoothed loss, and the outputs."""
        kept = self.gradient.copy()
        self._statistics.begin()
        try:
            losses, outputs = self._run(1, tell, backward=False)
            if self._statistics:
                self._sum_up()
        except BaseException:
            self._statistics.put_back()
            raise
        finally:
            np.copyto(self.gradient, kept)
        loss, given = self._agreed(losses), self._mean(outputs)
        if self._statistics:
            self._make_whole(self.owner.vector)
        return self.smooth(loss), given

    def gather(self) -> None:
        """Make the histories whole, and `gradient` if a snapshot keeps it."""
        for vector in (*self.histories, *[self.gradient] * self.solver.settings.snapshot_diff):
            self._make_whole(vector)

    def _step_by_pieces(self, found: Step, tell: Tell, traced: bool, keep_going: bool, shown: bool) -> None:
        self._linked_step(found, tell, keep_going, shown)

    def _linked_step(self, found: Step, tell: Tell, keep_going: bool, shown: bool) -> None:
        begun, exchanging = time.perf_counter(), self._exchanging
        rate, update, count = self._rate(found), self._update_of_share, self.shards.count
        found.limit = self.solver.settings.clip_gradients  # of the mean over the shards, whose sum is updated by
        self._statistics.begin()
        try:
            losses, outputs = self._run(self.solver.settings.iter_size, tell, backward=True)
            self._sum_up()
            update.begin(rate, found.limit * count)
            update.measure()
            found.loss = self._agreed(losses, self.ask(), update.own_sums if found.limit >= 0 else ())
            if not keep_going and not np.isfinite(found.loss):
                raise agreed(Diverged(None, found.iteration, float(found.loss)))
            if self.on_gradients:
                self._call_back()
            update.finish()
        finally:
            if self.iteration == found.iteration:
                self._statistics.put_back()
        found.norm = None if update.length is None else update.length / count
        found.outputs = self._mean(outputs) if shown else {}
        self._spread()
        self.times = RankTimes(
            self.times.minibatches + 1,
            self.times.seconds + time.perf_counter() - begun,
            self.times.exchanging + self._exchanging - exchanging,
        )

    def _run(self, passes: int, tell: Tell, *, backward: bool) -> tuple[list[float], list[Outputs]]:
        """So many passes over each of the own shards: their losses, their outputs of the last pass; and the sum of
        their gradients, if they ran `backward`, and statistics, in `gradient`."""
        losses, outputs = list[float](), list[Outputs]()
        with self._passes.iteration(passes, tell):
            for shard in range(self.shards.own):
                of_passes = []
                for number in range(passes):
                    self._passes.go_to(shard, number)
                    loss, given = self._pass(first=number == 0) if backward else self.fed.forward()
                    of_passes.append(loss)
                losses.append(float(mean(of_passes)))
                outputs.append(given)
                if not backward:
                    self.gradient.fill(0)
                self._statistics.take(self.gradient)
                self._sums.take(shard)
        return losses, outputs

    def _pass(self, *, first: bool) -> tuple[np.float32, Outputs]:
        """Forward and backward; the first pass of a shard sets the gradients to 0 before."""
        linked, loss, outputs = self.fed.iterate(self.update, first=first, last=False)
        if not linked:
            if first:
                self.update.clear()
            self.fed.net.backward()
        return loss, outputs

    def _sum_up(self) -> None:
        """Let the own share of the gradient be the sum of all shards, and statistics be set."""
        shards, parts = self.shards, self._parts
        if self.group.size > 1:
            with self._exchange():
                self.group.alltoall(self._sum.reshape(parts.shape), parts)
            add_parts.run(parts, 0, shards.share)
            np.copyto(self._sum[shards.begin : shards.begin + shards.share], parts[0])
        self._statistics.settle(self._sum, shards.count, shards.begin, shards.begin + shards.share)

    def _agreed(
        self, losses: Sequence[float], asked: Sequence[float] = (), squares: Sequence[float] | np.ndarray = ()
    ) -> np.float32:
        """The mean loss of all shards. What is asked for and the squares of the shares are exchanged with it."""
        with self._exchange():
            found = self.group.gather_numbers([tree_sum(losses), *asked, *squares])
        if asked:
            self.answers = found[:, 1 : 1 + len(asked)].max(axis=0).tolist()
        if len(squares):
            self._update_of_share.sums[:] = found[:, 1 + len(asked) :].reshape(-1)
        with np.errstate(all="ignore"):
            return np.float32(tree_sum(found[:, 0]) / self.shards.count)

    def _mean(self, outputs: Sequence[Outputs]) -> Outputs:
        """Of the outputs of all shards, value by value."""
        first = outputs[0]
        if not first:
            return {}
        rows = np.array([np.concatenate([values.ravel() for values in each.values()]) for each in outputs], np.float64)
        with np.errstate(all="ignore"):
            own = tree_sum(rows).tolist()
        with self._exchange():
            found = self.group.gather_numbers(own)
        with np.errstate(all="ignore"):
            means = (tree_sum(found) / self.shards.count).astype(np.float32)
        parts = np.split(means, np.cumsum([values.size for values in first.values()])[:-1])
        return {name: part.reshape(first[name].shape) for name, part in zip(first, parts, strict=True)}

    def _call_back(self) -> None:
        """Calls look at the gradients of the batch, and may change them: in one process, where they are whole."""
        count = np.float32(self.shards.count)
        np.divide(self.gradient, count, out=self.gradient)
        for call in self.on_gradients:
            call()
        np.multiply(self.gradient, count, out=self.gradient)
        self._update_of_share.measure()
        self._update_of_share.sums[:] = self._update_of_share.own_sums

    def _spread(self) -> None:
        """After the update of the own share: the weights of all; and in `gradient` what was subtracted, which for other
        shares is known up to rounding."""
        vector, own = self.owner.vector, self._own
        if self.group.size > 1:
            others = slice(own.start), slice(own.stop, None)
            for part in others:
                np.copyto(self.gradient[part], vector[part])
            self._make_whole(vector)
            for part in others:
                np.subtract(self.gradient[part], vector[part], out=self.gradient[part])
        self.fed.net.session.weights_before.moved(self.gradient)

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self._exchanging += time.perf_counter() - begun

    def _make_whole(self, vector: np.ndarray) -> None:
        """Of the shares of all ranks."""
        if self.group.size > 1:
            flat, own = self._parts.reshape(-1), self._own
            np.copyto(flat[own], vector[own])
            with self._exchange():
                self.group.allgather(None, self._parts)
            np.copyto(vector, flat[: vector.size])
