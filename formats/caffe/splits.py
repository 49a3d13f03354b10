"""Split layers, as Caffe inserts them after a layer whose top has several readers, the loss being one of them. They are
in the models that it saves, and in its log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from .schema import Message, NetParameter

Place = tuple[int, int]  # a layer and one of its tops


@dataclass(frozen=True)
class SplitNet:
    """A net with them: `net`, and for each of its layers the number of the one in the net that it was made of, None
    for a Split."""

    net: Message
    numbers: list[int | None]

    @property
    def names(self) -> list[str]:
        return [layer.name for layer in self.net.layer]


def insert_splits(net: Message) -> SplitNet:
    """Of a NetParameter of one phase, which stays as it is."""
    sources = _sources(net)
    readers = Counter(place for places in sources for place in places)
    made, numbers = NetParameter(), list[int | None]()
    made.CopyFrom(net)
    made.ClearField("layer")
    taken: Counter[Place] = Counter()
    for number, layer in enumerate(net.layer):
        copy = made.layer.add()
        copy.CopyFrom(layer)
        numbers.append(number)
        for index, place in enumerate(sources[number]):
            if readers[place] + _counts(net, place) > 1:
                copy.bottom[index] = _top(net, place, taken[place])
                taken[place] += 1
        for index in range(len(layer.top)):
            place = number, index
            count = readers[place] + _counts(net, place)
            if count > 1:
                _add_split(made, net, place, count)
                numbers.append(None)
                if _counts(net, place):
                    copy.ClearField("loss_weight")
                    taken[place] += 1
    return SplitNet(made, numbers)


def _sources(net: Message) -> list[list[Place]]:
    """For each layer, which top each of its bottoms is: the last one of that name before it."""
    last: dict[str, Place] = {}
    found = []
    for number, layer in enumerate(net.layer):
        found.append([last[name] for name in layer.bottom])
        last.update((name, (number, index)) for index, name in enumerate(layer.top))
    return found


def _counts(net: Message, place: Place) -> bool:
    """Whether the loss reads it by a weight that its layer gives."""
    weights = net.layer[place[0]].loss_weight
    return place[1] < len(weights) and weights[place[1]] != 0


def _name(net: Message, place: Place) -> str:
    layer = net.layer[place[0]]
    return f"{layer.top[place[1]]}_{layer.name}_{place[1]}_split"


def _top(net: Message, place: Place, number: int) -> str:
    return f"{_name(net, place)}_{number}"


def _add_split(made: Message, net: Message, place: Place, count: int) -> None:
    split = made.layer.add(name=_name(net, place), type="Split", bottom=[net.layer[place[0]].top[place[1]]])
    split.top.extend(_top(net, place, number) for number in range(count))
    if _counts(net, place):
        split.loss_weight.extend([net.layer[place[0]].loss_weight[place[1]], *[0.0] * (count - 1)])
