"""What became of each layer between two nets: kept, changed, renamed, folded into another, removed or added.

Layers are identified by their names. Of those left over, the ones that stand between the same neighbours are paired by
type, as renamed. A BatchNorm, Scale or Bias that is gone counts as folded if what it followed, or what followed it, is
still there with weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .groups import CONVOLUTIONS, NORMALISE
from .net import DrawnLayer, DrawnNet

FOLDABLE = NORMALISE | {"Power"}


@dataclass(frozen=True)
class Fate:
    """`mark`: folded, removed, added, renamed, changed, or "" for kept as it was; `text` says more, `brief` is
    what fits into a box; `twin` is the index of the layer of the other net, which of a folded layer is the one that
    took it, or -1."""

    mark: str = ""
    text: str = ""
    twin: int = -1
    brief: str = ""


def compare_nets(before: DrawnNet, after: DrawnNet) -> tuple[list[Fate], list[Fate]]:
    """The fates of the layers of both."""
    pairs = _pairs(before.layers, after.layers)
    readers = _readers(before)
    old = [
        _kept(layer, after.layers[pairs[number]], pairs[number], after=False)
        if number in pairs
        else _gone(before, number, pairs, readers, after)
        for number, layer in enumerate(before.layers)
    ]
    new = [Fate("added", "is not in the net before", brief="added")] * len(after.layers)
    for number, twin in pairs.items():
        new[twin] = _kept(after.layers[twin], before.layers[number], number, after=True)
    taken: dict[int, list[str]] = {}
    for layer, fate in zip(before.layers, old, strict=True):
        if fate.mark == "folded":
            taken.setdefault(fate.twin, []).append(layer.name)
    for number, names in taken.items():
        new[number] = _took(new[number], names)
    return old, new


def _readers(net: DrawnNet) -> list[list[int]]:
    readers: list[list[int]] = [[] for _ in net.layers]
    for number, layer in enumerate(net.layers):
        for source in layer.reads:
            readers[source].append(number)
    return readers


def _took(fate: Fate, names: list[str]) -> Fate:
    """The fate of a layer that these were folded into as well."""
    change = f"took {', '.join(names)}"
    text = f"{change}; {fate.text}" if fate.text else change
    return Fate(fate.mark or "changed", text, fate.twin, change)


def _pairs(old: Sequence[DrawnLayer], new: Sequence[DrawnLayer]) -> dict[int, int]:
    """Index of an old layer -> index of the new one."""
    named = {layer.name: number for number, layer in reversed(list(enumerate(new)))}
    pairs: dict[int, int] = {}
    for number, layer in enumerate(old):
        found = named.get(layer.name)
        if found is not None and new[found].role == layer.role:
            pairs[number] = named.pop(layer.name)
    taken = set(pairs.values())
    start = 0  # behind the pair before
    for number, layer in enumerate(old):
        if number in pairs:
            start = max(start, pairs[number] + 1)
            continue
        index = start
        while index < len(new) and index not in taken and new[index].role != layer.role:
            index += 1
        if index < len(new) and index not in taken:
            pairs[number] = index
            taken.add(index)
            start = index + 1
    return pairs


def _kept(layer: DrawnLayer, twin: DrawnLayer, number: int, *, after: bool) -> Fate:
    if layer.name != twin.name:
        text = f"{'was' if after else 'is now'} {twin.name}"
        return Fate("renamed", text, number, f"renamed: {text}")
    old, new = map(_values, (twin, layer) if after else (layer, twin))
    if layer.type != twin.type:  # words of two formats: only the weights have the same meaning
        old, new = ({"weights": each["weights"]} for each in (old, new))
    fields = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if not fields:
        return Fate("", "", number)
    change = "; ".join(f"{name} {old.get(name, 'unset')} → {new.get(name, 'unset')}" for name in fields)
    return Fate("changed", change, number, f"changed: {', '.join(name.rpartition('.')[2] for name in fields)}")


def _values(layer: DrawnLayer) -> dict[str, str]:
    return {**dict(layer.parameters), "weights": _shapes(layer)}


def _shapes(layer: DrawnLayer) -> str:
    return ", ".join("×".join(map(str, shape)) for shape in layer.weights) or "none"


def _gone(net: DrawnNet, number: int, pairs: dict[int, int], readers: list[list[int]], after: DrawnNet) -> Fate:
    taker = _taker(net, number, pairs, readers) if net.layers[number].role in FOLDABLE else None
    if taker is None:
        return Fate("removed", "is not in the net after", brief="removed")
    text = f"into {after.layers[pairs[taker]].name}"
    return Fate("folded", text, pairs[taker], f"folded {text}")


def _taker(net: DrawnNet, number: int, pairs: dict[int, int], readers: list[list[int]]) -> int | None:
    """The layer with weights that a foldable one, together with those around it that are gone too, went into."""
    for ahead in (lambda index: net.layers[index].reads, lambda index: readers[index]):
        index = number
        while index not in pairs and net.layers[index].role in FOLDABLE and len(ahead(index)) == 1:
            index = ahead(index)[0]
        if index in pairs and net.layers[index].role in CONVOLUTIONS:
            return index
    return None
