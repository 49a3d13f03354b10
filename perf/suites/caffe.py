"""Suite `caffe`: Caffe's nets, batch 1 (CIFAR: 10), every participant in a process of its own.

NET forward                 our optimised net by a Plan, next to others with the same folded net
NET naive, ... optimised    what the optimiser and the Plan's fusing are worth, in our own runtime
CIFAR forward+backward      the TRAIN phase, gradients of all weights
InnerProduct                one row: weights are read once, so the yardstick is reading memory
load ResNet-18              files to the first prediction

Before anything is timed, all outputs must be those of the net as it is, run layer by layer with plain sums. The
operations are those of the definition (two a multiply-accumulate), and Winograd's algorithm does with fewer: 3 x 3
convolutions can come out above 100 % of the FMA peak. One thread is measured in CPU time, several by the clock on
the wall.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..results import Entry
from . import Report, Settings
from .caffe_files import PEERS, Files, installed_peers, verify, write_files
from .caffe_nets import NETS, CaffeCase
from .contest import Jobs, Work, hold

OURS = "caffe64.perf.peers.caffe64_nets:Job"


def run(settings: Settings, report: Report) -> list[Entry]:
    """Verify and time everything. Raises CheckFailed."""
    entries = []
    with tempfile.TemporaryDirectory(prefix="caffe64-perf-") as folder:
        for entry in _entries(Path(folder), settings):
            entries.append(entry)
            report(entry)
    return entries


def _entries(folder: Path, settings: Settings) -> Iterator[Entry]:
    peers = installed_peers(settings.peers)
    for case in NETS.values():
        files = write_files(case, folder, peers)
        yield from forward(case, files, peers, settings)


def forward(case: CaffeCase, files: Files, peers: list[str], settings: Settings) -> list[Entry]:
    """One entry a number of threads. Raises CheckFailed."""
    arguments = {"files": str(files.optimised), "repeats": case.repeats}
    jobs: Jobs = {name: (f"caffe64.perf.peers.{PEERS[name]}_nets:Job", arguments) for name in peers}
    work = Work(2.0 * files.costs[files.optimised].macs, case.repeats)
    held = hold(
        "caffe",
        {"caffe64": (OURS, arguments), **jobs},
        work,
        settings,
        lambda facts: verify(case.name, files.expected, facts),
    )
    return [
        held.entry(f"{case.name} forward", "caffe64", threads, peers, goals=case.goals) for threads in settings.threads
    ]
