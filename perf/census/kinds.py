"""What a prototxt is of: a net, a solver or something else, such as labels or a list of names for data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...formats.caffe.outline import TEXT_TOKEN
from ...formats.caffe.text import MOST_PROTOTXT_BYTES, SOLVER_FIELDS

NET, SOLVER, OTHER = "net", "solver", "other"
LAYERS = {"layer", "layers"}


def prototxts(folder: Path) -> list[Path]:
    """All .prototxt below `folder`, sorted."""
    return sorted(path for path in folder.rglob("*.prototxt") if path.is_file())


def kind_of(path: Path) -> str:
    """By the names of its outer fields, as far as the text goes: a net with a fault is a net."""
    with path.open("rb") as file:
        names = {*_fields(file.read(MOST_PROTOTXT_BYTES).decode("utf-8-sig", "replace"))}
    return NET if names & LAYERS else SOLVER if names & SOLVER_FIELDS else OTHER


def _fields(text: str) -> Iterator[str]:
    depth, stop, name = 0, 0, ""
    while (match := TEXT_TOKEN.match(text, stop)) and match.lastgroup:
        token, stop = match[match.lastgroup], match.end()
        if token in ("{", ":", "<") and depth == 0 and name:
            yield name
        depth += (token in ("{", "<")) - (token in ("}", ">"))
        name = token if match.lastgroup == "name" else ""
