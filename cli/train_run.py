"""The steps of `caffe64 train`:   check -> read -> compile -> load, begin or resume -> epochs -> write.

Everything that can be wrong with the request is found before the first epoch. A run that ends early
(interrupted, diverged) writes no weights; its log and its curve hold the epochs that were finished, and its
checkpoint the state after the last minibatch, or before the epoch that diverged.

Over ranks each reads the inputs, as much at a time as all of them agree that they could; rank 0 alone reads the
checkpoint, prints, validates and writes.
"""

from __future__ import annotations

import dataclasses
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

from ..advice import data_hints, loss_hints, time_to_look
from ..api import Net, Training
from ..engine.parameters.shards import check_shards
from ..engine.textnet.stopping import Stopping
from ..errors import Interrupted, UsageError
from ..formats.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from ..formats.data import kernels_to_read
from ..formats.optimizer import read_optimizer
from ..ranks.agreement import agree, agreed
from ..ranks.group import Group
from . import compiling, over_ranks, plot, signals
from .data import BALANCED, naming_label, read_inputs, read_targets, require_loss
from .log import FIELDS, TrainLog, epoch_record
from .output import Output
from .progress import TrainReport, last_lines, make_report, rank_line
from .resume import changes
from .train_request import TrainRequest, check
from .train_table import check_start, read_rows, read_table, read_weights, save

if TYPE_CHECKING:
    import numpy as np

    from ..engine.compiler.jit import Kernel


def run(request: TrainRequest) -> None:
    """Train as `request` says and write the weights. Raises the errors of `errors.py`."""
    started = time.perf_counter()
    group = over_ranks.join()
    if group.rank:
        request = request.without_files()
    output = Output(quiet=request.quiet, result=request.weights)
    trainer = agree(group, lambda: Trainer(request, output, group))
    trainer.saved = group.broadcast(trainer.saved)
    if group.size > 1:  # once for each host
        agree(group, lambda: None if group.host_rank else trainer.compile())
    agree(group, trainer.load)
    trainer.run()
    if not group.rank:
        trainer.save()
        output.finished(time.perf_counter() - started, request.weights)
    group.barrier()  # none ends before the weights are written, or could not be


