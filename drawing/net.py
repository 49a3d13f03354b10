"""The input of a drawing: the layers of a net, with all data of the picture and its panel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

Shape = tuple[int, ...]


@dataclass(frozen=True)
class DrawnLayer:
    """One layer.

    reads        indices of the layers whose outputs it reads, each smaller than its own
    label        its main parameters, for the box: "3x3 /2, pad 1"
    parameters   (name, value) of all its fields in the file
    inputs       (name, shape) of its bottoms; a shape is None where it is not known
    outputs      the same of its tops
    weights      shapes of its weights, bias, ...
    shared       names of those that it shares with other layers: number of the blob -> name
    macs         multiply-accumulates, None where they are not known
    memory       bytes of the blobs that it adds, 0 where it works in place, None where not known
    seconds      measured time of one forward
    kind         key of the kind that gives it its colour, for types that `kinds.py` does not have
    layer        Caffe's type of layer that it is one of, where `type` is a word of another format
    """

    name: str
    type: str
    reads: tuple[int, ...] = ()
    label: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    inputs: tuple[tuple[str, Shape | None], ...] = ()
    outputs: tuple[tuple[str, Shape | None], ...] = ()
    weights: tuple[Shape, ...] = ()
    shared: tuple[tuple[int, str], ...] = ()
    macs: int | None = None
    memory: int | None = None
    seconds: float | None = None
    kind: str = ""
    layer: str = ""

    @property
    def role(self) -> str:
        """Caffe's word for its type, by which it is grouped, coloured and compared."""
        return self.layer or self.type

    @property
    def count(self) -> int:
        """Numbers in its weights."""
        return sum(map(math.prod, self.weights))


class Total(NamedTuple):
    """A sum over layers; `whole` is whether it was known of all of them."""

    value: float
    whole: bool = True


@dataclass(frozen=True)
class DrawnNet:
    """A net. `name` is the picture's title."""

    name: str
    layers: tuple[DrawnLayer, ...]

    def totals(self) -> dict[str, Total]:
        """Of layers, parameters (shared ones once), macs, memory, and seconds if there are some."""
        shared = {name: math.prod(layer.weights[n]) for layer in self.layers for n, name in layer.shared}
        own = sum(layer.count - sum(math.prod(layer.weights[n]) for n, _ in layer.shared) for layer in self.layers)
        whole = all(layer.macs is not None for layer in self.layers)
        sums = {key: _sum([getattr(layer, key) for layer in self.layers]) for key in ("macs", "memory", "seconds")}
        if not any(layer.seconds is not None for layer in self.layers):
            del sums["seconds"]
        return {"layers": Total(len(self.layers)), "parameters": Total(own + sum(shared.values()), whole), **sums}


def _sum(values: list[float | None]) -> Total:
    return Total(sum(filter(None, values)), None not in values)
