"""Suite `caffe`: Caffe's nets, batch 1 (CIFAR: 10), every participant in a process of its own.

NET forward                 our optimised net by a Plan, next to others with the same folded net; then its layers alone
NET naive, ... optimised    the gain of the optimiser and of the Plan's fusing, within caffe64
CIFAR forward+backward      the TRAIN phase, gradients of all weights
InnerProduct                one row: weights are read once, so the yardstick is reading memory
Interp, Upsample, BN, ...   single layers on one thread, whose yardstick is reading memory too
load ResNet-18              from files to a Plan, in a fresh process

Before anything is timed, all outputs must be those of the unoptimised net, run layer by layer with plain sums. The
operations are those of the definition (two per multiply-accumulate), and Winograd's algorithm needs fewer: 3 x 3
convolutions can come out above 100 % of the FMA peak. One thread is measured in CPU time, several in wall time. --quick
leaves ResNet-18, AlexNet-BN and YOLOv3-tiny out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..peak import levels
from ..processes import ask
from ..results import ARENA, BLOBS, IN_PLACE, Entry
from . import Report, Settings
from .caffe_backward import backward
from .caffe_files import PEERS, Files, installed_peers, peers_of, write_files
from .caffe_forks import FORK_NETS
from .caffe_layers import layers
from .caffe_load import loading
from .caffe_nets import NETS, PRODUCT, CaffeCase
from .comparison import Jobs, Workload, run_comparison

TRAINED, LOADED = "CIFAR", "ResNet-18"  # the nets of these parts
JOB = "caffe64.perf.peers.{}_nets:Job"
LAYERS_JOB = "caffe64.perf.peers.caffe64_nets:LayersJob"
RUNS, QUICK_RUNS = 31, 5  # in which layers are timed


def run(settings: Settings, report: Report) -> list[Entry]:
    """Verify and time everything. Raises CheckFailed."""
    entries, peers = [], installed_peers(settings.peers)
    for case in (*NETS.values(), *FORK_NETS.values(), PRODUCT):
        if settings.quick and case.large:
            continue
        with tempfile.TemporaryDirectory(prefix="caffe64-perf-") as folder:
            for entry in _entries(case, Path(folder), peers_of(case, peers), settings):
                entries.append(entry)
                report(entry)
    for entry in layers(settings):
        entries.append(entry)
        report(entry)
    return entries


def _entries(case: CaffeCase, folder: Path, peers: list[str], settings: Settings) -> Iterator[Entry]:
    files = write_files(case, folder, peers)
    cost = files.costs[files.optimised]
    if case is PRODUCT:
        work = Workload(4.0 * cost.parameters, case.repeats, size=levels()["DRAM"])
        yield from forward(case, case.name, files, work, peers, settings)
        return
    yield from forward(case, f"{case.name} forward", files, Workload(2.0 * cost.macs, case.repeats), peers, settings)
    yield from optimiser(case, files, settings)
    if case.name == TRAINED:
        yield from backward(case, files, folder, peers, settings)
    if case.name == LOADED:
        yield from loading(case.name, files, settings)


def forward(
    case: CaffeCase, name: str, files: Files, work: Workload, peers: list[str], settings: Settings
) -> Iterator[Entry]:
    """One entry per number of threads. Raises CheckFailed."""
    modules = {"caffe64": "caffe64", **{peer: PEERS[peer] for peer in peers}}
    arguments = {"files": str(files.optimised), "repeats": case.repeats}
    jobs: Jobs = {name: (case.instead.get(name) or JOB.format(module), arguments) for name, module in modules.items()}
    comparison = run_comparison("caffe", jobs, work, settings, lambda facts: files.expected.verify(name, facts))
    for threads in settings.threads:
        runs = QUICK_RUNS if settings.quick else RUNS
        layers = ask(LAYERS_JOB, threads, {"files": str(files.optimised), "threads": threads, "runs": runs})
        yield comparison.entry(name, "caffe64", threads, peers, goals=case.goals, **layers)


def optimiser(case: CaffeCase, files: Files, settings: Settings) -> Iterator[Entry]:
    """Three entries per number of threads, with layers and memory: the net as it is, and optimised without and
    with fused layers. Raises CheckFailed."""
    kinds = {
        "naive": (files.naive, False),
        "optimised, not fused": (files.optimised, False),
        "optimised": (files.optimised, True),
    }
    jobs: Jobs = {
        kind: (JOB.format("caffe64"), {"files": str(path), "repeats": case.repeats, "fuse": fuse})
        for kind, (path, fuse) in kinds.items()
    }
    work = Workload(2.0 * files.costs[files.optimised].macs, case.repeats)
    comparison = run_comparison("caffe", jobs, work, settings, lambda facts: files.expected.verify(case.name, facts))
    for threads in settings.threads:
        for kind, (path, _) in kinds.items():
            facts, cost = comparison.facts[f"{kind} {threads}"], files.costs[path]
            sizes = {ARENA: facts["arena"], BLOBS: facts["blobs"], IN_PLACE: cost.activation_bytes}
            peers = [] if kind == "naive" else ["naive"]
            yield comparison.entry(f"{case.name} {kind}", kind, threads, peers, layers=cost.layers, activations=sizes)
