"""The `caffe64` program: its commands, its global options, its entry point `main`.

Imports Typer and the signatures of the commands, nothing else: help, --version and shell completion must be
quick. A command imports the rest when it runs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from .. import __version__
from . import (
    cache,
    classify,
    convert,
    doctor,
    draw,
    export,
    info,
    mean,
    optimize,
    predict,
    run,
    score,
    solver_test,
    solver_train,
    summary,
    sweep,
    test,
    train,
    verify,
    warmup,
)
from . import eval as evaluate
from . import time as timing
from .bundles import BundleCommand, TrainCommand
from .failure import DEBUG, guard
from .forms import CaffeForm, two_forms, with_commands
from .options import Command, HelpGroup, examples

app = typer.Typer(
    cls=HelpGroup,
    help="""Small neural nets in a few lines of text, trained as fast as the machine allows.

    Exit codes: 0 done, 1 unexpected error, 2 wrong command line, 3 bad file, 4 a check failed, 5 training
    diverged, 130 interrupted, 143 terminated.
    """,
    epilog=examples(
        "caffe64 train net.txt weights.bin optimizer.txt 60000 X.txt Y.txt",
        "caffe64 test net.txt weights.bin 10000 X.txt predicted.txt",
        "caffe64 COMMAND --help",
    ),
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    rich_markup_mode=None,  # plain help: quick, fits 80 columns, reads well in a pipe
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"caffe64 {__version__}")
        raise typer.Exit


def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help=f"Show the traceback of an error (also: {DEBUG}=1).")] = False,
    layers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.py", help="Run this file first: it registers layers of your own.", show_default=False
        ),
    ] = None,
) -> None:
    if debug:
        os.environ[DEBUG] = "1"
    if layers:
        from ..jobs.own_layers import run_layers_file

        run_layers_file(layers)


app.callback()(guard(options))


TEXT_NETS = (train, test, evaluate, predict, info, convert)
BUNDLES = (test, evaluate, predict)  # which take a .c64 for NET WEIGHTS
MANY = (sweep, score)  # of many jobs, for both kinds of nets
CAFFE_NETS = (mean, run, classify, summary, timing, optimize, verify, draw, export)
CAFFE_FORMS = {train: solver_train, test: solver_test}
COMPUTING = (
    train,
    test,
    evaluate,
    predict,
    run,
    classify,
    timing,
    sweep,
    score,
    warmup,
)  # with compiled kernels; the others work on files
for module in (*TEXT_NETS, *CAFFE_NETS, *MANY, warmup, doctor):
    needs = f"caffe64 {module.NAME}" if module in COMPUTING else ""
    kind = BundleCommand if module in BUNDLES else TrainCommand if module is train else Command
    if module in CAFFE_FORMS:
        form = CAFFE_FORMS[module]
        kind = two_forms(CaffeForm(guard(form.command, needs), form.EXAMPLES, form.TAKES), kind)
    if module is sweep:
        kind = with_commands({"show": (guard(sweep.show), sweep.SHOW_EXAMPLES)})
    app.command(module.NAME, cls=kind, epilog=examples(*module.EXAMPLES))(guard(module.command, needs))

cache_app = typer.Typer(cls=HelpGroup, help="Show or clear the cache of compiled kernels.", no_args_is_help=True)
for function, lines in ((cache.path, cache.PATH_EXAMPLES), (cache.clear, cache.CLEAR_EXAMPLES)):
    cache_app.command(cls=Command, epilog=examples(*lines))(guard(function, "caffe64 cache"))
app.add_typer(cache_app, name="cache", epilog=examples("caffe64 cache path"))


def main() -> None:
    """Run the command that the process was started with. Ends it with one of the exit codes of `errors.py`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # of what a terminal's code page does not have, Windows' for one, escapes
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="caffe64")
