"""The panel of a page for a layer: sections of (title, value)."""

from __future__ import annotations

from .compare import Fate
from .labels import bytes_text, seconds_text, shape_text
from .net import DrawnLayer, Shape, Total

Rows = list[tuple[str, str]]


def panel_of(layer: DrawnLayer, fate: Fate, totals: dict[str, Total]) -> list[tuple[str, Rows]]:
    """(heading, rows) of each section that has some; `totals` are those of the net."""
    sections = [
        ("", [(fate.mark, fate.text)] if fate.mark else []),
        ("inputs", _blobs(layer.inputs)),
        ("outputs", _blobs(layer.outputs)),
        ("cost", _costs(layer, totals)),
        ("weights", _weights(layer)),
        ("in the file", list(layer.parameters)),
    ]
    return [(heading, rows) for heading, rows in sections if rows]


def _blobs(blobs: tuple[tuple[str, Shape | None], ...]) -> Rows:
    return [(name, "shape not known" if shape is None else shape_text(shape)) for name, shape in blobs]


def _costs(layer: DrawnLayer, totals: dict[str, Total]) -> Rows:
    rows = [] if layer.macs is None else [("MACs", f"{layer.macs:,}{_share(layer.macs, totals['macs'].value)}")]
    if layer.memory is not None:
        rows.append(("memory", bytes_text(layer.memory) if layer.memory else "none, works in place"))
    if layer.seconds is not None:
        rows.append(("time", f"{seconds_text(layer.seconds)}{_share(layer.seconds, totals['seconds'].value)}"))
    return rows


def _share(part: float, total: float) -> str:
    return f" ({100 * part / total:.3g} %)" if part and total else ""


def _weights(layer: DrawnLayer) -> Rows:
    shared = dict(layer.shared)
    rows = [
        (f"blob {number}", shape_text(shape) + (f", shared as {shared[number]}" if number in shared else ""))
        for number, shape in enumerate(layer.weights)
    ]
    return [*rows, ("parameters", f"{layer.count:,}")] if rows else []
