"""Run all demos at reduced size, one after another, and print a table of the outcomes.

    python demos/all.py
    python demos/all.py --only rank --only bridges

Exit code 0 if all ran, 3 if some lacked their data, 1 if one failed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

HERE = Path(__file__).resolve().parent
COMMANDS = {
    "mnist": "mnist/run.py --quick",
    "image_reco": "image_reco/run.py --quick",
    "facades": "facades/run.py --quick",
    "rank": "rank/run.py --quick",
    "bridges": "bridges/run.py --quick",
    "char": "char/run.py quick",
    "lenet": "lenet/run.py --quick",
    "finetune": "finetune/run.py --quick",
}
LONGEST = 600  # seconds of one demo; compiling all kernels takes one or two minutes
RAN, NO_DATA = 0, 3  # exit codes of a demo
STYLES = {"ran": "green", "no data": "yellow", "failed": "red"}


@dataclass(frozen=True)
class Outcome:
    """Outcome of a demo: "ran", "no data" or "failed"; its seconds; its result, or the message of its error."""

    name: str
    state: str
    seconds: float
    result: str


def run_demo(name: str, command: str, folder: Path = HERE, longest: float = LONGEST) -> Outcome:
    """Run `command`, a script below `folder` and its options, by this interpreter; print its output."""
    script, *options = command.split()
    started = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, str(folder / script), *options],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=longest,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome(name, "failed", longest, f"not done after {longest:g} s")
    seconds = time.perf_counter() - started
    print(done.stderr, end="", file=sys.stderr, flush=True)
    print(done.stdout, end="", flush=True)
    if done.returncode == RAN:
        return Outcome(name, "ran", seconds, result_of(done.stdout))
    state = "no data" if done.returncode == NO_DATA else "failed"
    return Outcome(name, state, seconds, message_of(done.stderr) or f"exit code {done.returncode}")


def result_of(stdout: str) -> str:
    """The last line with a percentage or decibels in it; else the last one that does not name a file written."""
    lines = [line.strip() for line in stdout.splitlines() if line.strip() and not line.startswith("wrote ")]
    results = [line for line in lines if re.search(r"\d ?(%|dB)", line)]
    return (results or lines or [""])[-1]


def message_of(stderr: str) -> str:
    """The message of a demo that ends with an error: all from its last `run.py: ...` on, else the last line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    starts = [number for number, line in enumerate(lines) if line.startswith("run.py:")]
    return "\n".join(lines[starts[-1] :]).removeprefix("run.py:").strip() if starts else "".join(lines[-1:])


def table_of(outcomes: list[Outcome]) -> Table:
    """One row per demo."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, options in {"demo": {}, "seconds": {"justify": "right"}, "": {}, "result": {"overflow": "fold"}}.items():
        table.add_column(title, **options)
    for each in outcomes:
        state = Text(each.state, STYLES[each.state])
        table.add_row(each.name, f"{each.seconds:.1f}", state, Text(each.result))
    return table


def exit_code(outcomes: list[Outcome]) -> int:
    """0 if all ran, 1 if one failed, else 3."""
    states = {each.state for each in outcomes}
    if "failed" in states:
        return 1
    return NO_DATA if "no data" in states else 0


def main(
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help=f"Run this demo; may be repeated. {', '.join(COMMANDS)}.")
    ] = None,
) -> None:
    """Run all demos at reduced size, one after another, and print a table of the outcomes."""
    unknown = sorted(set(only or ()) - set(COMMANDS))
    if unknown:
        raise typer.BadParameter(f"there is no demo {unknown[0]!r}; there are {', '.join(COMMANDS)}")
    outcomes, progress = [], Console(stderr=True)
    for name, command in COMMANDS.items():
        if not only or name in only:
            print(f"--- {command}", flush=True)
            with progress.status(name):
                outcomes.append(run_demo(name, command))
    print()
    console = Console() if sys.stdout.isatty() else Console(width=160)
    console.print(table_of(outcomes))
    raise typer.Exit(exit_code(outcomes))


if __name__ == "__main__":
    typer.run(main)
