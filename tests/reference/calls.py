"""What tests let executors run: pools find these functions by the name of this module."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def double(number: int) -> int:
    return 2 * number


def fail(text: str) -> None:
    raise ValueError(text)


def note_pid(folder: Path) -> None:
    """A file with the number of this process as its name."""
    (folder / str(os.getpid())).touch()


def die_at_first(folder: Path, number: int) -> int:
    """The first call with this number kills its process."""
    note = folder / f"call{number}"
    if not note.exists():
        note.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return double(number)


def die(folder: Path) -> None:
    """Every call does."""
    (folder / f"{time.time_ns()}").touch()
    os.kill(os.getpid(), signal.SIGKILL)


def hang(folder: Path) -> None:
    note_pid(folder)
    time.sleep(600)


def slow_double(number: int, seconds: float) -> int:
    time.sleep(seconds)
    return double(number)
