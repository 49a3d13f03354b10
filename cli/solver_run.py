"""The steps of `caffe64 train --solver`:   check -> read -> compile -> weights or snapshot -> iterations.

Everything that can be wrong with the request, the solver, its nets and the place of its snapshots is found before the
first iteration.
"""

from __future__ import annotations

import contextlib
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..caffe.solver.events import Event
from ..caffe.solver.glog import CaffeLog
from ..caffe.solver.loop import TrainingLoop
from ..caffe.solver.nets import required_kernels
from ..caffe.solver.sharded_net import ShardedNet
from ..caffe.solver.snapshot import check_prefix, shards_of_state
from ..caffe.solver.solver import KERNELS, SHARD_KERNELS, CaffeTraining
from ..engine.parameters.shards import check_shards
from ..errors import Diverged, UsageError
from ..formats.caffe.solver import read_solver
from ..ranks.agreement import agree, agreed
from ..ranks.group import Group
from ..ranks.together import check_alike
from . import compiling, files, over_ranks, plot, signals
from .live import Bar
from .log import SUFFIXES, TrainLog, read_log
from .output import Output
from .solver_history import SolverRecords, fields, panels
from .solver_progress import LiveReport, PlainReport
from .solver_ranks import RankReport
from .solver_screen import Screen, form_of, notices

Report = CaffeLog | PlainReport | None


@dataclass(frozen=True)
class SolverRequest:
    """The request of the command line. `weights`: names of files; `gpu`: it asks for one."""

    solver: Path
    snapshot: Path | None = None
    weights: tuple[str, ...] = ()
    level: int = 0
    stages: tuple[str, ...] = ("",)
    max_iter: int | None = None
    seed: int | None = None
    threads: int | None = None
    shards: int | None = None
    log: Path | None = None
    plot: Path | None = None
    log_format: str | None = None
    sigint_effect: str = signals.STOP
    sighup_effect: str = signals.SNAPSHOT
    keep_going: bool = False
    gpu: bool = False
    quiet: bool = False

    @property
    def effects(self) -> dict[int, str]:
        """Of signals, where the system has them."""
        found = {int(signal.SIGINT): self.sigint_effect}
        return found | ({int(signal.SIGHUP): self.sighup_effect} if hasattr(signal, "SIGHUP") else {})

    def without_files(self) -> SolverRequest:
        """That of a rank which says and writes nothing."""
        return replace(self, log=None, plot=None, quiet=True)


def run(request: SolverRequest) -> None:
    """Train as `request` says. Raises the errors of `errors.py`."""
    started, group = time.perf_counter(), over_ranks.join()
    if group.rank:
        request = request.without_files()
        warnings.simplefilter("ignore")  # rank 0 shows them
    agree(group, lambda: check(request))
    output = Output(quiet=request.quiet)
    training = SolverTraining(request, output, group)
    training.run()
    group.barrier()  # none ends before all is written
    if output.can_draw and (saved := training.loop.saved):
        text = f"{saved.model} written after {time.perf_counter() - started:.1f} s"
        training.screen.run(lambda: output.say(text))


def check(request: SolverRequest) -> None:
    """Contradicting options, missing files and folders that cannot be written."""
    if request.snapshot and request.weights:
        raise UsageError("--snapshot and --weights exclude each other: a snapshot brings its own weights")
    if "" in request.weights:
        raise UsageError(f"--weights {','.join(request.weights)!r}: a name is empty")
    files.check_suffix(request.log, "--log", SUFFIXES)
    files.check_suffix(request.plot, "--plot", plot.SUFFIXES)
    if request.plot is not None:
        plot.check_plotting()
    inputs = (request.solver, request.snapshot, *map(Path, request.weights))
    files.check_inputs(inputs)
    files.check_outputs((request.log, request.plot), inputs)


