"""The steps of `caffe64 train`:   check -> read -> compile -> begin or resume -> epochs -> write.

Everything that can be wrong with the request is found before the first epoch. A run that ends early
(interrupted, diverged) writes no weights; its log and its curve hold the epochs that were finished, and its
checkpoint the state after the last minibatch, or before the epoch that diverged.
"""

from __future__ import annotations

import dataclasses
import os
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ..api import EpochRecord, Evaluation, Net, Training
from ..errors import Interrupted, UsageError
from ..formats.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from ..formats.optimizer import read_optimizer
from . import compiling, files, plot, signals
from .data import naming_label, read_inputs, read_targets, require_loss
from .live import rows_per_second
from .log import FIELDS, TrainLog
from .log import SUFFIXES as LOG_SUFFIXES
from .output import Output
from .progress import TrainReport, make_report
from .resume import changes

if TYPE_CHECKING:
    import numpy as np

    from ..engine.compiler.jit import Kernel


@dataclasses.dataclass(frozen=True)
class TrainRequest:
    """The request of the command line. `rows` None: all. `seed`, `shuffle`, `threads` None: not given."""

    net: Path
    weights: Path
    optimizer: Path
    rows: int | None
    x: Path
    y: Path
    seed: int | None = None
    threads: int | None = None
    init: Path | None = None
    shuffle: bool | None = None
    val_x: Path | None = None
    val_y: Path | None = None
    log: Path | None = None
    plot: Path | None = None
    checkpoint: Path | None = None
    checkpoint_every: int | None = None
    resume: Path | None = None
    strict: bool = False
    quiet: bool = False

    @property
    def may_begin(self) -> bool:
        """Whether --checkpoint and --resume name one file: then the run continues if it is there, else begins. Two
        names that differ by a typing error never begin a run again."""
        files = (self.checkpoint, self.resume)
        return None not in files and len({os.path.realpath(path) for path in files}) == 1

    @property
    def begins(self) -> bool:
        """Whether the run begins, without a checkpoint to continue."""
        return self.resume is None or (self.may_begin and not os.path.lexists(self.resume))


def run(request: TrainRequest) -> None:
    """Train as `request` says and write the weights. Raises the errors of `errors.py`."""
    started = time.perf_counter()
    check(request)
    output = Output(quiet=request.quiet, result=request.weights)
    trainer = Trainer(request, output)
    trainer.run()
    trainer.net.save(request.weights)
    output.finished(time.perf_counter() - started, request.weights)


def check(request: TrainRequest) -> None:
    """Contradicting options, missing files and folders that cannot be written, before any work."""
    if (request.val_x is None) != (request.val_y is None):
        raise UsageError("--val-x and --val-y belong together")
    if request.checkpoint_every is not None and request.checkpoint is None:
        raise UsageError("--checkpoint-every needs --checkpoint FILE")
    if request.init is not None and request.resume is not None and not request.may_begin:
        raise UsageError(
            "--init and --resume exclude each other, as a checkpoint brings its own weights, unless --checkpoint and "
            "--resume name one file, which the run may have to begin"
        )
    files.check_suffix(request.log, "--log", LOG_SUFFIXES)
    files.check_suffix(request.plot, "--plot", plot.SUFFIXES)
    if request.plot is not None:
        plot.check_plotting()
    inputs = (request.net, request.optimizer, request.x, request.y, request.val_x, request.val_y)
    files.check_inputs((*inputs, request.init, None if request.begins else request.resume))
    files.check_outputs((request.weights, request.log, request.plot, request.checkpoint), inputs)


