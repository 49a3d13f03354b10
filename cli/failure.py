"""Failures of commands: one line on stderr, the exit code of the error, no traceback.

    app -> [guard(command)] -> signals.handled -> the command

The exit codes are those of `errors.py`; besides these, a reader of our output that went away (`| head`) ends
the process quietly with 141 = 128 + SIGPIPE, as it ends the classic tools.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import warnings
from collections.abc import Callable

import typer

from ..engine.compiler.support import require_kernels
from ..errors import Caffe64Error, Interrupted
from . import over_ranks, signals

DEBUG = "CAFFE64_DEBUG"
READER_GONE = 141


def guard(command: Callable, computing: str = "") -> Callable:
    """For the functions that Typer calls: errors become messages and exit codes. `computing` is the name of one that
    needs compiled kernels: where these do not run, it says so before it does anything."""

    @functools.wraps(command)
    def guarded(*arguments, **options):
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                with signals.handled():
                    if computing:
                        require_kernels(computing)
                    command(*arguments, **options)
                    if sys.stdout:  # None if the caller closed it
                        sys.stdout.flush()  # so that a full disk is found while it can be reported
            except (typer.Exit, typer.Abort, typer.BadParameter, SystemExit):
                raise
            except BaseException as error:
                code = over_ranks.leave(error, report, _settle_streams)
                _settle_streams()
                raise typer.Exit(code) from error

    return guarded


def report(error: BaseException, *, say: bool = True, where: str = "") -> int:
    """Print the one line for `error` (with --debug, the traceback above it), unless `say` is False, and in it first
    `where`; returns the exit code."""
    if isinstance(error, BrokenPipeError):
        return READER_GONE
    if debugging() and say:
        import traceback

        _print_to_stderr("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, KeyboardInterrupt) or (signals.raised() and not isinstance(error, Caffe64Error)):
        error = signals.interruption()  # modules in C make an ImportError of an interrupted import
    if say:
        _print_to_stderr(f"caffe64: {'' if isinstance(error, Interrupted) else 'error: '}{where}{_line(error)}")
    return getattr(error, "exit_code", 1)


def _line(error: BaseException) -> str:
    if isinstance(error, Caffe64Error):
        return str(error)
    text = " ".join(str(error).split())
    hint = "" if debugging() else " (caffe64 --debug COMMAND ... shows where)"
    return f"{type(error).__name__}{': ' if text else ''}{text}{hint}"


def debugging() -> bool:
    """True if tracebacks were asked for: --debug sets the variable for the whole process."""
    return os.environ.get(DEBUG, "") not in ("", "0")


def _print_to_stderr(text: str) -> None:
    with contextlib.suppress(OSError):  # no way left to report
        print(text, file=sys.stderr, flush=True)


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    _print_to_stderr(f"caffe64: warning: {message}")


def _settle_streams() -> None:
    """Keep Python's own flush at exit from failing once more on a pipe without reader, or on a full disk."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # closed already, or no file of the system
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
