"""A solver: the iterations of a training, as `caffe train` runs them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ...arguments import seed_number
from ...engine.graph.ir.ownership import own_parameters, views_of
from ...engine.graph.plan.update import WeightUpdate
from ...engine.graph.plan.update_steps import UPDATE_KERNELS
from ...engine.parameters.owner import Parameters
from ...engine.parameters.rules import Rule
from ...engine.parameters.schedule import Schedule
from ...errors import Diverged, InputError, UsageError
from ...formats.caffe.solver import ParsedSolver, read_solver
from ...formats.transform import transform_bytes, transform_floats
from ..net import CaffeNet, Outputs
from ..weights import copy_weights
from .events import Passed, Resumed, Step, Tell, Testing, WeightsLoaded, ignore, listed
from .nets import FedNet, Given, Place, build, find_named, origins
from .snapshot import restore, write_snapshot
from .trace import Trace, split_layers


class TrainedNet:
    """The train net of a solver and its update."""

    def __init__(self, solver: ParsedSolver, fed: FedNet):
        settings = solver.settings
        self.solver, self.fed = solver, fed
        self.rule, self.schedule = rule_of(solver), schedule_of(solver)
        graph = fed.net.graph
        own_parameters(graph)
        self.owner = next((node.held.owner for node in graph.nodes if node.held), Parameters([]))
        self.gradient = self.owner.zeros()
        self.histories = [self.owner.zeros() for _ in range(self.rule.histories)]
        self.update = WeightUpdate(
            self.owner, self.gradient, self.rule, self.histories, settings.iter_size, fed.net.threads
        )
        fed.net._gradients.use({node: views_of(node, self.gradient) for node in graph.nodes if node.held})
        self._recent: deque[np.float32] = deque(maxlen=settings.average_loss)
        self._smoothed = np.float32(0)
        self.on_start: list[Callable[[], object]] = []  # before the passes of an iteration
        self.on_gradients: list[Callable[[], object]] = []  # after them, before the update

    @property
    def iteration(self) -> int:
        """The number of updates so far."""
        return self.update.updates

    @iteration.setter
    def iteration(self, number: int) -> None:
        self.update.updates = number

    def step(self, tell: Tell = ignore, *, traced: bool = False, keep_going: bool = True) -> Step:
        """One iteration: passes, clipping, update. `tell` hears of each layer if it is `traced`. Raises Diverged for a
        loss that is not finite, before the update, unless `keep_going`."""
        self._check_owner()
        for call in self.on_start:
            call()
        number, current = self.iteration, self.schedule.current
        found = Step(number, np.float32(0), np.float32(0), {}, np.float32(0))
        try:
            if traced or self.on_gradients:
                self._step_by_pieces(found, tell, traced, keep_going)
            else:
                self._linked_step(found, tell, keep_going)
        finally:
            if self.iteration == number:  # no update: its rate is found again
                self.schedule.current = current
        found.smoothed = self.smooth(found.loss)
        return found

    def apply_update(self, found: Step | None = None) -> None:
        """The update of an iteration by the gradients that are there, of which `found` takes note."""
        self._update(self._rate(found), found)

    def _update(self, rate: np.float32, found: Step | None) -> None:
        limit = self.solver.settings.clip_gradients
        self.update.run(rate, limit)
        self.fed.net.session.weights_moved(self.gradient)
        if found:
            found.norm, found.limit = self.update.length, limit

    def _rate(self, found: Step | None) -> np.float32:
        """That of this iteration, with Adam's correction; `found` takes note."""
        rises, rate = self.schedule.rises(self.iteration), self.schedule.rate(self.iteration)
        if found:
            found.rises, found.rate, found.current = rises, rate, self.schedule.current
        return np.float32(rate * self.rule.correction(self.iteration))

    def _check_owner(self) -> None:
        """Raises UsageError where the net has other weights than those that are updated."""
        if any(node.held and node.held.owner is not self.owner for node in self.fed.net.graph.nodes):
            hint = "other.share_with(solver.net) is the way round"
            raise UsageError(f"the net of the solver has the weights of another one ({hint})")

    def _step_by_pieces(self, found: Step, tell: Tell, traced: bool, keep_going: bool) -> None:
        """Calls may look at the gradients before the update."""
        self.update.clear()
        losses = []
        trace = Trace(self.fed.net, self.owner.vector, self.gradient, tell) if traced else None
        for _ in range(self.solver.settings.iter_size):
            loss, found.outputs = self.fed.forward(tell)
            losses.append(loss)
            if trace:
                trace.forward()
                trace.backward()
            else:
                self.fed.net.backward()
        self._finish(found, losses, keep_going)

    def _linked_step(self, found: Step, tell: Tell, keep_going: bool) -> None:
        """Each pass is one run, the last one with the update, where the net can do that."""
        losses: list[np.float32] = []
        limit, last = self.solver.settings.clip_gradients, self.solver.settings.iter_size - 1
        rate = self._rate(found)
        for number in range(last + 1):
            if number == last:
                self.update.begin(rate, limit, sum(losses, np.float32(0)), any_loss=keep_going)
            linked, loss, found.outputs = self.fed.iterate(self.update, tell, first=number == 0, last=number == last)
            losses.append(loss)
            if not linked:
                if number == 0:
                    self.update.clear()
                self.fed.net.backward()
        if linked:
            found.loss, found.norm, found.limit = mean(losses), self.update.length, limit
            if self.update.refused:
                raise Diverged(None, found.iteration, float(found.loss))
        else:
            self._finish(found, losses, keep_going, rate)

    def _finish(
        self, found: Step, losses: Sequence[np.float32], keep_going: bool, rate: np.float32 | None = None
    ) -> None:
        """The update, by gradients that are there, at the rate of this iteration."""
        found.loss = mean(losses)
        if not keep_going and not np.isfinite(found.loss):
            raise Diverged(None, self.iteration, float(found.loss))
        for call in self.on_gradients:
            call()
        self._update(self._rate(found) if rate is None else rate, found)

    def show(self, tell: Tell = ignore, *, traced: bool = False) -> tuple[np.float32, Outputs]:
        """One more pass, without an update: the smoothed loss, and the outputs."""
        loss, outputs = self.fed.forward(tell)
        if traced:
            Trace(self.fed.net, self.owner.vector, self.gradient, tell).forward()
        return self.smooth(loss), outputs

    def smooth(self, loss: np.float32) -> np.float32:
        """The mean of the last losses, `average_loss` of them, this one included."""
        full = len(self._recent) == self._recent.maxlen
        oldest = self._recent[0] if full else None
        self._recent.append(loss)
        count = np.float32(len(self._recent))
        with np.errstate(all="ignore"):  # inf and NaN are values like others
            if oldest is None:
                self._smoothed = (self._smoothed * (count - 1) + loss) / count
            else:
                self._smoothed += (loss - oldest) / count
        return self._smoothed

    def begin_smoothing(self) -> None:
        """The smoothed loss is that of the iterations from here on."""
        self._recent.clear()
        self._smoothed = np.float32(0)


