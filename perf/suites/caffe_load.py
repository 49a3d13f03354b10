"""Loading in the suite `caffe`: from the files of an optimised net to a Plan, each time in a fresh process.

Once with all kernels kept from before, once with an empty cache, as on the first run on a machine. Importing caffe64
is not part of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

from ..processes import Worker
from ..results import Entry
from ..sampling import paired, summary
from . import Settings
from .caffe_files import Files

JOB = "caffe64.perf.peers.caffe64_nets:LoadJob"
ROUNDS, FEW = 7, 3
GIGA = 1e9


def loading(name: str, files: Files, settings: Settings) -> Iterator[Entry]:
    """The entries; with an empty cache only without --quick. Raises CheckFailed."""
    yardstick = Worker("caffe64.perf.peak:Job", 1, {"threads": 1})
    try:
        yield _measure(f"load {name}", files, FEW if settings.quick else ROUNDS, yardstick, 1.0, cold=False)
        if not settings.quick:
            yield _measure(f"load {name}, empty cache", files, FEW, yardstick, 60.0, cold=True)
    finally:
        yardstick.close()


def _measure(name: str, files: Files, rounds: int, yardstick: Worker, goal: float, *, cold: bool) -> Entry:
    """Alternating with the yardstick, in wall time, after one round that does not count unless it is cold."""
    ours, firsts, peak, memory = [], [], [], 0
    for number in range(rounds if cold else rounds + 1):
        with tempfile.TemporaryDirectory() as empty:
            arguments = {"files": str(files.optimised), "threads": 1}
            job = Worker(JOB, 1, arguments, {"NUMBA_CACHE_DIR": empty} if cold else {})
            job.close()
        files.expected.verify(name, {"caffe64 1": job.facts})
        if cold or number:
            ours.append(job.facts["seconds"])
            firsts.append(job.facts["first"])
            peak.append(yardstick.run()[0])
            memory = max(memory, job.memory)
    seconds = summary(ours)
    return Entry(
        suite="caffe",
        name=name,
        threads=1,
        seconds=seconds,
        rate=1 / seconds["min"],
        unit="1/s",
        relative=GIGA / yardstick.facts["work"] * paired(peak, ours),
        yardstick="FMA",
        share=False,
        memory=memory,
        first=min(firsts),
        goals={"seconds": goal},
    )
