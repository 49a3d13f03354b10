"""The Markdown tables of the README and of docs/, made from result files: one per machine, the newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import UsageError
from .bounds import Bounded, bounded_layers
from .report import (
    BEST,
    OPTIMISER_HEADER,
    TRAINING_HEADER,
    bytes_text,
    optimiser_cells,
    rate_text,
    seconds_text,
    share_text,
    three_digits,
    training_cells,
)
from .results import Entry, Results

TABLES = ("<!-- perf table: make perf-readme -->", "<!-- end of perf table -->")  # all of them
SUMMARY = ("<!-- perf summary: make perf-readme -->", "<!-- end of perf summary -->")  # what decides, in eight rows
PEERS = (
    *("JAX", BEST, "PyTorch", "PyTorch channels_last", "torch.compile", "NumPy"),
    *("ONNX Runtime", "OpenVINO", "OpenCV", "polars", "pandas", "np.loadtxt", "np.savetxt"),
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
    "solve": None,
    "onnx": None,
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
BOUNDS_HEADER = (
    *("layers of a net, one thread", "layers", "of its time", "operations per byte"),
    *("GFLOP/s", "GB/s", "bound by", "of the bound"),
)
SMALL = 0.01  # share of a net's time below which layers are not shown
TITLES = {
    "kernels": "kernel, called from Python",
    "train": "one epoch of training",
    "caffe": "Caffe nets, batch 1 (CIFAR: 10)",
    "solve": "an iteration of training",
    "onnx": "ONNX models, batch 1",
    "reader": "text files",
    "startup": "whole processes",
}


def newest_first(runs: Sequence[Results]) -> list[Results]:
    """By date; those of one day in the order given."""
    return sorted(runs, key=lambda run: run.created, reverse=True)


def machine_name(results: Results) -> str:
    """The processor, also by the name of its generation."""
    machine = results.machine
    return f"{machine['cpu']} ({machine['compiled for']}), {machine['threads']} CPUs, {machine['vectors']}"


def machine_lines(results: Results) -> list[str]:
    """How fast the machine was, and when."""
    one = results.peaks["1"]
    reads = ", ".join(f"{level} {rate:.0f}" for level, rate in one.items() if level != "fma")
    lines = [f"Measured peak of one thread: {one['fma']:.0f} GFLOP/s, reading {reads} GB/s. {results.created}."]
    if results.settings.get("quick"):
        lines.append("Measured with `--quick`: a tenth of the rows or less, few samples.")
    return lines


def summary_table(runs: Sequence[Results]) -> str:
    """Markdown: of the newest of `runs` the table of SUMMED_UP, as far as it was measured, and a sentence on the
    optimiser."""
    results = newest_first(runs)[0]
    entries = {(entry.suite, entry.name, entry.threads): entry for entry in results.entries if not entry.layers}
    rows = []
    for suite, name, threads, title in SUMMED_UP:
        if entry := entries.get((suite, name, threads)):
            peers = (f"{peer} {entry.peers[peer]['ratio']:.2f}" for peer in PEERS[:-1] if peer in entry.peers)
            rows.append((title, seconds_text(entry.seconds["median"]), share_text(entry), ", ".join(peers)))
    header = ("one thread", "time", "of the peak", "their time / ours")
    head = f"{machine_name(results)}. {' '.join(machine_lines(results))}"
    return "\n".join([head, "", *markdown(header, rows), *_optimiser_sentence(results)])


def all_tables(runs: Sequence[Results]) -> str:
    """Markdown: a chapter per run."""
    return "\n\n".join("\n".join(_chapter(run)) for run in newest_first(runs))


def replace_tables(path: Path, runs: Sequence[Results]) -> None:
    """`summary_table` and `all_tables` into a page, as far as it has their marks. Raises UsageError as put_between."""
    put_between(path, {TABLES: all_tables(runs), SUMMARY: summary_table(runs)})


def put_between(path: Path, made: Mapping[tuple[str, str], str]) -> None:
    """Replace what a Markdown file has between two marks, each on its own line, by their text. Raises UsageError where
    the file cannot be read, and where none of the pairs is there."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {getattr(error, 'strerror', 'it is not text')}") from None
    replaced = False
    for marks, inside in made.items():
        head, found, rest = text.partition(marks[0])
        _, closed, tail = rest.partition(marks[1])
        if found and closed:
            text, replaced = f"{head}{marks[0]}\n{inside}\n{marks[1]}{tail}", True
    if not replaced:
        wanted = " or ".join(repr(begin) for begin, _ in made)
        raise UsageError(f"{path}: has no lines {wanted} to put a table after")
    path.write_text(text, encoding="utf-8")


