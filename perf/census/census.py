"""The census of a folder: every prototxt below it, the nets through a process of their own."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...interrupts import postponed
from .kinds import NET, kind_of, prototxts
from .reasons import CRASH, TIME

CHILD = f"{__package__}.child"


@dataclass
class Counted:
    """A file; `name` is its path in the folder. `passed` are the stages that it has got through, `reasons` why it gets
    no further, none if it has got through all; `deploy` and `guessed` as in `stages.Way`."""

    name: str
    kind: str
    passed: list[str] = field(default_factory=list)
    deploy: bool = False
    guessed: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def data(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Bounds:
    """Of one net."""

    seconds: int
    memory: int  # bytes


def take_census(
    folder: Path, guesses: Mapping[str, Sequence[int]], bounds: Bounds, show: Callable[[Counted], object]
) -> list[Counted]:
    """All files below `folder`, in the order of their paths. `guesses` are shapes of inputs of which files say none, by
    their names, "" for the first one of each net. `show` is called with each file when it is done."""
    found = []
    with _child(bounds) as ask:
        for path in prototxts(folder):
            counted = Counted(str(path.relative_to(folder)), kind_of(path))
            if counted.kind == NET:
                ask(path, guesses, counted)
            show(counted)
            found.append(counted)
    return found


@contextlib.contextmanager
def _child(bounds: Bounds) -> Iterator[Callable[[Path, Mapping[str, Sequence[int]], Counted], None]]:
    """A function that fills in what becomes of a net. Its process is started when there is none, as after a crash."""
    command = [sys.executable, "-m", CHILD, str(bounds.seconds), str(bounds.memory)]
    running: list[subprocess.Popen[str]] = []

    def ask(path: Path, guesses: Mapping[str, Sequence[int]], counted: Counted) -> None:
        if not running:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            with postponed():
                running.append(subprocess.Popen(command, text=True, **pipes))
        process = running[0]
        print(json.dumps({"path": str(path), "guesses": guesses}), file=process.stdin, flush=True)
        for line in process.stdout:
            reply = json.loads(line)
            if "reasons" in reply:
                counted.reasons = reply["reasons"]
                return
            counted.passed.append(reply["stage"])
            counted.deploy, counted.guessed = reply["deploy"], reply["guessed"]
        counted.reasons = [_why_ended(process.wait())]
        _close(running.pop())

    try:
        yield ask
    finally:
        for process in running:
            _close(process)


def _close(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(BrokenPipeError):
            pipe.close()


def _why_ended(code: int) -> str:
    if code == -signal.SIGALRM:
        return TIME
    return f"{CRASH} {signal.Signals(-code).name}" if code < 0 else f"{CRASH} exit code {code}"
