"""The log of `caffe train`, line by line as Caffe writes it by glog: scripts of many years read it.

Every line begins with a letter for its level, month and day, the time, the number of the process, and the file and the
line of Caffe's that print it. Numbers have six digits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import numpy as np
from google.protobuf import text_format

from ...formats.caffe import format_prototxt
from ...formats.caffe.solver import SOLVER
from .events import (
    Begun,
    Event,
    Finished,
    NetOutput,
    Norms,
    Restarted,
    Resumed,
    Saved,
    Shown,
    Stepped,
    Tested,
    Testing,
    TestStopped,
    Traced,
    WeightsLoaded,
)
from .making import making, number
from .nets import FedNet
from .solver import CaffeTraining


def speed(seconds: float, iterations: int) -> tuple[str, str]:
    """Iterations per second, and the seconds, counted in thousandths."""
    return number(iterations / seconds if seconds > 0 else 0), number(round(seconds, 3))


class GlogLines:
    """Gives lines with the prefix to `write`."""

    def __init__(self, write: Callable[[str], None]):
        self._write = write

    def line(self, where: str, text: str, level: str = "I") -> None:
        now = datetime.now()
        self._write(f"{level}{now:%m%d %H:%M:%S.%f} {os.getpid():5d} {where}] {text}")


class CaffeLog(GlogLines):
    """Called with the events of a training, it gives the lines of each to `write`."""

    def __init__(self, write: Callable[[str], None], solver: CaffeTraining):
        super().__init__(write)
        self.solver = solver
        self.settings = solver.parsed.settings
        self._shown_at = (time.perf_counter(), 0)  # when iterations were shown last, and up to which

    def begin(self, weights: Sequence[str]) -> None:
        """What is printed before anything happens: the solver, and its nets."""
        message, parsed = SOLVER(), self.solver.parsed
        text_format.Parse(parsed.text, message)
        if message.max_iter != self.settings.max_iter:
            message.max_iter = self.settings.max_iter
        message.train_state.CopyFrom(self.solver.trainer.fed.state)
        message.train_state.ClearField("phase")
        message.ClearField("weights")
        message.weights.extend(weights)
        self.line("caffe.cpp:47", "Use CPU.")
        self.line("solver.cpp:45", f"Initializing solver from parameters: \n{format_prototxt(message).rstrip()}")
        origin = f"from net file: {self.settings.train_net or self.settings.net}"
        inline = self.settings.net_param or self.settings.train_net_param
        self.line("solver.cpp:102", f"Creating training net {'specified in solver.' if inline else origin}")
        self._made(self.solver.trainer.fed)
        for at, fed in enumerate(self.solver.tests):
            self.line("solver.cpp:190", f"Creating test net (#{at}) specified by net file: {fed.net.path}")
            self._made(fed)

    def _made(self, fed: FedNet) -> None:
        for where, text in making(fed):
            self.line(where, text)

    def ready(self) -> None:
        """Weights are loaded."""
        self.line("solver.cpp:57", "Solver scaffolding done.")

    def __call__(self, event: Event) -> None:
        match event:
            case WeightsLoaded():
                self.line("solver.cpp:72", f"Finetuning from {event.path}")
                self._ignored("net.cpp:744", event.ignored)
            case Resumed():
                self.line("caffe.cpp:241", f"Resuming from {event.path}")
                self.line("sgd_solver.cpp:318", "SGDSolver: restoring history")
            case Begun():
                self._begun(event)
            case Testing():
                self.line("solver.cpp:347", f"Iteration {event.iteration}, Testing net (#{event.number})")
                self._ignored("net.cpp:678", event.ignored)
            case Tested():
                if self.settings.test_compute_loss:
                    self.line("solver.cpp:401", f"Test loss: {number(event.loss)}")
                self._outputs("solver.cpp:414", "Test", event.outputs)
            case TestStopped():
                self.line("solver.cpp:391", "Test interrupted.")
            case Stepped():
                self._stepped(event)
            case Shown():
                self.line("solver.cpp:327", f"Iteration {event.iteration}, loss = {number(event.loss)}")
            case Saved():
                self._saved(event)
            case Restarted():
                self.line("data_layer.cpp:73", "Restarting data prefetching from start.")
            case Traced() | Norms():
                self._trace(event)
            case Finished():
                self.line("solver.cpp:332", f"Optimization {'stopped early' if event.stopped else 'Done'}.")
                self.line("caffe.cpp:290", "Optimization Done.")

    def _begun(self, event: Begun) -> None:
        self.line("caffe.cpp:290", "Starting Optimization")
        self.line("solver.cpp:289", f"Solving {self.solver.net.graph.name}")
        self.line("solver.cpp:290", f"Learning Rate Policy: {self.settings.lr_policy}")
        self._shown_at = time.perf_counter(), event.iteration

    def _stepped(self, event: Stepped) -> None:
        step = event.step
        if event.displayed:
            (then, first), now = self._shown_at, time.perf_counter()
            rate, seconds = speed(now - then, step.iteration - first)
            self._shown_at = now, step.iteration
            pace = f"({rate} iter/s, {seconds}s/{self.settings.display} iters)"
            self.line("solver.cpp:239", f"Iteration {step.iteration} {pace}, loss = {number(step.smoothed)}")
            self._outputs("solver.cpp:258", "Train", event.outputs)
        if step.rises:
            self.line("sgd_solver.cpp:50", f"MultiStep Status: Iteration {step.iteration}, step = {step.current}")
        if event.displayed:
            self.line("sgd_solver.cpp:112", f"Iteration {step.iteration}, lr = {number(step.rate)}")
        if step.norm is not None:
            limit, factor = number(step.limit), number(step.limit / step.norm)
            norms = f"(L2 norm {number(step.norm)} > {limit}) by scale factor {factor}"
            self.line("sgd_solver.cpp:99", f"Gradient clipping: scaling down gradients {norms}")

    def _outputs(self, where: str, net: str, outputs: Sequence[NetOutput]) -> None:
        for at, text in enumerate(output_lines(outputs)):
            self.line(where, f"    {net} net output #{at}: {text}")

    def _ignored(self, where: str, layers: Sequence[str]) -> None:
        for layer in layers:
            self.line(where, f"Ignoring source layer {layer}")

    def _saved(self, event: Saved) -> None:
        kind, model, state = ("HDF5", 474, 296) if self.settings.hdf5 else ("binary proto", 464, 284)
        self.line(f"solver.cpp:{model}", f"Snapshotting to {kind} file {event.model}")
        self.line(f"sgd_solver.cpp:{state}", f"Snapshotting solver state to {kind} file {event.state}")

    def _trace(self, event: Traced | Norms) -> None:
        if isinstance(event, Norms):
            norms = [f"({', '.join(map(number, pair))})" for pair in (event.first, event.second)]
            text = f"    [Backward] All net params (data, diff): L1 norm = {norms[0]}; L2 norm = {norms[1]}"
            self.line("net.cpp:721", text, "E")
            return
        where = {"top blob": 593, "bottom blob": 621, "param blob": 632 if event.backward else 605}[event.role]
        phase = "Backward" if event.backward else "Forward"
        what = f"{event.role} {event.blob} {event.kind}: {number(event.value)}"
        self.line(f"net.cpp:{where}", f"    [{phase}] Layer {event.layer}, {what}")


def output_lines(outputs: Sequence[NetOutput]) -> list[str]:
    """NAME = V for each value of each output, with its part of the loss."""
    lines = []
    for output in outputs:
        for value in output.values:
            part = np.float32(output.weight) * value
            loss = f" (* {number(output.weight)} = {number(part)} loss)" if output.weight else ""
            lines.append(f"{output.name} = {number(value)}{loss}")
    return lines