def _chapter(results: Results) -> list[str]:
    """A table per suite of what SHOWN names, with a column for each peer that was measured in it, the optimiser's, and
    that of layers under their bounds."""
    shown = [
        entry
        for suite, names in SHOWN.items()
        for entry in results.entries
        if entry.suite == suite and (names is None or entry.name in names)
    ]
    lines = [f"## {machine_name(results)}", "", *machine_lines(results)]
    for suite, title in TITLES.items():
        rows = [entry for entry in shown if entry.suite == suite and not entry.layers]
        if rows:
            header = [title, "threads", "time", "rate", "of the peak", "memory", *(f"{name} / ours" for name in PEERS)]
            lines += ["", *markdown(header, [_suite_cells(entry) for entry in rows])]
    if rows := [training_cells(entry) for entry in shown if entry.pictures]:
        lines += ["", *markdown(TRAINING_HEADER, rows)]
    if rows := [optimiser_cells(entry) for entry in shown if entry.layers]:
        lines += ["", *markdown(OPTIMISER_HEADER, rows)]
    if rows := [row for entry in shown if entry.layer_times and entry.threads == 1 for row in _bounds(entry, results)]:
        lines += ["", *markdown(BOUNDS_HEADER, rows)]
    return lines


def _optimiser_sentence(results: Results) -> list[str]:
    """What the optimiser and the plan that fuses layers make of nets, next to the same nets as they are."""
    found = [entry for entry in results.entries if entry.layers and entry.name.endswith(" optimised")]
    if not found:
        return []
    ratios = [entry.peers["naive"]["ratio"] for entry in found]
    nets = ", ".join(dict.fromkeys(entry.name.removesuffix(" optimised") for entry in found))
    threads = " and ".join(dict.fromkeys(str(entry.threads) for entry in found))
    worth = f"a factor of {min(ratios):.2f} to {max(ratios):.2f}"
    return ["", f"Folding BatchNorm and fusing layers are by themselves worth {worth} ({nets}; threads: {threads})."]


def _bounds(entry: Entry, results: Results) -> list[list[str]]:
    """The cells of BOUNDS_HEADER for the kinds of layers of a net, and for all its layers."""
    kinds = bounded_layers(entry, results)
    if len(kinds) == 2:  # one kind is all
        kinds = {"all": kinds["all"]}
    name, whole = entry.name.removesuffix(" forward"), kinds["all"]
    return [
        [f"{name}: {how}", *_bounded_cells(kind, whole)]
        for how, kind in kinds.items()
        if kind.seconds >= SMALL * whole.seconds
    ]


def _bounded_cells(kind: Bounded, whole: Bounded) -> list[str]:
    rates = (three_digits(1e-9 * amount / kind.seconds) if amount else "" for amount in (kind.flops, kind.bytes))
    share, intensity = f"{kind.seconds / whole.seconds:.0%}", f"{kind.intensity:.1f}" if kind.flops else ""
    return [str(kind.layers), share, intensity, *rates, kind.limit, f"{kind.share:.0%}"]


def _suite_cells(entry: Entry) -> list[str]:
    ratios = [f"{entry.peers[name]['ratio']:.2f}" if name in entry.peers else "" for name in PEERS]
    time, memory = seconds_text(entry.seconds["median"]), bytes_text(entry.memory)
    return [entry.name, str(entry.threads), time, rate_text(entry), share_text(entry), memory, *ratios]


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table without the columns that are empty."""
    used = [column for column in range(len(header)) if any(row[column] for row in rows)]
    rules = ["---", *["--:"] * (len(header) - 1)]
    return [f"| {' | '.join(cells[column] for column in used)} |" for cells in (header, rules, *rows)]
