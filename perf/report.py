"""Results as text: cells, and the tables of the terminal. Those of the README and of docs/: `pages.py`."""

from __future__ import annotations

from collections.abc import Sequence

from ..results import plain_table
from .results import ARENA, BLOBS, IN_PLACE, Entry, Results

HEADER = ("", "thr", "min", "median", "spread", "rate", "peak", "compile", "first", "memory", "their time over ours")
OPTIMISER_HEADER = (
    "the optimiser's worth",
    "threads",
    "layers",
    "time",
    "naive / this",
    "arena",
    "all blobs",
    "in place",
)

TRAINING_HEADER = (
    "an iteration of training", "threads", "time", "pictures per s", "planned", "best PyTorch / this", "of the minima",
)  # fmt: skip
BEST = "PyTorch's best"  # a peer: the way that is fastest beside ours


def seconds_text(seconds: float | None) -> str:
    """Three digits and a unit: "1.23 ms"."""
    if seconds is None:
        return ""
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{three_digits(seconds * factor)} {unit}"
    return f"{three_digits(seconds * 1e6)} µs"


def bytes_text(size: float | None) -> str:
    """Whole megabytes."""
    return "" if size is None else f"{size / 1e6:.0f} MB"


def rate_text(entry: Entry) -> str:
    """The rate with its unit; nothing for what is only a duration."""
    if not entry.share:
        return ""
    small = entry.unit == "GB/s" and entry.rate < 1
    return f"{three_digits(entry.rate * 1e3)} MB/s" if small else f"{three_digits(entry.rate)} {entry.unit}"


def share_text(entry: Entry) -> str:
    """The share of the yardstick in percent, with its name."""
    return f"{entry.relative:.{0 if entry.relative >= 0.095 else 1}%} {entry.yardstick}" if entry.share else ""


def ratios_text(entry: Entry) -> str:
    """All peers: "JAX 1.62  NumPy 2.10"; a goal that was missed is named."""
    texts = []
    for name, peer in entry.peers.items():
        goal = entry.goals.get(name)
        missed = f" (goal {goal:g})" if goal is not None and peer["ratio"] < goal else ""
        texts.append(f"{name} {peer['ratio']:.2f}{missed}")
    if entry.memory and entry.memory > entry.goals.get("memory", entry.memory):
        texts.append(f"(goal {bytes_text(entry.goals['memory'])})")
    if entry.seconds["min"] > entry.goals.get("seconds", entry.seconds["min"]):
        texts.append(f"(goal {seconds_text(entry.goals['seconds'])})")
    return "  ".join(texts)


def entry_cells(entry: Entry) -> tuple[str, ...]:
    """The cells of HEADER."""
    seconds = entry.seconds
    return (
        entry.name,
        str(entry.threads),
        seconds_text(seconds["min"]),
        seconds_text(seconds["median"]),
        f"{seconds['spread']:.0%}",
        rate_text(entry),
        share_text(entry),
        seconds_text(entry.compile),
        seconds_text(entry.first),
        bytes_text(entry.memory),
        ratios_text(entry),
    )


def suite_lines(entries: Sequence[Entry]) -> list[str]:
    """The table of one suite, and the optimiser's and that of training if they were measured."""
    lines = plain_table(HEADER, [entry_cells(entry) for entry in entries])
    if rows := [training_cells(entry) for entry in entries if entry.pictures]:
        lines += ["", *plain_table(TRAINING_HEADER, rows)]
    if rows := [optimiser_cells(entry) for entry in entries if entry.layers]:
        lines += ["", *plain_table(OPTIMISER_HEADER, rows)]
    return lines


def optimiser_cells(entry: Entry) -> tuple[str, ...]:
    """The cells of OPTIMISER_HEADER: the last three are bytes of activations."""
    naive = entry.peers.get("naive")
    sizes = (f"{entry.activations[kind] / 1e6:.1f} MB" for kind in (ARENA, BLOBS, IN_PLACE))
    time, ratio = seconds_text(entry.seconds["median"]), f"{naive['ratio']:.2f}" if naive else ""
    return (entry.name, str(entry.threads), str(entry.layers), time, ratio, *sizes)


def training_cells(entry: Entry) -> tuple[str, ...]:
    """The cells of TRAINING_HEADER: pictures at the least time, and the planned bytes of activations and gradients."""
    assert entry.pictures
    best, least = entry.peers.get(BEST), entry.seconds["min"]
    time, rate = seconds_text(entry.seconds["median"]), three_digits(entry.pictures / least)
    ratios = [f"{best['ratio']:.2f}", f"{best['min'] / least:.2f}"] if best else ["", ""]
    return (entry.name, str(entry.threads), time, rate, bytes_text(entry.footprint), *ratios)


def summary_lines(results: Results) -> list[str]:
    """The machine, its peaks, and what compiling costs."""
    machine = results.machine
    versions = " ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [f"{machine['cpu']}, {machine['threads']} threads, {machine['vectors']}, {machine['system']}", versions]
    for threads, peaks in results.peaks.items():
        reads = "  ".join(f"{level} {rate:.0f}" for level, rate in peaks.items() if level != "fma")
        lines.append(f"peak, threads {threads}: FMA {peaks['fma']:.1f} GFLOP/s, reading GB/s: {reads}")
    if results.compile:
        rows = [
            (name, *(seconds_text(found[part]) for part in ("compile", "first call")))
            for name, found in results.compile.items()
        ]
        lines += ["", *plain_table(("kernel, empty cache", "compile", "first call"), rows)]
    return lines


def three_digits(value: float) -> str:
    """Three digits, no exponent, for values from 1."""
    return f"{value:.{max(0, 3 - len(str(int(value))))}f}"
