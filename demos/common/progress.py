"""Training with a progress bar: on a terminal a bar, in a pipe nothing."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

CONSOLE = Console(stderr=True)


def compile_kernels(net) -> None:
    """`net.compile()`, with a word on stderr where that takes seconds."""
    if not all(kernel.is_ready for kernel in net.kernels()):
        CONSOLE.print("compiling the kernels for this CPU (first run only) ...", style="dim")
    net.compile()


def fit_with_progress(net, X, Y, optimizer, *, title: str = "", on_epoch=None, **options):
    """`net.fit` with a bar on stderr; `on_epoch(record, evaluation)` and the other options are those of `net.fit`."""
    compile_kernels(net)
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
