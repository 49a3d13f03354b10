"""Results as text: one line per entry while they come in, and the tables of the README and of docs/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError
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
TABLES = ("<!-- perf table: make perf-readme -->", "<!-- end of perf table -->")  # all of them
SUMMARY = ("<!-- perf summary: make perf-readme -->", "<!-- end of perf summary -->")  # what decides, in eight rows
PEERS = (
    *("JAX", "PyTorch", "NumPy", "ONNX Runtime", "OpenVINO", "OpenCV", "polars", "pandas", "np.loadtxt", "np.savetxt"),
    "one thread",
)
SHOWN = {  # what the README shows of a suite; None is everything
    "kernels": (
        "gemm 100x784x100 NN",
        "gemm 784x100x100 TN",
        "gemm 100x100x784 NT",
        "gemm 300x100x60 NN",
        "gemm 1024x1024x1024 NN",
        "tnh_forward 300x784",
        "sgd_update 300x784",
    ),
    "train": None,
    "caffe": None,
    "reader": None,
    "startup": None,
}
SUMMED_UP = (  # suite, entry, threads, what it is called
    ("train", "network5", 1, "train network5 (784-100-10), one epoch of MNIST"),
    ("train", "network5", 2, "the same on two threads"),
    ("kernels", "gemm 1024x1024x1024 NN", 1, "matrix product 1024³"),
    ("caffe", "ResNet-18 forward", 1, "ResNet-18, one picture"),
    ("caffe", "MobileNet forward", 1, "MobileNet, one picture"),
    ("caffe", "AlexNet-BN forward", 1, "AlexNet with BatchNorm, one picture"),
    ("caffe", "CIFAR forward", 1, "CIFAR-10 net, ten pictures"),
    ("reader", "read integers", 1, "read 47 MB of text"),
)
TITLES = {
    "kernels": "kernel, called from Python",
    "train": "one epoch of training",
    "caffe": "Caffe nets, batch 1 (CIFAR: 10)",
    "reader": "text files",
    "startup": "whole processes",
}


def seconds_text(seconds: float | None) -> str:
    """Three digits and a unit: "1.23 ms"."""
    if seconds is None:
        return ""
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{_three(seconds * factor)} {unit}"
    return f"{_three(seconds * 1e6)} µs"


def bytes_text(size: float | None) -> str:
    """Whole megabytes."""
    return "" if size is None else f"{size / 1e6:.0f} MB"


def rate_text(entry: Entry) -> str:
    """The rate with its unit; nothing for what is only a duration."""
    if not entry.share:
        return ""
    small = entry.unit == "GB/s" and entry.rate < 1
    return f"{_three(entry.rate * 1e3)} MB/s" if small else f"{_three(entry.rate)} {entry.unit}"


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
    """The table of one suite, and the optimiser's if it was measured."""
    lines = plain_table(HEADER, [entry_cells(entry) for entry in entries])
    if rows := [optimiser_cells(entry) for entry in entries if entry.layers]:
        lines += ["", *plain_table(OPTIMISER_HEADER, rows)]
    return lines


def optimiser_cells(entry: Entry) -> tuple[str, ...]:
    """The cells of OPTIMISER_HEADER: the last three are bytes of activations."""
    naive = entry.peers.get("naive")
    sizes = (f"{entry.activations[kind] / 1e6:.1f} MB" for kind in (ARENA, BLOBS, IN_PLACE))
    time, ratio = seconds_text(entry.seconds["median"]), f"{naive['ratio']:.2f}" if naive else ""
    return (entry.name, str(entry.threads), str(entry.layers), time, ratio, *sizes)


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


def machine_lines(results: Results) -> list[str]:
    """Which machine, how fast it was, and when."""
    machine, one = results.machine, results.peaks["1"]
    reads = ", ".join(f"{level} {rate:.0f}" for level, rate in one.items() if level != "fma")
    lines = [
        f"{machine['cpu']}, {machine['threads']} CPUs, {machine['vectors']}; measured peak of one thread: "
        f"{one['fma']:.0f} GFLOP/s, reading {reads} GB/s. {results.created}.",
    ]
    if results.settings.get("quick"):
        lines.append("Measured with `--quick`: a tenth of the rows or less, few samples.")
    return lines


def summary_table(results: Results) -> str:
    """The Markdown table of SUMMED_UP, as far as it was measured: times, and how many times that the peers take."""
    entries = {(entry.suite, entry.name, entry.threads): entry for entry in results.entries if not entry.layers}
    rows = []
    for suite, name, threads, title in SUMMED_UP:
        if entry := entries.get((suite, name, threads)):
            peers = (f"{peer} {entry.peers[peer]['ratio']:.2f}" for peer in PEERS[:-1] if peer in entry.peers)
            rows.append((title, seconds_text(entry.seconds["median"]), share_text(entry), ", ".join(peers)))
    header = ("one thread", "time", "of the peak", "their time / ours")
    return "\n".join([*machine_lines(results), "", *_markdown(header, rows)])


def all_tables(results: Results) -> str:
    """Markdown: a table per suite of what SHOWN names, with a column for each peer that was measured in it, and the
    optimiser's."""
    shown = [
        entry
        for suite, names in SHOWN.items()
        for entry in results.entries
        if entry.suite == suite and (names is None or entry.name in names)
    ]
    lines = machine_lines(results)
    for suite, title in TITLES.items():
        rows = [entry for entry in shown if entry.suite == suite and not entry.layers]
        if rows:
            header = [title, "threads", "time", "rate", "of the peak", "memory", *(f"{name} / ours" for name in PEERS)]
            lines += ["", *_markdown(header, [_readme_cells(entry) for entry in rows])]
    if rows := [optimiser_cells(entry) for entry in shown if entry.layers]:
        lines += ["", *_markdown(OPTIMISER_HEADER, rows)]
    return "\n".join(lines)


def replace_tables(path: Path, results: Results) -> None:
    """Put `summary_table` and `all_tables` between their marks in a Markdown file. Raises UsageError where neither
    pair of marks is there."""
    text, replaced = path.read_text(encoding="utf-8"), False
    for (begin, end), table in ((SUMMARY, summary_table), (TABLES, all_tables)):
        head, found, rest = text.partition(begin)
        _, closed, tail = rest.partition(end)
        if found and closed:
            text, replaced = f"{head}{begin}\n{table(results)}\n{end}{tail}", True
    if not replaced:
        raise UsageError(f"{path}: has no lines {TABLES[0]!r} or {SUMMARY[0]!r} to put a table after")
    path.write_text(text, encoding="utf-8")


def _readme_cells(entry: Entry) -> list[str]:
    ratios = [f"{entry.peers[name]['ratio']:.2f}" if name in entry.peers else "" for name in PEERS]
    time, memory = seconds_text(entry.seconds["median"]), bytes_text(entry.memory)
    return [entry.name, str(entry.threads), time, rate_text(entry), share_text(entry), memory, *ratios]


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table without the columns that are empty."""
    used = [column for column in range(len(header)) if any(row[column] for row in rows)]
    rules = ["---", *["--:"] * (len(header) - 1)]
    return [f"| {' | '.join(cells[column] for column in used)} |" for cells in (header, rules, *rows)]


def _three(value: float) -> str:
    """Three digits, no exponent, for values from 1."""
    return f"{value:.{max(0, 3 - len(str(int(value))))}f}"
