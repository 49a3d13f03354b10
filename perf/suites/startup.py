"""Suite `startup`: whole processes, from start to exit, as seen from a shell.

The yardstick of all is the FMA peak of one thread in the same rounds; compared between two runs is the number of its
operations in the time of a command.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import CheckFailed
from ..machine import is_installed
from ..processes import Worker
from ..results import Entry, peer_times
from ..sampling import paired, summary
from . import Report, Settings
from .startup_files import ROWS, check_mnist, write_mnist, write_tiny

LAUNCHER = Path(__file__).resolve().parents[1] / "launcher.py"
GIGA = 1e9


@dataclass
class TimedCommand:
    """A command line and how often it is run. `before` prepares each run, `check` verifies the files that it wrote."""

    name: str
    words: list[str]
    rounds: int
    peers: dict[str, list[str]] = field(default_factory=dict)
    goals: dict[str, float] = field(default_factory=dict)
    before: Callable[[], dict[str, str]] = dict
    check: Callable[[], None] = lambda: None


def run(settings: Settings, report: Report) -> list[Entry]:
    """Time every command. Raises CheckFailed if one fails."""
    with tempfile.TemporaryDirectory(prefix="caffe64-perf-") as folder:
        yardstick = Worker("caffe64.perf.peak:Job", 1, {"threads": 1})
        try:
            entries = []
            for command in commands(Path(folder), settings):
                entries.append(measure(command, yardstick, Path(folder)))
                report(entries[-1])
            return entries
        finally:
            yardstick.close()


def commands(folder: Path, settings: Settings):
    """The commands; the files of each are written when its turn comes."""
    few, many = (3, 3) if settings.quick else (5, 15)
    program = [sys.executable, "-m", "caffe64"]

    def importing(package: str) -> list[str]:
        return [sys.executable, "-c", f"import {package}"]

    imports = {"NumPy": "numpy", "PyTorch": "torch", "JAX": "jax"}
    peers = {name: importing(package) for name, package in imports.items() if settings.peers and is_installed(package)}
    yield TimedCommand("import caffe64", importing("caffe64"), many, peers)
    yield TimedCommand("caffe64 --help", [*program, "--help"], many, goals={"seconds": 0.2})

    write_tiny(folder)
    tiny = [*program, "train", "net.txt", "weights.bin", "optim.txt", "50", "X.txt", "Y.txt", "--quiet"]

    def written() -> None:
        (folder / "weights.bin").unlink()  # raises where the command wrote none

    def cold() -> dict[str, str]:
        return {"NUMBA_CACHE_DIR": tempfile.mkdtemp(dir=folder)}

    yield TimedCommand("train 50 rows, warm", tiny, many, goals={"seconds": 0.9}, check=written)
    if not settings.quick:
        yield TimedCommand("train 50 rows, cold", tiny, 3, goals={"seconds": 25.0}, before=cold, check=written)

    rows = ROWS // 20 if settings.quick else ROWS
    source = write_mnist(folder, rows)
    words = [*program, "train", "mnist-net.txt", "weights.bin", "mnist-optim.txt", str(rows), "mnist-X.txt"]
    yield TimedCommand(
        f"train 15 epochs of {source}, {rows} rows of text",
        [*words, "mnist-Y.txt", "--quiet"],
        few,
        goals={} if settings.quick else {"memory": 1.3 * 4 * 784 * ROWS + 150e6},
        check=lambda: check_mnist(folder),
    )


def measure(command: TimedCommand, yardstick: Worker, folder: Path) -> Entry:
    """Run it alternating with its peers and the yardstick, after one round that does not count."""
    times: dict[str, list[float]] = {"": [], "FMA": [], **{name: [] for name in command.peers}}
    most = {}
    for _ in range(command.rounds + 1):
        for name, words in {"": command.words, **command.peers}.items():
            seconds, memory = launch(words, folder, command.before() if not name else {})
            times[name].append(seconds)
            most[name] = max(memory, most.get(name, 0))
            if not name:
                command.check()
        times["FMA"].append(yardstick.run()[0])
    first = times[""][0]
    times = {name: taken[1:] for name, taken in times.items()}
    ours, peak = times.pop(""), times.pop("FMA")
    seconds, peers = summary(ours), peer_times(ours, times)
    for name in peers:
        peers[name]["memory"] = most[name]
    return Entry(
        suite="startup",
        name=command.name,
        threads=len(os.sched_getaffinity(0)),
        seconds=seconds,
        rate=1 / seconds["min"],
        unit="1/s",
        relative=GIGA / yardstick.facts["work"] * paired(peak, ours),
        yardstick="FMA",
        share=False,
        memory=most[""],
        first=first,
        peers=peers,
        goals=command.goals,
    )


def launch(words: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, int]:
    """Seconds and peak resident bytes of a command that runs in `folder`. Raises CheckFailed if it fails."""
    variables = {**os.environ, **environment}
    variables.pop("OPENBLAS_NUM_THREADS", None)  # our own, see __main__.py
    launched = subprocess.run(
        [sys.executable, "-I", "-S", str(LAUNCHER), json.dumps(words)],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
    )
    if launched.returncode:
        raise CheckFailed(f"{' '.join(words)} could not be started: {launched.stderr.strip()}")
    found = json.loads(launched.stdout)
    if found["code"]:
        raise CheckFailed(f"{' '.join(words)} ended with code {found['code']}: {launched.stderr.strip()[-300:]}")
    return found["seconds"], found["memory"]
