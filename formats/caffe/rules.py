"""The layers of a net in a phase, by their include and exclude rules."""

from __future__ import annotations

from collections.abc import Collection

from ...errors import InputError
from ..text import quote
from .schema import Message, NetParameter, enum_name


def filter_net(
    message: Message, phase: str = "TEST", level: int = 0, stages: Collection[str] = (), *, path: str = "<net>"
) -> Message:
    """A copy with the layers that `phase` ("TRAIN" or "TEST"), `level` and `stages` select; stages that the net's own
    `state` names are added. Raises InputError (of `path`) for a layer with both include and exclude."""
    stages = {*message.state.stage, *stages}
    kept = NetParameter()
    kept.CopyFrom(message)
    kept.ClearField("layer")
    for number, layer in enumerate(message.layer, start=1):
        if layer.include and layer.exclude:
            found = f"layer {number} {quote(layer.name)} has both include and exclude"
            raise InputError(path, found, "rules of one kind")
        met = any(_is_met(rule, phase, level, stages) for rule in layer.include or layer.exclude)
        if met if layer.include else not met:
            kept.layer.add().CopyFrom(layer)
    return kept


def _is_met(rule: Message, phase: str, level: int, stages: set[str]) -> bool:
    if rule.HasField("phase") and enum_name(rule, "phase") != phase:
        return False
    if rule.HasField("min_level") and level < rule.min_level:
        return False
    if rule.HasField("max_level") and level > rule.max_level:
        return False
    return stages.issuperset(rule.stage) and stages.isdisjoint(rule.not_stage)
