"""Errors that a user can fix: one line on stderr and an exit code instead of a traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

import caffe64

from .fetching import DataMissing
from .pictures import PictureError
from .progress import CONSOLE


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Around a demo: exit code 3 for missing or damaged files, that of `caffe64` for its errors (5: diverged)."""
    try:
        yield
    except BrokenPipeError:
        raise  # typer handles it
    except (DataMissing, PictureError, OSError) as error:
        _leave(error, 3)
    except caffe64.Caffe64Error as error:
        _leave(error, error.exit_code)


def _leave(error: Exception, code: int) -> None:
    name = Path(sys.argv[0]).name
    CONSOLE.print(f"{name}: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code) from None
