"""The roofline of a result file: every kernel's speed against its arithmetic intensity, under what the machine's FMA
units and each level of its memory allow (Williams, Waterman, Patterson: "Roofline", CACM 2009)."""

from __future__ import annotations

from pathlib import Path

from ..cli.plot import check_plotting
from ..errors import UsageError
from ..formats.atomic import write_atomically
from .results import Entry, Results

SUFFIXES = (".png", ".svg")


def write_roofline(path: Path, results: Results) -> None:
    """Draw the kernels of one thread. Raises UsageError without Matplotlib, without kernels, for other suffixes."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: expected a name that ends in {' or '.join(SUFFIXES)}")
    check_plotting()
    points = [entry for entry in results.entries if entry.suite == "kernels" and entry.flops and entry.bytes]
    if not points:
        raise UsageError("the results hold no kernels to draw: make them with --suite kernels")
    figure = draw(points, results.peaks["1"])
    with write_atomically(path) as file:
        figure.savefig(file, format=path.suffix.lower()[1:], dpi=150)


def draw(points: list[Entry], peaks: dict[str, float]):
    """The Matplotlib figure. `peaks` as in the result file: FMA in GFLOP/s, the others in GB/s."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.subplots()
    intensities = [entry.flops / entry.bytes for entry in points]
    slowest = min(entry.flops / entry.seconds["min"] / 1e9 for entry in points)
    left, right = min(intensities) / 2, max(intensities) * 2
    for number, (level, rate) in enumerate(peaks.items()):
        if level != "fma":
            ridge = peaks["fma"] / rate
            axes.plot([left, ridge, right], [left * rate, *[peaks["fma"]] * 2], color=f"C{number}", linewidth=1)
            axes.annotate(f"{level} {rate:.0f} GB/s", (left, left * rate), fontsize=8, color=f"C{number}")
    axes.annotate(f"FMA {peaks['fma']:.0f} GFLOP/s", (right, peaks["fma"]), ha="right", va="bottom", fontsize=8)
    for is_product, marker, label in ((True, "o", "matrix products"), (False, "s", "layers")):
        some = [entry for entry in points if _is_product(entry) == is_product]
        if some:
            x = [entry.flops / entry.bytes for entry in some]
            y = [entry.flops / entry.seconds["min"] / 1e9 for entry in some]
            axes.scatter(x, y, s=14, marker=marker, label=label, zorder=3)
            for entry, *place in zip(some, x, y, strict=True):
                name = entry.name.removeprefix("gemm ")
                axes.annotate(name, place, fontsize=4.5, xytext=(3, 1), textcoords="offset points")
    axes.set(xscale="log", yscale="log", xlim=(left, right), ylim=(slowest / 2, peaks["fma"] * 1.6))
    axes.set(xlabel="arithmetic intensity, operations a byte", ylabel="GFLOP/s", title="One thread under its roofline")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    return figure


def _is_product(entry: Entry) -> bool:
    return entry.name.startswith(("gemm", "lin_"))
