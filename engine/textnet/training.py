"""A training run: epochs of the compiled loop, the learning rate's schedule, stopping, and continuing later.

A run continues in three ways: `run_epoch` once more; from a `Checkpoint`, which is kept in a file; or from the
`Progress` that it leaves in its model, by which `Net.fit` continues the last `fit`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ...arguments import flag, function, instance, seed_number, whole_number
from ...conversion import ArrayLike
from ...errors import Diverged, Interrupted, UsageError
from ...formats.checkpoint import Checkpoint
from ...formats.network import loss_words
from ...formats.optimizer import WITH_SECOND_HISTORY, Optimizer, same_history
from ...ranks.agreement import agreed
from ...ranks.group import Group, SoloGroup
from ...ranks.times import RankTimes
from ...ranks.together import check_alike
from ..parameters.shards import Shards, check_shards
from ..parameters.streams import generator
from ..team.barrier import DIVERGED, DONE, STOP, STOP_CALLED, STOP_REQUEST, make_sync
from ..team.pace import Pace
from ..team.threads import check_threads, choose_threads, usable_threads
from .agreement import facts
from .arrays import is_finite
from .loops import FusedLoop, ShardLoop, make_loop
from .model import Model
from .one_hot import OneHot, one_hot_plan, plan_data
from .rates import RateFunction, check_schedule, minibatch_rates, rows_of_minibatches
from .records import EpochRecord, Progress, schedule_of
from .resuming import OPTIMIZER_MEANING, checkpoint_of, resumed
from .row_weights import ClassWeight, weigh
from .stretches import run_stretches

MOST_SHARDS = 1 << 20


class Training:
    """One run in progress of `model` on X [N, F], an array or a `OneHot`, and Y [N, T] by `optimizer`.

    Arrays that are float32 and C-contiguous are taken without a copy; all values are checked once. A model without
    parameters gets the initial ones of `seed`. The parameters are trained in place; they do not depend on `threads`.
    Minibatches are summed in `shards` parts, a power of two on which the last bits depend, by the ranks of `group`,
    such as `MpiGroup()`, on whose number they do not: each rank has the same net, data and arguments and makes the same
    calls. `remainder` trains on the rows that do not fill the last minibatch of an epoch too, as one of fewer rows.
    `class_weight`, "balanced", a weight for each class or some by number, and `sample_weight` [N] multiply the losses
    and gradients of rows, of which means are over the rows all the same. `schedule(t)`, after t epochs with the
    fraction of the present one, gives the rate of each minibatch in place of the optimizer's. A pickle holds the data
    as well, and continues to the same bits, in one process.
    Raises UsageError where the pieces do not fit together, LabelError for a wrong class, NotFinite for nan or inf.
    """

    def __init__(
        self,
        model: Model,
        X: ArrayLike | OneHot,
        Y: ArrayLike,
        optimizer: Optimizer,
        *,
        seed: int = 0,
        threads: int | None = None,
        shuffle: bool = True,
        shards: int = 1,
        group: Group | None = None,
        remainder: bool = False,
        class_weight: ClassWeight | None = None,
        sample_weight: ArrayLike | None = None,
        schedule: RateFunction | None = None,
    ):
        self.model = instance("the net", model, Model, "a caffe64.Net")
        self.optimizer = instance("optimizer", optimizer, Optimizer, OPTIMIZER_MEANING)
        self.seed, self.shuffle = seed_number(seed), flag("shuffle", shuffle)
        self.shards = whole_number("shards", shards, 1, MOST_SHARDS)
        self.group = SoloGroup() if group is None else instance("group", group, Group, "a caffe64.MpiGroup")
        plan = model.plan
        if plan.loss is None:
            raise UsageError(f"the net has no loss layer to train with (end it with {loss_words()})")
        self.plan, self.X, self.Y = plan_data(plan, X, Y)
        self.rows, self.batch = len(self.X), plan.spec.minibatch
        self.remainder, self.schedule = flag("remainder", remainder), check_schedule(schedule, optimizer)
        self.minibatch_rows = rows_of_minibatches(self.rows, self.batch, remainder=self.remainder)
        self.steps = len(self.minibatch_rows)
        self.row_weights = weigh(plan, self.Y, class_weight, sample_weight)
        check_shards(self.shards, self.group.size, self.batch)
        self._prepare(check_threads(threads))
        if model.parameters is None:
            model.initialise(seed)
        elif not is_finite(model.parameters):
            raise UsageError("the net's weights are not finite: load or initialise others, if a training diverged")
        self._begin_histories()
        self.epoch, self.step, self.rate = 0, 0, optimizer.rate
        self._earlier, self.since = 0, 0  # epochs of the runs before, and of those before the present schedule
        self.rates = np.full(self.steps, self.rate)  # of the minibatches of the last epoch that began
        self.losses = np.full(self.steps, np.nan)
        self.history: list[EpochRecord] = []

    def _begin_histories(self) -> None:
        """Those of the rule, all 0, before the first update."""
        self.velocity = self.model.owner.zeros()
        self.second = (
            self.model.owner.zeros() if self.optimizer.rule in WITH_SECOND_HISTORY else np.empty(0, np.float32)
        )
        self._updates = 0  # before the present epoch

    def _prepare(self, threads: int | None) -> None:
        """The state of this process alone: threads (None: as many as pay off) and what they share."""
        self._asked_threads = threads
        rows = self.batch // self.shards
        self.threads = max(1, min(choose_threads(threads, self.plan.macs * rows), rows))
        if threads is None and self.group.sharers > 1:
            self.threads = min(self.threads, max(1, usable_threads() // self.group.sharers))
        self.pace = Pace(self.threads, adaptive=threads is None)
        self.sync = make_sync()
        self._loop: FusedLoop | ShardLoop | None = None
        self.rank_times = RankTimes()
        self._compared = False  # with other ranks

    def __getstate__(self) -> dict[str, Any]:
        own = ("threads", "pace", "sync", "_loop", "rank_times", "_compared", "group")
        state = {name: value for name, value in vars(self).items() if name not in own}
        one_hot = self.plan is not self.model.plan
        return state | {"plan": self.X.shape[1] if one_hot else 0} | self.packed_histories()

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.plan = one_hot_plan(self.model.plan, state["plan"]) if state["plan"] else self.model.plan
        self.take_histories(state["velocity"], state["second"], self._updates)
        self.group = SoloGroup()
        self._prepare(state["_asked_threads"])

    def packed_histories(self) -> dict[str, np.ndarray]:
        """In the order of files, as `take_histories` takes them."""
        second = self.model.pack(self.second) if self.second.size else self.second
        return {"velocity": self.model.pack(self.velocity), "second": second}

    def take_histories(self, velocity: np.ndarray, second: np.ndarray, updates: int) -> None:
        """Those of another run of the rule, and its updates before the present epoch."""
        self.velocity, self._updates = self.model.unpack(velocity), updates
        self.second = self.model.unpack(second) if second.size else second

    @property
    def updates(self) -> int:
        """How many minibatches the histories have seen."""
        return self._updates + self.step

    @property
    def finished(self) -> bool:
        """True when all epochs of the optimizer are done."""
        return self.epoch >= self._earlier + self.optimizer.epochs

    def stop(self) -> None:
        """Ask `run_epoch` to end after the current minibatch, on all ranks; if none is running, its next call ends at
        once.

        Safe from signal handlers and threads.
        """
        self.sync[STOP_REQUEST] |= STOP_CALLED

    def run_epoch(self, watch: Callable[[int, np.ndarray], None] | None = None) -> EpochRecord:
        """Run the rest of the current epoch.

        `watch(step, losses)` is called about twenty times per second and at the end: the minibatches done, and the mean
        loss of each, float64 [steps]. Raises Interrupted after `stop`; then `step` minibatches are done, and
        `run_epoch` or a checkpoint continue from there. Raises Diverged when a loss is not finite, with the parameters
        as they were before that minibatch, and when the last minibatch gave parameters that are not. All ranks raise
        these together.
        """
        function("watch", watch)
        started, before, sync = time.perf_counter(), self.step, self.sync
        sync[:STOP_REQUEST] = sync[STOP_REQUEST + 1 :] = 0  # not a request to stop, which may have come before
        sync[DONE] = before
        try:
            if not self._stop_wanted():
                self._run_minibatches(watch)
        except BaseException:
            sync[STOP_REQUEST] = 0
            raise
        finally:
            self.step = int(sync[DONE])
            self.model.owner.written(range(len(self.plan.parameters)))
        if sync[STOP] == DIVERGED:
            raise agreed(self._diverged(self.step))
        if self.step < self.steps:
            sync[STOP_REQUEST] = 0
            raise agreed(Interrupted(f"stopped in epoch {self.epoch + 1} after minibatch {self.step} of {self.steps}"))
        if not is_finite(self.model.parameters):
            hint = "after it the weights are not finite: try a smaller learning rate"
            raise agreed(self._diverged(self.steps - 1, hint))
        return self._finish_epoch(time.perf_counter() - started)

    def _diverged(self, step: int, *hint: str) -> Diverged:
        """The error for minibatch `step` (from 0). No run continues this one."""
        self.model.progress = None
        loss, self.losses[self.step :] = float(self.losses[step]), np.nan
        return Diverged(self.epoch + 1, step + 1, loss, *hint)

    def _stop_wanted(self) -> bool:
        """Whether `stop` was called, on any rank. Raises UsageError, on all, where ranks do not train the same."""
        wanted = bool(self.sync[STOP_REQUEST])
        if self.group.size == 1:
            return wanted
        if not self._compared:
            check_alike(self.group, facts(self))
            self._compared = True
        return any(self.group.gather_objects(wanted))

    def use_loop(self, loop: FusedLoop | ShardLoop) -> None:
        """Run minibatches by this one from now on, instead of the one for so many shards and ranks."""
        self._loop = loop

    def _run_minibatches(self, watch) -> None:
        self.model.progress = self._progress()  # the velocity goes on changing with the parameters
        if self._loop is None:
            shards = Shards(self.shards, self.group.size, self.group.rank, self.model.parameters.size)
            self.use_loop(make_loop(self.plan, self.batch, self.threads, shards, self.group, self.optimizer))
        self.rates = minibatch_rates(self)
        try:
            run_stretches(self, self._loop, self._order(), self.rates, watch)
        finally:
            self.step = int(self.sync[DONE])
            if self.step < self.steps:
                self.model.progress = self._progress()

    def _order(self) -> np.ndarray:
        if not self.shuffle:
            return np.arange(self.rows)
        return generator(self.seed, self.epoch + 1).permutation(self.rows)

    def _finish_epoch(self, seconds: float) -> EpochRecord:
        loss = float(np.average(self.losses, weights=self.minibatch_rows) if self.remainder else self.losses.mean())
        record = EpochRecord(self.epoch + 1, loss, float(self.rates[-1]), seconds)
        self.history.append(record)
        self.epoch, self.step, self._updates = self.epoch + 1, 0, self._updates + self.steps
        self.losses[:] = np.nan
        drops = self.optimizer.step if self.optimizer.schedule == "step" else 0
        if drops and (self.epoch - self.since) % drops == 0:
            self.rate *= self.optimizer.factor
        self.model.progress = self._progress()
        return record

    def _progress(self) -> Progress:
        optimizer = self.optimizer
        return Progress(
            self.epoch, self.velocity, self.second, optimizer.rule, self.updates, self.rate, schedule_of(optimizer),
            self.since,
        )  # fmt: skip

    def go_on(self, progress: Progress) -> None:
        """Begin where another run of the same model ended, and add the optimizer's epochs to those that it did.

        The velocity and the count of epochs are that run's, and so is the rate, unless base rate, step, factor or the
        kind of the schedule are others: then this schedule begins now. So does cosine, whose end is that of the epochs.
        Another rule begins without the velocity, apart from nesterov and sgd.
        """
        self.epoch, self._earlier = progress.epoch, progress.epoch
        if same_history(self.optimizer.rule, progress.rule):
            self.velocity, self.second, self._updates = progress.velocity, progress.second, progress.updates
        if progress.schedule == schedule_of(self.optimizer) and self.optimizer.schedule != "cosine":
            self.rate, self.since = progress.rate, progress.since
        else:
            self.since = progress.epoch

    def checkpoint(self) -> Checkpoint:
        """As `checkpoint_of`."""
        return checkpoint_of(self)

    @classmethod
    def resume(
        cls,
        checkpoint: Checkpoint,
        model: Model,
        X: ArrayLike | OneHot,
        Y: ArrayLike,
        optimizer: Optimizer | None = None,
        *,
        seed: int | None = None,
        threads: int | None = None,
        shuffle: bool | None = None,
        shards: int | None = None,
        group: Group | None = None,
        remainder: bool | None = None,
        class_weight: ClassWeight | None = None,
        sample_weight: ArrayLike | None = None,
        schedule: RateFunction | None = None,
    ) -> Training:
        """Continue from `checkpoint` with the same net and data; arguments replace the values of the checkpoint.

        A new base rate or schedule counts from epoch 1, as if the run had had it from the start; another rule begins
        without a velocity, apart from nesterov and sgd. Its shards and its remainder stay; the ranks of `group` may be
        others. A checkpoint holds neither weights of rows nor a function `schedule`: they are given again.
        Raises UsageError when the net, the number of rows or of shards, or the weights of rows differ, or an unfinished
        epoch would change its order, InputError for a checkpoint with another number of parameters than its net.
        """
        return resumed(
            cls, checkpoint, model, X, Y, optimizer, shards, remainder, seed=seed, threads=threads, shuffle=shuffle,
            group=group, class_weight=class_weight, sample_weight=sample_weight, schedule=schedule,
        )  # fmt: skip
