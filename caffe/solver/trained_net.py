"""The train net of a solver: an iteration, its gradients and its update."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from ...engine.graph.ir.ownership import own_parameters, views_of
from ...engine.graph.plan.update import WeightUpdate
from ...engine.parameters.owner import Parameters
from ...engine.parameters.rules import Rule
from ...engine.parameters.schedule import Schedule
from ...errors import Diverged, UsageError
from ...formats.caffe.solver import ParsedSolver
from ..net import Outputs
from .events import Step, Tell, ignore
from .nets import FedNet
from .trace import Trace


class TrainedNet:
    """The train net of a solver and its update."""

    def __init__(self, solver: ParsedSolver, fed: FedNet):
        settings = solver.settings
        self.solver, self.fed = solver, fed
        self.rule, self.schedule = rule_of(solver), schedule_of(solver)
        graph = fed.net.graph
        own_parameters(graph)
        self.owner = next((node.held.owner for node in graph.nodes if node.held), Parameters([]))
        self.gradient = self._gradient_vector()
        self.histories = [self.owner.zeros() for _ in range(self.rule.histories)]
        self.update = WeightUpdate(
            self.owner, self.gradient, self.rule, self.histories, settings.iter_size, fed.net.threads
        )
        fed.net._gradients.use({node: views_of(node, self.gradient) for node in graph.nodes if node.held})
        self._recent: deque[np.float32] = deque(maxlen=settings.average_loss)
        self._smoothed = np.float32(0)
        self.on_start: list[Callable[[], object]] = []  # before the passes of an iteration
        self.on_gradients: list[Callable[[], object]] = []  # after them, before the update

    def _gradient_vector(self) -> np.ndarray:
        """float32 zeros in the layout of the weights."""
        return self.owner.zeros()

    @property
    def iteration(self) -> int:
        """The number of updates so far."""
        return self.update.updates

    @iteration.setter
    def iteration(self, number: int) -> None:
        self.update.updates = number

    @property
    def rows(self) -> int:
        """Those of an iteration."""
        return self.fed.rows * self.solver.settings.iter_size

    def gather(self) -> None:
        """Before a snapshot: bring together what it keeps."""

    def step(self, tell: Tell = ignore, *, traced: bool = False, keep_going: bool = True, shown: bool = True) -> Step:
        """One iteration: passes, clipping, update. `tell` hears of each layer if it is `traced`; outputs that are not
        `shown` may be left out. Raises Diverged for a loss that is not finite, before the update, unless
        `keep_going`."""
        self._check_owner()
        for call in self.on_start:
            call()
        number, current = self.iteration, self.schedule.current
        found = Step(number, np.float32(0), np.float32(0), {}, np.float32(0))
        try:
            if traced or self.on_gradients:
                self._step_by_pieces(found, tell, traced, keep_going, shown)
            else:
                self._linked_step(found, tell, keep_going, shown)
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
        self.fed.net.session.weights_before.moved(self.gradient)
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

    def _step_by_pieces(self, found: Step, tell: Tell, traced: bool, keep_going: bool, shown: bool) -> None:
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

    def _linked_step(self, found: Step, tell: Tell, keep_going: bool, shown: bool) -> None:
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
