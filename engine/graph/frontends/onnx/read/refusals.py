"""Operators of a model that no layer has, all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ......errors import InputError
from ......formats.onnx.records import OnnxModel, OnnxNode

READ_UP_TO = 24  # the opset up to which the functions here were written
# operators whose later versions add types of numbers, and nothing else; SpaceToDepth's mode is read
SAME_SINCE = frozenset(("Celu", "DepthToSpace", "Flatten", "Identity", "Pad", "Reshape", "SpaceToDepth", "Squeeze"))
SAME_SINCE |= {"Transpose", "Unsqueeze"}
SHOWN = 3  # nodes of a type, in messages


def check_operators(model: OnnxModel, table: Mapping[str, Callable]) -> None:
    """Raises InputError that names all operators of other domains, or without a function in `table`, or of a meaning
    that is newer than it."""
    foreign = [node for node in model.nodes if node.domain]
    if foreign:
        named = _listed(foreign, lambda node: f"{_shown(node.type)} of the domain {node.domain!r}")
        raise InputError(model.path, f"has operators of other domains: {named}", "operators of ONNX itself", WAY_OUT)
    unknown = {node.name: words for node in model.nodes if (words := _unknown(model, node, table))}
    if unknown:
        nodes = [node for node in model.nodes if node.name in unknown]
        named = _listed(nodes, lambda node: unknown[node.name])
        raise InputError(model.path, f"has operators that caffe64 does not know: {named}", "a CNN of float32", WAY_OUT)


WAY_OUT = "summary, draw and verify work with any operator"


def _unknown(model: OnnxModel, node: OnnxNode, table: Mapping[str, Callable]) -> str:
    """What a node is, if it is not known."""
    if node.type not in table:
        return _shown(node.type)
    if node.version > READ_UP_TO and node.type not in SAME_SINCE:
        return f"{node.type} of opset {node.version}"
    computed = not any(name in model.constants for name in node.inputs[:2])
    return f"{node.type} of two computed values" if node.type in ("Gemm", "MatMul", "Pow") and computed else ""


def _shown(kind: str) -> str:
    """A type as the file has it, in one line."""
    return repr(kind)[1:-1] or "''"


def _listed(nodes: Sequence[OnnxNode], words: Callable[[OnnxNode], str]) -> str:
    """`LSTM (2: 'a', 'b'), ...`: what there is, how often, and the first names."""
    groups: dict[str, list[str]] = {}
    for node in nodes:
        groups.setdefault(words(node), []).append(node.name)
    return ", ".join(
        f"{kind} ({len(names)}: {', '.join(map(repr, names[:SHOWN]))}{', ...' if len(names) > SHOWN else ''})"
        for kind, names in groups.items()
    )
