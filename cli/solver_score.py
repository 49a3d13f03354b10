"""The steps of `caffe64 test --model`:   check -> read -> compile -> weights -> batches -> means."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..caffe.reading import read_net
from ..caffe.solver.events import Event, Passed, listed
from ..caffe.solver.glog import GlogLines, output_lines
from ..caffe.solver.making import making, number
from ..caffe.solver.nets import FedNet, NetOrigin, build
from ..caffe.solver.solver import KERNELS, load_weights, mean_of_passes
from . import compiling, files
from .live import Bar
from .output import Output
from .solver_screen import Screen, form_of, notices


@dataclass(frozen=True)
class ScoreRequest:
    """The request of the command line. `gpu`: it asks for one."""

    model: Path
    weights: Path
    iterations: int = 50
    level: int = 0
    stages: tuple[str, ...] = ("",)
    threads: int | None = None
    log_format: str | None = None
    gpu: bool = False
    quiet: bool = False


def run(request: ScoreRequest) -> None:
    """Print the means. Raises the errors of `errors.py`."""
    files.check_inputs((request.model, request.weights))
    output = Output(quiet=request.quiet)
    origin = NetOrigin(read_net(request.model))
    kernels = origin.kernels(origin.state("TEST", request.level, request.stages))
    compiling.prepare([*KERNELS, *kernels], output)
    draws = np.random.default_rng(0)
    fed = build(origin, "TEST", draws, 0, request.threads, level=request.level, stages=request.stages)
    notices(output, "--gpu" if request.gpu else "", [fed.net])
    ignored = load_weights(fed.net, str(request.weights), needed=True)
    with _watch(request, output, fed, ignored) as watch:
        found = mean_of_passes(fed, request.iterations, tell=watch)
        assert found
        watch.end(*found)
    for line in output_lines(listed(fed.net, found[1])):
        print(line, flush=True)


class Watch:
    """Hears of each pass, and of the means at the end."""

    def __call__(self, event: Event) -> None:
        pass

    def end(self, loss: np.float32, outputs: dict[str, np.ndarray]) -> None:
        pass


class ScoreLog(Watch):
    """Caffe's log."""

    def __init__(self, request: ScoreRequest, fed: FedNet, ignored: list[str]):
        self._fed, self._lines, self._screen = fed, GlogLines(Screen.print), Screen()
        self._line("caffe.cpp:279", "Use CPU.")
        for where, text in making(fed):
            self._line(where, text)
        for layer in ignored:
            self._line("net.cpp:744", f"Ignoring source layer {layer}")
        self._line("caffe.cpp:285", f"Running for {request.iterations} iterations.")

    def __call__(self, event: Event) -> None:
        if isinstance(event, Passed):
            for output in event.outputs:
                for value in output.values:
                    self._line("caffe.cpp:308", f"Batch {event.number}, {output.name} = {number(value)}")

    def end(self, loss: np.float32, outputs: dict[str, np.ndarray]) -> None:
        self._line("caffe.cpp:313", f"Loss: {number(loss)}")
        for line in output_lines(listed(self._fed.net, outputs)):
            self._line("caffe.cpp:325", line)

    def _line(self, where: str, text: str) -> None:
        self._screen.run(lambda: self._lines.line(where, text))
        self._screen.check()


class ScoreBar(Watch):
    def __init__(self, bar: Bar):
        self._bar = bar

    def __call__(self, event: Event) -> None:
        if isinstance(event, Passed):
            self._bar.show(event.number + 1, event.count, f"testing {event.number + 1}/{event.count}")


@contextlib.contextmanager
def _watch(request: ScoreRequest, output: Output, fed: FedNet, ignored: list[str]) -> Iterator[Watch]:
    form = form_of(output, request.log_format)
    if form == "caffe":
        yield ScoreLog(request, fed, ignored)
    elif output.can_draw:
        with Bar() as bar:
            yield ScoreBar(bar)
    else:
        yield Watch()
