"""A solver: the iterations of a training, as `caffe train` runs them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...arguments import seed_number
from ...engine.graph.ir.ownership import own_parameters, views_of
from ...engine.parameters.owner import Parameters
from ...engine.parameters.rules import RULES, Rule, scale_vector, sum_of_squares, update_slice
from ...engine.parameters.schedule import Schedule
from ...formats.caffe.solver import ParsedSolver, read_solver
from ..net import CaffeNet
from .nets import FedNet, build, origins
from .snapshot import restore, write_snapshot


@dataclass
class Step:
    """What one iteration gave. `outputs` are those of its last pass, `rate` is the learning rate, `norm` the gradients'
    where they were clipped, `rises` whether multistep went on to its next value."""

    iteration: int
    loss: np.float32
    smoothed: np.float32
    outputs: dict[str, np.ndarray]
    rate: np.float32
    norm: float | None = None
    rises: bool = False


class TrainedNet:
    """The train net of a solver and its update."""

    def __init__(self, solver: ParsedSolver, fed: FedNet):
        settings = solver.settings
        self.solver, self.fed, self.iteration = solver, fed, 0
        self.rule, self.schedule = rule_of(solver), schedule_of(solver)
        graph = fed.net.graph
        own_parameters(graph)
        self.owner = next((node.held.owner for node in graph.nodes if node.held), Parameters([]))
        self.gradient = self.owner.zeros()
        self.histories = [self.owner.zeros() for _ in range(self.rule.histories)]
        fed.net._gradients.use({node: views_of(node, self.gradient) for node in graph.nodes if node.held})
        self._recent: deque[np.float32] = deque(maxlen=settings.average_loss)
        self._smoothed = np.float32(0)

    def step(self) -> Step:
        """One iteration: passes, clipping, update."""
        settings = self.solver.settings
        self.gradient.fill(0)
        losses = []
        for _ in range(settings.iter_size):
            loss, outputs = self.fed.forward()
            losses.append(loss)
            self.fed.net.backward()
        loss = np.float32(sum(losses, np.float32(0)) / np.float32(settings.iter_size))
        rises = self.schedule.rises(self.iteration)
        rate = self.schedule.rate(self.iteration)
        norm = self._clip(settings.clip_gradients)
        found = Step(self.iteration, loss, self.smooth(loss), outputs, rate, norm, rises)
        self._update(rate, settings.iter_size)
        self.iteration += 1
        return found

    def smooth(self, loss: np.float32) -> np.float32:
        """The mean of the last losses, `average_loss` of them, this one included."""
        full = len(self._recent) == self._recent.maxlen
        oldest = self._recent[0] if full else None
        self._recent.append(loss)
        if oldest is None:
            count = np.float32(len(self._recent))
            self._smoothed = (self._smoothed * (count - 1) + loss) / count
        else:
            self._smoothed += (loss - oldest) / np.float32(len(self._recent))
        return self._smoothed

    def begin_smoothing(self) -> None:
        """The smoothed loss is that of the iterations from here on."""
        self._recent.clear()
        self._smoothed = np.float32(0)

    def _clip(self, limit: float) -> float | None:
        """Shorten the gradients, if they are longer than `limit`; returns their length then."""
        if limit < 0:
            return None
        norm = float(np.sqrt(sum_of_squares.run(self.gradient)))
        if norm <= limit:
            return None
        scale_vector.run(self.gradient, np.float32(limit / norm))
        return norm

    def _update(self, rate: np.float32, passes: int) -> None:
        rule, owner = self.rule, self.owner
        rate = np.float32(rate * rule.correction(self.iteration))
        second = self.histories[-1]
        for part in owner.slices:
            end = -(-part.size // 16) * 16
            update_slice.run(
                owner.vector, self.gradient, self.histories[0], second, part.offset, end, RULES.index(rule.name),
                int(rule.absolute), np.float32(1) / np.float32(passes), np.float32(rule.decay * part.decay_mult),
                np.float32(rate * np.float32(part.lr_mult)), np.float32(rule.momentum), np.float32(rule.other),
                np.float32(rule.delta),
            )  # fmt: skip
        owner.written(range(len(owner.slices)))


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


Pass = Callable[[np.float32, dict[str, np.ndarray]], None]  # the loss and the outputs of one


class Solver:
    """Trains the net of a solver file, and tests it."""

    def __init__(
        self, path: str | os.PathLike[str], *, level: int | None = None, stages: Sequence[str] = (),
        threads: int | None = None, seed: int | None = None,
    ):  # fmt: skip
        self.parsed = read_solver(path)
        settings = self.parsed.settings
        self.seed_is_free = seed is None and settings.random_seed < 0
        self.seed = seed_number(seed if seed is not None else max(0, int(settings.random_seed)))
        draws = np.random.default_rng(self.seed)
        train, tests = origins(self.parsed)
        fed = build(train, self.parsed, "TRAIN", draws, self.seed, threads, level=level, stages=stages)
        self.trainer = TrainedNet(self.parsed, fed)
        self.tests = [build(test, self.parsed, "TEST", draws, self.seed, threads) for test in tests]
        self.load_weights(list(settings.weights))

    @property
    def net(self) -> CaffeNet:
        return self.trainer.fed.net

    @property
    def test_nets(self) -> list[CaffeNet]:
        return [fed.net for fed in self.tests]

    @property
    def iter(self) -> int:
        return self.trainer.iteration

    def load_weights(self, names: Sequence[str]) -> None:
        """Take the weights of these files, each perhaps several with commas between, in the layers that they have by
        name; later ones overwrite. Raises InputError."""
        for name in ",".join(names).split(",") if names else ():
            self.net.copy_from(name.strip())

    def snapshot(self) -> tuple[str, str]:
        """Write a .caffemodel and a .solverstate; returns their names."""
        return write_snapshot(self)

    def restore(self, path: str | os.PathLike[str]) -> None:
        """Go on from a .solverstate."""
        restore(self, path)

    def test(self, number: int, each: Pass | None = None) -> tuple[np.float32, dict[str, np.ndarray]]:
        """The mean loss and outputs of a test net with the present weights over its test_iter passes."""
        fed, count = self.tests[number], self.parsed.settings.test_iter[number]
        fed.net.share_with(self.net)
        losses = np.float32(0)
        sums: dict[str, np.ndarray] = {}
        for _ in range(count):
            loss, outputs = fed.forward()
            losses += loss
            for name, values in outputs.items():
                sums[name] = sums[name] + values if name in sums else values
            if each:
                each(loss, outputs)
        return losses / np.float32(count), {name: values / np.float32(count) for name, values in sums.items()}
