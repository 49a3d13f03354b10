"""How near the layers of nets come to what the machine allows: their time over the least possible one, in which either
all operations are done at the peak of the FMA units, or all bytes are read at the rate of the memory (a roofline).

The memory is the smallest cache that holds the whole net, weights and activations, as a run reads all of it; parts of
it, such as what the layer before has just written, can lie nearer. Then, and where an algorithm multiplies less than
the definition that is counted, the share can exceed 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .results import Entry, Results

DRAM = "DRAM"


@dataclass(frozen=True)
class Bounded:
    """Layers taken together: their operations, bytes, seconds, and the least `possible` seconds, of each layer by what
    bounds it, added up. `limit`: what bounds most of that time."""

    layers: int
    flops: float
    bytes: float
    seconds: float
    possible: float
    limit: str

    @property
    def intensity(self) -> float:
        """Operations per byte."""
        return self.flops / self.bytes

    @property
    def share(self) -> float:
        return self.possible / self.seconds


def memory_level(footprint: int, caches: Mapping[str, int]) -> str:
    """The name of the smallest of `caches`, bytes by name in ascending order, that holds `footprint` bytes, or DRAM."""
    return next((level for level, size in caches.items() if footprint <= size), DRAM)


def bounded_layers(entry: Entry, results: Results) -> dict[str, Bounded]:
    """By their algorithm, those that take longest first, and last "all". `entry` is one with `layer_times`."""
    level = memory_level(entry.footprint or 0, results.machine["caches"])
    peaks = results.peaks[str(entry.threads)]
    rates = {"FMA": 1e9 * peaks["fma"], level: 1e9 * peaks[level]}
    kinds: dict[str, list[dict[str, Any]]] = {}
    for layer in entry.layer_times:
        kinds.setdefault(layer["how"], []).append(layer)
    found = {how: _together(layers, rates) for how, layers in kinds.items()}
    ordered = sorted(found.items(), key=lambda item: -item[1].seconds)
    return {**dict(ordered), "all": _together(entry.layer_times, rates)}


def _together(layers: Iterable[dict[str, Any]], rates: Mapping[str, float]) -> Bounded:
    """`rates` per second: of operations, and of bytes."""
    arithmetic, memory = rates
    layers, by_limit = list(layers), dict.fromkeys(rates, 0.0)
    for layer in layers:
        least = {arithmetic: layer["flops"] / rates[arithmetic], memory: layer["bytes"] / rates[memory]}
        limit = max(least, key=least.__getitem__)
        by_limit[limit] += least[limit]
    flops, moved, seconds = (float(sum(layer[key] for layer in layers)) for key in ("flops", "bytes", "seconds"))
    limit = max(by_limit, key=by_limit.__getitem__)
    return Bounded(len(layers), flops, moved, seconds, sum(by_limit.values()), limit)