class Trainer:
    """One run: the net, its data, the training in progress, and its output files."""

    def __init__(self, request: TrainRequest, output: Output, group: Group):
        """Check the request and read what is small. `saved` is the checkpoint to continue, None if the run begins."""
        self._request, self._output, self._group = request, output, group
        check(request, writes=not group.rank)
        output.banner()
        output.line("Parsing net...")
        self._table = read_table(request, output) if request.table else None
        self.net = self._table.net if self._table else Net.read(request.net)
        require_loss(self.net, request.net)
        self._optimizer = read_optimizer(request.optimizer)
        self.saved = None if request.begins else read_checkpoint(request.resume)

    def compile(self) -> None:
        """Have all kernels on disk or in memory."""
        request = self._request
        check_shards(self._shards, self._group.size, self.net.spec.minibatch)
        weights = None if request.class_weights == BALANCED else request.class_weights
        numbers = () if request.table else (request.x, request.y, request.val_x, request.val_y)
        text = kernels_to_read(*numbers, weights, request.row_weights)
        compiling.prepare([*self._kernels(), *text], self._output)

    def load(self) -> None:
        """Read weights and data, and be ready for the next minibatch."""
        request, output, saved = self._request, self._output, self.saved
        if request.init and not saved:
            self.net.load(request.init)
            if self._table:
                check_start(request.init, self._table.columns, output)
        self.compile()
        X, Y = read_rows(self.net, request, self._table, output)
        self._weights = read_weights(self.net, request, self._table, X, output)
        self._validation = self._read_validation()
        with naming_label(request.y, Y) if request.y else nullcontext():
            self._training = self._resume(saved, X, Y) if saved else self._begin(X, Y)
        self._history = list(saved.history) if saved else []
        self._stopping = self._begin_stopping()
        self._ranks_reported = False

    @property
    def _shards(self) -> int:
        """The option's number, or the checkpoint's. Raises UsageError where several ranks need the option."""
        given, ranks = self._request.shards, self._group.size
        if given is None and self.saved:
            return self.saved.shards
        if given is None and ranks > 1:
            raise UsageError(
                f"{ranks} processes need --shards {ranks}, or a larger power of two: the parts of each minibatch that "
                "they share"
            )
        return given or 1

    def _kernels(self) -> list[Kernel]:
        kernels = self.net.kernels(training=True, shards=self._shards, optimizer=self._optimizer)
        if self._request.validates:
            kernels += [kernel for kernel in self.net.kernels(training=False) if kernel not in kernels]
        return kernels

    def save(self) -> None:
        """Write the weights, or the bundle."""
        save(self.net, self._request.weights, self._table)

    def _read_validation(self):
        """X and Y of --val-x and --val-y, all rows, checked; None without them."""
        if self._table and self._table.held_out:
            return self.net.checked(*self._table.held_out, ("validation rows", "their targets"))
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
        training = Training(
            self.net,
            X,
            Y,
            self._optimizer,
            seed=seed,
            threads=request.threads,
            shuffle=shuffle,
            shards=self._shards,
            group=self._group,
            remainder=bool(request.remainder),
            **self._weights,
        )
        self._introduce(training)
        if request.resume:
            self._output.say(f"there is no {request.resume} yet: the run begins")
        if not request.quiet:
            weighed, names = bool(training.row_weights.size), self._table.names if self._table else ()
            for hint in data_hints(training.plan, training.X, training.Y, *names, weighed=weighed):
                self._output.say(f"hint: {hint}")
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
            shards=request.shards,
            group=self._group,
            remainder=request.remainder,
            **self._weights,
        )
        self._introduce(training)
        for change in changes(saved, self._optimizer, request.seed, request.shuffle):
            self._output.say(change)
        if request.init:
            self._output.say(f"--init {request.init} is for a run that begins: the checkpoint's weights are taken")
        self._output.say(f"resuming {request.resume} {_place(training)}")
        return training

    def _begin_stopping(self) -> Stopping:
        """The state of early stopping after the epochs of the checkpoint, if there are any."""
        request, saved = self._request, self.saved
        stopping = Stopping(request.patience, request.keep_best)
        if saved and saved.epoch:
            best = self.net.unpack(saved.best) if saved.best_epoch else None
            stopping.resume(saved.history, saved.best_epoch, best)
            if request.keep_best and best is None:
                self._output.say(f"{request.resume} holds no best weights: the best of the epochs to come are kept")
            elif best is not None and not request.keep_best:
                self._output.say(f"the best weights of {request.resume} are not kept without --keep-best")
        return stopping

    def _introduce(self, training: Training) -> None:
        threads, size = compiling.count(training.threads, "thread"), self._group.size
        facts = f"seed {training.seed}, {threads}, {self.net.parameter_count} parameters, {training.rows} rows"
        if training.shards > 1:
            facts += f", {training.shards} shards"
        self._output.say(f"{facts}, {size} ranks with so many threads each" if size > 1 else facts)

    def run(self) -> None:
        """Train to the last epoch. Raises Interrupted, Diverged; writes log, curve and checkpoints on the way."""
        request, training = self._request, self._training
        if training.finished or self._stopping.done:
            more = f"number of epochs in {request.optimizer}" if training.finished else "--patience"
            self._output.say(f"already finished at epoch {training.epoch}; a larger {more} goes on")
        log = TrainLog(request.log, FIELDS, self._history) if request.log else None
        report = make_report(self._output, training)
        try:
            with log or nullcontext(), report, signals.deferred():
                while not (training.finished or self._stopping.done):
                    self._epoch(report, log)
        except Interrupted:
            raise self._interrupted() from None
        except BrokenPipeError:
            self._write_checkpoint()
            raise
        finally:
            if request.plot and self._history:
                plot.write_plot(request.plot, plot.epoch_panels(self._history), "epoch")
        if not self._group.rank:  # the others have no validation losses
            for line in last_lines(self._history, self._stopping):
                self._output.say(line)
        self._stopping.restore(self.net)

    def _epoch(self, report: TrainReport, log: TrainLog | None) -> None:
        training = self._training

        def watch(step: int, losses: np.ndarray) -> None:
            if signals.requested():
                training.stop()
            report.minibatches(step, losses)

        if signals.requested():
            training.stop()
        first = training.step  # not 0 where a resumed run begins
        report.begin_epoch()
        finished = training.run_epoch(watch)
        scores = self.net.score(self._validation, threads=self._request.threads) if self._validation else None
        self._note(finished.epoch, scores.loss if scores else None)
        record = epoch_record(finished, training, training.steps - first, scores, self._stopping.best_epoch)
        self._history.append(record)
        report.epoch(self._history[-1])
        self._report_ranks(report)
        if len(self._history) == time_to_look(training.steps, training.optimizer.epochs):
            for hint in loss_hints([record["loss"] for record in self._history]):
                report.say(f"hint: {hint}")
        if log:
            log.append(self._history[-1])
        ends = training.finished or self._stopping.done
        if ends or training.epoch % (self._request.checkpoint_every or 1) == 0:
            self._write_checkpoint()

    def _note(self, epoch: int, loss: float | None) -> None:
        """Compare the validation loss of an epoch, which rank 0 has, with those before; all ranks stop together."""
        if self._stopping:
            loss = self._group.broadcast(loss)
        if loss is not None:
            self._stopping.note(epoch, loss, self.net)

    def _report_ranks(self, report: TrainReport) -> None:
        """Once, when it is known: what the exchange costs, and whether the ranks are worth it."""
        times, ranks = self._training.rank_times, self._group.size
        if ranks > 1 and not self._ranks_reported and (times.seconds > 1 or self._training.finished):
            self._ranks_reported = True
            report.say(rank_line(times, ranks))

    def _write_checkpoint(self) -> None:
        if self._request.checkpoint:
            state = dataclasses.replace(self._training.checkpoint(), history=self._history)
            if (best := self._stopping.best) is not None:
                state = dataclasses.replace(state, best_epoch=self._stopping.best_epoch, best=self.net.pack(best))
            write_checkpoint(self._request.checkpoint, state)

    def _interrupted(self) -> Interrupted:
        """What to raise when the work was stopped between two minibatches, by a signal to any rank. Writes the
        checkpoint."""
        self._write_checkpoint()
        number = int(self._group.gather_numbers([signals.received()]).max())
        kept = "nothing was kept: --checkpoint FILE keeps the state of a run"
        if self._request.checkpoint:
            kept = f"--resume {self._request.checkpoint} goes on from there"
        return agreed(signals.interruption(f"{_place(self._training)} ({kept})", number))


def _place(training: Training) -> str:
    """Where a run stands, for messages."""
    if training.step:
        return f"in epoch {training.epoch + 1} after minibatch {training.step} of {training.steps}"
    return f"after epoch {training.epoch}" if training.epoch else "before the first minibatch"