class Trainer:
    """One run: the net, its data, the training in progress, and its output files."""

    def __init__(self, request: TrainRequest, output: Output):
        """Read all files, compile missing kernels, and be ready for the next minibatch."""
        self._request, self._output = request, output
        output.banner()
        output.line("Parsing net...")
        self.net = Net.read(request.net)
        require_loss(self.net, request.net)
        self._optimizer = read_optimizer(request.optimizer)
        saved = None if request.begins else read_checkpoint(request.resume)
        if request.init and not saved:
            self.net.load(request.init)
        text = compiling.text_kernels(request.x, request.y, request.val_x, request.val_y)
        compiling.prepare([*self._kernels(), *text], output)
        output.line("Loading X...")
        X = read_inputs(self.net, request.x, request.rows, strict=request.strict)
        output.line("Loading Y...")
        Y = read_targets(self.net, request.y, X, strict=request.strict)
        self._validation = self._read_validation()
        with naming_label(request.y, Y):
            self._training = self._resume(saved, X, Y) if saved else self._begin(X, Y)
        self._history = list(saved.history) if saved else []

    def _kernels(self) -> list[Kernel]:
        kernels = self.net.kernels(training=True)
        if self._request.val_x is not None:
            kernels += [kernel for kernel in self.net.kernels(training=False) if kernel not in kernels]
        return kernels

    def _read_validation(self):
        """X and Y of --val-x and --val-y, all rows, checked; None without them."""
        if self._request.val_x is None:
            return None
        strict = self._request.strict
        X = read_inputs(self.net, self._request.val_x, None, strict=strict)
        Y = read_targets(self.net, self._request.val_y, X, strict=strict)
        with naming_label(self._request.val_y, Y):
            return self.net.checked(X, Y, (str(self._request.val_x), str(self._request.val_y)))

    def _begin(self, X, Y) -> Training:
        request, seed = self._request, self._request.seed or 0
        shuffle = request.shuffle is not False
        training = Training(self.net, X, Y, self._optimizer, seed=seed, threads=request.threads, shuffle=shuffle)
        self._introduce(training)
        if request.resume:
            self._output.say(f"there is no {request.resume} yet: the run begins")
        return training

    def _resume(self, saved: Checkpoint, X, Y) -> Training:
        request = self._request
        training = Training.resume(
            saved,
            self.net,
            X,
            Y,
            self._optimizer,
            seed=request.seed,
            threads=request.threads,
            shuffle=request.shuffle,
        )
        self._introduce(training)
        for change in changes(saved, self._optimizer, request.seed, request.shuffle):
            self._output.say(change)
        if request.init:
            self._output.say(f"--init {request.init} is for a run that begins: the checkpoint's weights are taken")
        self._output.say(f"resuming {request.resume} {_place(training)}")
        return training

    def _introduce(self, training: Training) -> None:
        threads = compiling.count(training.threads, "thread")
        self._output.say(
            f"seed {training.seed}, {threads}, {self.net.parameter_count} parameters, {training.rows} rows"
        )

    def run(self) -> None:
        """Train to the last epoch. Raises Interrupted, Diverged; writes log, curve and checkpoints on the way."""
        request, training = self._request, self._training
        if training.finished:
            self._output.say(
                f"already finished at epoch {training.epoch}; a larger number of epochs in {request.optimizer} goes on"
            )
        log = TrainLog(request.log, FIELDS, self._history) if request.log else None
        report = make_report(self._output, training)
        try:
            with log or nullcontext(), report, signals.deferred():
                while not training.finished:
                    self._epoch(report, log)
        except Interrupted:
            raise self._interrupted() from None
        except BrokenPipeError:
            self._write_checkpoint()
            raise
        finally:
            if request.plot and self._history:
                plot.write_plot(request.plot, plot.epoch_panels(self._history), "epoch")

    def _epoch(self, report: TrainReport, log: TrainLog | None) -> None:
        training = self._training

        def watch(step: int, losses: np.ndarray) -> None:
            if signals.requested():
                training.stop()
            report.minibatches(step, losses)

        if signals.requested():
            raise Interrupted("stopped between two epochs")
        first = training.step  # not 0 where a resumed run begins
        report.begin_epoch()
        finished = training.run_epoch(watch)
        scores = self.net.score(self._validation, threads=self._request.threads) if self._validation else None
        self._history.append(_record(finished, training, training.steps - first, scores))
        report.epoch(self._history[-1])
        if log:
            log.append(self._history[-1])
        if training.finished or training.epoch % (self._request.checkpoint_every or 1) == 0:
            self._write_checkpoint()

    def _write_checkpoint(self) -> None:
        if self._request.checkpoint:
            state = dataclasses.replace(self._training.checkpoint(), history=self._history)
            write_checkpoint(self._request.checkpoint, state)

    def _interrupted(self) -> Interrupted:
        """What to raise when the work was stopped between two minibatches. Writes the checkpoint."""
        self._write_checkpoint()
        kept = "nothing was kept: --checkpoint FILE keeps the state of a run"
        if self._request.checkpoint:
            kept = f"--resume {self._request.checkpoint} goes on from there"
        return signals.interruption(f"{_place(self._training)} ({kept})")


def _place(training: Training) -> str:
    """Where a run stands, for messages."""
    if training.step:
        return f"in epoch {training.epoch + 1} after minibatch {training.step} of {training.steps}"
    return f"after epoch {training.epoch}" if training.epoch else "before the first minibatch"


def _record(epoch: EpochRecord, training: Training, steps: int, scores: Evaluation | None) -> dict:
    """An epoch for the log, the curve and the checkpoint: keys as in `log.FIELDS`. `steps` ran in its seconds."""
    return {
        "epoch": epoch.epoch,
        "minibatches": epoch.epoch * training.steps,
        "rate": epoch.rate,
        "loss": epoch.loss,
        "seconds": epoch.seconds,
        "rows_per_second": rows_per_second(steps * training.batch, epoch.seconds),
        "validation_loss": scores.loss if scores else None,
        "validation_accuracy": scores.accuracy if scores else None,
    }