def mean(losses: Sequence[np.float32]) -> np.float32:
    return np.float32(sum(losses, np.float32(0)) / np.float32(len(losses)))


def rule_of(solver: ParsedSolver) -> Rule:
    settings = solver.settings
    other = settings.momentum2 if settings.type == "Adam" else settings.rms_decay
    absolute = settings.regularization_type == "L1"
    return Rule(settings.type, settings.momentum, other, settings.delta, settings.weight_decay, absolute)


def schedule_of(solver: ParsedSolver) -> Schedule:
    settings = solver.settings
    return Schedule(
        settings.lr_policy, settings.base_lr, settings.gamma, settings.power, settings.stepsize, settings.stepvalue,
        settings.max_iter,
    )  # fmt: skip


NOTHING = Given()
GoOn = Callable[[], bool]
KERNELS = (*UPDATE_KERNELS, transform_bytes, transform_floats)  # that any solver may call


class CaffeTraining:
    """Trains the net of a solver file, or of one that was read, and tests it. `max_iter` and `weights`, names of files,
    are in place of the solver's own, `given` in place of its data; `level` and `stages` as of `caffe train`."""

    def __init__(
        self, path: str | os.PathLike[str] | ParsedSolver, *, level: int | None = None, stages: Sequence[str] = (),
        threads: int | None = None, seed: int | None = None, max_iter: int | None = None,
        weights: Sequence[str] | None = None, given: Given = NOTHING,
    ):  # fmt: skip
        self.parsed = path if isinstance(path, ParsedSolver) else read_solver(path)
        if max_iter is not None:
            self.parsed.settings = replace(self.parsed.settings, max_iter=max_iter)
        settings = self.parsed.settings
        self.seed_is_free = seed is None and settings.random_seed < 0
        self.seed = seed_number(seed if seed is not None else max(0, int(settings.random_seed)))
        draws = np.random.default_rng(self.seed)
        train, tests = origins(self.parsed, given.net)
        fed = build(train, "TRAIN", draws, self.seed, threads, level=level, stages=stages, given=given.data)
        if given.weights:
            fed.net.share_with(given.weights)
        self.trainer = TrainedNet(self.parsed, fed)
        self.tests = [build(test, "TEST", draws, self.seed, threads, given=given.test_data) for test in tests]
        self.marks: list[Place] | None = None  # where tests were that are to begin again after a resume
        for number in range(len(self.tests)):
            self._share(number)
        self.load_weights(self.own_weights if weights is None else weights)

    @property
    def net(self) -> CaffeNet:
        return self.trainer.fed.net

    @property
    def test_nets(self) -> list[CaffeNet]:
        return [fed.net for fed in self.tests]

    @property
    def iter(self) -> int:
        return self.trainer.iteration

    @property
    def own_weights(self) -> list[str]:
        """The files that the solver's `weights` name. Raises InputError."""
        names = ",".join(self.parsed.settings.weights).split(",") if self.parsed.settings.weights else ()
        return [str(find_named(self.parsed, "weights", name.strip(), self.net.notices)) for name in names]

    def load_weights(self, names: Sequence[str], tell: Tell = ignore) -> None:
        """Take the weights of these files in the layers that they have by name, of the test nets as well; later ones
        overwrite. Raises InputError."""
        for number, net in ((None, self.net), *enumerate(self.test_nets)):
            for name in names:
                ignored = load_weights(net, name, needed=number is None)
                tell(WeightsLoaded(name, ignored, number))

    def snapshot(self) -> tuple[str, str]:
        """Write a .caffemodel and a .solverstate; returns their names."""
        return write_snapshot(self)

    def restore(self, path: str | os.PathLike[str], tell: Tell = ignore) -> None:
        """Go on from a .solverstate."""
        restore(self, path)
        tell(Resumed(os.fspath(path)))

    def mark_tests(self) -> None:
        """Tests begin: a snapshot among them is one from before them, since they are run again when it is resumed."""
        self.marks = [fed.place for fed in self.tests]

    def test(self, number: int, go_on: GoOn = lambda: True, tell: Tell = ignore) -> tuple[np.float32, Outputs] | None:
        """The mean loss and outputs of a test net with the present weights over its test_iter passes; None if before
        one of these `go_on` was False."""
        ignored = self._share(number)
        tell(Testing(self.iter, number, ignored))
        return mean_of_passes(self.tests[number], self.parsed.settings.test_iter[number], go_on, tell)

    def _share(self, number: int) -> list[str]:
        """Let a test net use the weights of the train net; returns the layers of this that it does not have."""
        net = self.test_nets[number]
        try:
            net.share_with(self.net)
        except UsageError as error:
            raise InputError(net.path, f"test net {number}: {error}", "the train net's shapes") from None
        own = layer_names(net)
        return [name for name in layer_names(self.net) if name not in own]