class SolverTraining:
    """One run: the solver and what listens to it. Over ranks each has one."""

    def __init__(self, request: SolverRequest, output: Output, group: Group):
        self._request, self._output, self._group = request, output, group
        self._shards = agree(group, self._found_shards)
        if group.size > 1:  # once for each host
            agree(group, lambda: None if group.host_rank else self._compile())
        agree(group, self._compile)
        self.solver = agree(group, self._made)
        self.screen = Screen()
        self._listeners: list[Callable[[Event], None]] = []
        self.loop = TrainingLoop(self.solver, self._tell, self._poll, keep_going=request.keep_going)

    def _found_shards(self) -> int:
        """Those of the option, or else of the snapshot. Raises UsageError where several ranks need the option."""
        request, ranks = self._request, self._group.size
        shards = request.shards or (shards_of_state(request.snapshot) if request.snapshot else 1)
        if request.shards is None and shards < ranks:
            raise UsageError(
                f"{ranks} processes need --shards {ranks}, or a larger power of two: the parts of each batch that they "
                "share"
            )
        check_shards(shards, ranks, shards)
        return shards

    def _compile(self) -> None:
        request = self._request
        kernels = required_kernels(read_solver(request.solver), request.level, request.stages)
        compiling.prepare([*KERNELS, *(SHARD_KERNELS if self._shards > 1 else ()), *kernels], self._output)

    def _made(self) -> CaffeTraining:
        request = self._request
        solver = CaffeTraining(
            request.solver, level=request.level, stages=request.stages, threads=request.threads, seed=request.seed,
            max_iter=request.max_iter, weights=[], shards=self._shards, group=self._group,
        )  # fmt: skip
        if not self._group.rank:
            check_prefix(solver)
        return solver

    def run(self) -> None:
        """Train to max_iter. Raises Interrupted, Diverged; writes snapshots, the log and the curve."""
        request, history = self._request, None
        try:
            with self._report() as report:
                agree(self._group, lambda: self._begin(report))
                check_alike(self._group, self.solver.facts)
                with self._history() as history, signals.deferred(request.effects):
                    self._listeners.append(history)
                    self.loop.solve()
        except Diverged as error:
            raise agreed(Diverged(None, error.minibatch, error.loss, f"{error.hint}; {self._kept()}")) from None
        finally:
            if request.plot and history and history.records:
                plot.write_plot(request.plot, panels(self.solver, history.records), "iteration")
        self.screen.check()
        if self.loop.stopped:
            number = int(self._group.gather_numbers([signals.received()]).max())
            raise agreed(signals.interruption(f"before iteration {self.solver.iter} ({self._kept()})", number))

    def _begin(self, report: Report) -> None:
        """Take the weights that the training begins with, or the snapshot."""
        request, settings = self._request, self.solver.parsed.settings
        gpu = f"{request.solver}: solver_mode: GPU" if settings.gpu else ""
        weights = [] if request.snapshot else [*request.weights] or self.solver.own_weights
        notices(self._output, "--gpu" if request.gpu else gpu, [self.solver.net, *self.solver.test_nets])
        log = report if isinstance(report, CaffeLog) else None
        if report:
            self._listeners.append(lambda event: self.screen.run(lambda: report(event)))
        if isinstance(trainer := self.solver.trainer, ShardedNet) and self._group.size > 1 and report:
            say = report.print if isinstance(report, PlainReport) else self._output.say
            self._listeners.append(RankReport(lambda text: self.screen.run(lambda: say(text)), trainer))
        if log:
            self.screen.run(lambda: log.begin(weights))
        self.solver.load_weights(weights, self._tell)
        if log:
            self.screen.run(log.ready)
        if request.snapshot:
            self.solver.restore(request.snapshot, self._tell)

    @contextlib.contextmanager
    def _report(self) -> Iterator[Report]:
        form = form_of(self._output, self._request.log_format)
        if form == "caffe":
            yield CaffeLog(Screen.print, self.solver)
        elif form == "plain" and self._output.can_draw:
            live = contextlib.ExitStack()
            try:
                yield LiveReport(live.enter_context(Bar()), self.solver)
            finally:
                self.screen.run(live.close)
        else:
            yield PlainReport(Screen.print, self.solver) if form else None

    @contextlib.contextmanager
    def _history(self) -> Iterator[SolverRecords]:
        """The records so far: of a run that goes on, those of the file that it has written before."""
        path, records = self._request.log, []
        if path and self._request.snapshot:
            records = [each for each in read_log(path) if (each.get("iteration") or 0) < self.solver.iter]
        with TrainLog(path, fields(self.solver), records) if path else contextlib.nullcontext() as log:
            yield SolverRecords(self.solver, records, log)

    def _tell(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)

    def _poll(self) -> str | None:
        return signals.STOP if self.screen.gone and not self.loop.stopped else signals.poll()

    def _kept(self) -> str:
        if saved := self.loop.saved:
            return f"--snapshot {saved.state} goes on from there"
        since = f" since {self._request.snapshot}" if self._request.snapshot else ""
        return f"no snapshot was written{since}"
