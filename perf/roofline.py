"""The roofline of a result file: every kernel's speed against its arithmetic intensity, under what the machine's FMA
units and each level of its memory allow (Williams, Waterman, Patterson: "Roofline", CACM 2009)."""

from __future__ import annotations

from pathlib import Path

from ..cli.plot import check_plotting
from ..errors import UsageError
from ..formats.atomic import write_atomically
from .results import Entry, Results

SUFFIXES = (".png", ".svg")
NAME_WIDTH = 4.0  # pixels of a letter of the points' names, at 100 dots an inch


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
    lowest = peaks["fma"] / 200  # below are products of a few numbers, which take as long as the call
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
    axes.set(xscale="log", yscale="log", xlim=(left, right), ylim=(max(slowest / 2, lowest), peaks["fma"] * 1.6))
    _write_names(axes, points)
    axes.set_title("One thread under its roofline")
    axes.set(xlabel="arithmetic intensity, operations per byte", ylabel="GFLOP/s")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    return figure


def _write_names(axes, points: list[Entry]) -> None:
    """A name beside each point, where it covers no other point or name; the largest products come first."""
    to_pixels = axes.transData.transform
    places = {
        entry.name: to_pixels((entry.flops / entry.bytes, entry.flops / entry.seconds["min"] / 1e9)) for entry in points
    }
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in places.values()]
    for entry in sorted(points, key=lambda entry: -entry.flops):
        x, y = places[entry.name]
        name = entry.name.removeprefix("gemm ")
        for place, lift in (("left", 0), ("right", 0), ("left", 8), ("left", -8), ("right", 8), ("right", -8)):
            width = NAME_WIDTH * len(name)
            start = x + 5 if place == "left" else x - 5 - width
            box = (start, y + lift - 4, start + width, y + lift + 4)
            if not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
                taken.append(box)
                axes.annotate(
                    name,
                    (entry.flops / entry.bytes, entry.flops / entry.seconds["min"] / 1e9),
                    xytext=((5 if place == "left" else -5) * 0.72, lift * 0.72),
                    textcoords="offset points",
                    ha=place,
                    va="center",
                    fontsize=5,
                    annotation_clip=True,
                )
                break


def _is_product(entry: Entry) -> bool:
    return entry.name.startswith(("gemm", "lin_"))
