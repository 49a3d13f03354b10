"""Suite `train`: epochs of four nets with the data in memory, every participant in a process of its own.

All start from the same parameters and rows. Before anything is timed, the losses of a short run in a fixed order must
agree with a float64 model. One timed run is one epoch, its permutation included; all numbers of threads alternate
in the same rounds. One thread is measured in CPU time, several in wall time; so is the scaling, the ratio to "one
thread".
"""

from __future__ import annotations

import tempfile

from ... import errors
from ..machine import is_installed
from ..peers.train_numpy import reference_losses
from ..processes import Worker, alternate, workers
from ..results import Entry, peer_times
from ..sampling import Effort, paired, summary
from . import Report, Settings
from .nets import NETS, NetCase

PEERS = {"JAX": "jax", "PyTorch": "torch", "NumPy": "numpy"}  # name -> package, and train_<package>
EFFORT, QUICK_EFFORT = Effort(rounds=12, budget=60.0, fewest=3), Effort(rounds=3, budget=5.0, fewest=3)
# Relative. Rounding of a float32 product is at most (K + 2) * 2**-24 = 6e-5 at K = 1024, far less on average; the
# losses themselves change by more than a hundredth in the verified passes.
TOLERANCE = 1e-4


def run(settings: Settings, report: Report) -> list[Entry]:
    """Verify and time every net. Raises CheckFailed."""
    entries = []
    for case in NETS.values():
        for entry in measure(case, settings):
            entries.append(entry)
            report(entry)
    return entries


def measure(case: NetCase, settings: Settings) -> list[Entry]:
    """One entry per number of threads."""
    rows = case.rows // 10 if settings.quick else case.rows
    peers = {name: package for name, package in PEERS.items() if settings.peers and is_installed(package)}
    with workers() as running, tempfile.TemporaryDirectory() as empty:
        cache = {} if settings.quick else {"NUMBA_CACHE_DIR": empty}
        for threads in settings.threads:
            arguments = {"net": case.name, "rows": rows, "threads": threads}
            job = "caffe64.perf.peers.train_{}:Job"
            running[f"caffe64 {threads}"] = Worker(job.format("caffe64"), threads, arguments, cache)
            for name, package in peers.items():
                running[f"{name} {threads}"] = Worker(job.format(package), threads, arguments)
            running[f"FMA {threads}"] = Worker("caffe64.perf.peak:Job", threads, {"threads": threads})
        verify(case, {name: worker.facts for name, worker in running.items() if "losses" in worker.facts})
        rounds = alternate(running, QUICK_EFFORT if settings.quick else EFFORT)
        flops = case.flops * rows / case.rows
        return [_entry(case, flops, threads, settings, running, rounds, list(peers)) for threads in settings.threads]


def verify(case: NetCase, facts: dict[str, dict]) -> None:
    """Raises CheckFailed if a participant's losses are not those of the float64 model."""
    expected = reference_losses(case)
    for name, found in facts.items():
        for number, (loss, wanted) in enumerate(zip(found["losses"], expected, strict=True), 1):
            if not abs(loss - wanted) <= TOLERANCE * abs(wanted):
                raise errors.CheckFailed(
                    f"{case.name}: {name} threads: the loss of pass {number} is {loss}, the float64 model's {wanted}; "
                    "nothing was timed"
                )


def _entry(case, flops, threads, settings, running, rounds, peers) -> Entry:
    times = rounds.fair(threads)
    ours, worker = times[f"caffe64 {threads}"], running[f"caffe64 {threads}"]
    fma, peak_flops = times[f"FMA {threads}"], running[f"FMA {threads}"].facts["work"]
    seconds, cold = summary(ours), threads == settings.threads[0] and not settings.quick
    compared = peer_times(ours, {name: times[f"{name} {threads}"] for name in peers})
    if threads != 1 and 1 in settings.threads:
        compared |= peer_times(ours, {"one thread": rounds.wall["caffe64 1"]})
    return Entry(
        suite="train",
        name=case.name,
        threads=threads,
        seconds=seconds,
        rate=flops / seconds["min"] / 1e9,
        unit="GFLOP/s",
        relative=flops / peak_flops * paired(fma, ours),
        yardstick="FMA",
        flops=flops,
        memory=worker.memory,
        compile=worker.facts["compile"] if cold else None,
        first=worker.facts["first"],
        peers=compared,
        goals=case.goals,
    )
