"""Training with a progress bar: on a terminal a bar, in a pipe nothing."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import caffe64

CONSOLE = Console(stderr=True)


def compile_kernels(net, *, one_hot: bool = False) -> None:
    """`net.compile()`, with a line on stderr where that takes seconds."""
    if not all(kernel.is_ready for kernel in net.kernels(one_hot=one_hot)):
        CONSOLE.print("compiling the kernels for this CPU (first run only) ...", style="dim")
    net.compile(one_hot=one_hot)


def fit_with_progress(net, X, Y, optimizer, *, title: str = "", on_epoch=None, **options):
    """`net.fit` with a bar on stderr; `on_epoch(record, evaluation)` and the other options are those of `net.fit`."""
    compile_kernels(net, one_hot=isinstance(X, caffe64.OneHot))
    columns = (
        TextColumn("{task.fields[title]} epoch"),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=CONSOLE, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("", total=optimizer.epochs, title=title)

        def show(record, evaluation):
            progress.update(task, advance=1, description=f"loss {record.loss:.4f}  rate {record.rate:g}")
            if on_epoch:
                on_epoch(record, evaluation)

        return net.fit(X, Y, optimizer, on_epoch=show, **options)


def solve_with_progress(solver: caffe64.Solver) -> caffe64.SolverHistory:
    """`solver.solve()` with a bar on stderr."""
    columns = (
        TextColumn("iteration"),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=CONSOLE, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("", total=solver.param.max_iter, completed=solver.iter)

        def show() -> None:
            progress.update(task, completed=solver.iter, description=f"loss {solver.history.loss[-1]:.4f}")

        solver.add_callback(after_update=show)
        return solver.solve()
