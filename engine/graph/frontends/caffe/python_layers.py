"""Layers of the type Python. A graph knows one by the module and the class that its file names, `module.class`; these
are never imported. Some are layers of the package, by the class and the last part of the module."""

from __future__ import annotations

from ...ops import OPS

PYTHON = "Python"
KNOWN = {("proposal_layer", "ProposalLayer"): "Proposal"}  # py-faster-rcnn's


def type_of(layer) -> str:
    """The type that a graph has for a layer of this message."""
    python = layer.python_param
    if layer.type != PYTHON or not python.module or not python.layer:
        return layer.type
    named = f"{python.module}.{python.layer}"  # one that is registered comes first
    return named if named in OPS else KNOWN.get((python.module.rpartition(".")[2], python.layer), named)


def type_in_file(layer, kind: str) -> str:
    """The type that a file has for a node of the type `kind`; `layer` is what it was read from, or empty."""
    return PYTHON if layer.type == PYTHON and type_of(layer) == kind else kind
