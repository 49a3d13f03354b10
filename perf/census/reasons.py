"""Why a net gets no further, in words that are the same for all nets that have the same reason."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...engine.graph.ir.graph import Node
from ...engine.graph.ops import op_of

NOT_FINITE = "an output is not finite"
MEMORY, TIME, CRASH = "more memory than the bound", "more time than the bound", "ended by"
NO_SHAPE = "an input whose shape the file does not say"
UNKNOWN_TYPES = "layers of types that are not supported"
NO_ONNX = re.compile(r"layers that ONNX cannot express: (.*)")
UNKNOWN_FIELD = re.compile(r"unknown field '([^']+)', expected a field of (\w+)")
UNKNOWN_VALUE = re.compile(r"(\w+): '?(\w+)'? is unknown")
LAYER = re.compile(r"layer (?:'[^']*'|\d+)(?: \((?P<type>[^()]*)\))?:? ?")
NAMES = re.compile(r"'[^']*'|\[[^][]*\]")
HINT = re.compile(r" \(.*\)$")
NUMBER = re.compile(r"(?<![\w.])-?\d[\d,.e+-]*")
LONGEST = 120


class Ended(Exception):
    """A net gets no further, for these `reasons`."""

    def __init__(self, reasons: Iterable[str]):
        self.reasons = [*dict.fromkeys(reasons)]
        super().__init__("; ".join(self.reasons))


def unknown_types(nodes: Iterable[Node]) -> list[str]:
    """A reason for each layer of a type that there is not."""
    return [f"type not supported: {node.type}" for node in nodes if op_of(node) is None]


def reasons_of(error: Exception, path: str) -> list[str]:
    """Of an error that a net of this file has ended with; none for one that `unknown_types` says."""
    if isinstance(error, Ended):
        return error.reasons
    text = str(error)
    if isinstance(error, MemoryError):
        return [MEMORY]
    if UNKNOWN_TYPES in text:
        return []
    if found := NO_ONNX.search(text):
        return [f"type without ONNX: {kind}" for kind in re.findall(r"\(([\w.]+)\)", found[1])]
    if found := UNKNOWN_FIELD.search(text):
        return [f"unknown field: {found[2]}.{found[1]}"]
    if found := UNKNOWN_VALUE.search(text):
        return [f"unknown value: {found[1]} {found[2]}"]
    return [NO_SHAPE if "does not say the shape" in text else _general(text, path)]


def _general(text: str, path: str) -> str:
    """The first line of a message, without its hint, and the names and numbers of the one net."""
    text = re.sub(r"^(?::\d+)*: ", "", text.replace(path, "").partition("\n")[0])
    text = LAYER.sub(lambda found: f"{found['type']}: " if found["type"] else "", text)
    return " ".join(NUMBER.sub("N", NAMES.sub("X", HINT.sub("", text))).split())[:LONGEST]