def layer_names(net: CaffeNet) -> list[str]:
    """As in Caffe, of its Split layers too."""
    return [message.name for message, _, _ in split_layers(net.graph)]


def load_weights(net: CaffeNet, path: str, *, needed: bool) -> list[str]:
    """Take the weights of a file, of which the net must have some layers if `needed`; returns those that it lacks."""
    copied, own = copy_weights(net.graph, path, needed=needed), layer_names(net)
    return [name for name in copied.layers if name not in own]


def mean_of_passes(
    fed: FedNet, count: int, go_on: GoOn = lambda: True, tell: Tell = ignore
) -> tuple[np.float32, Outputs] | None:
    """The mean loss and outputs of so many passes; None if before one of these `go_on` was False."""
    losses, total, first = np.float32(0), np.float32(0), 0
    sums: dict[str, np.ndarray] = {}
    for number in range(count):
        if not go_on():
            return None
        loss, outputs = fed.forward(tell)
        tell(Passed(number, count, listed(fed.net, outputs)))
        first = first or max(fed.rows, 1)
        weight = np.float32(fed.rows / first)  # 1 but for batches of other sizes
        with np.errstate(all="ignore"):
            losses, total = losses + weight * loss, total + weight
            for name, values in outputs.items():
                sums[name] = sums[name] + weight * values if name in sums else weight * values
    share = total or np.float32(1)
    return losses / share, {name: values / share for name, values in sums.items()}
