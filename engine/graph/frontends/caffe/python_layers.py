"""Layers of the type Python. A graph knows one by the module and the class that its file names, `module.class`; these
are never imported."""

from __future__ import annotations

PYTHON = "Python"


def type_of(layer) -> str:
    """The type that a graph has for a layer of this message."""
    python = layer.python_param
    return f"{python.module}.{python.layer}" if layer.type == PYTHON and python.module and python.layer else layer.type


def type_in_file(layer, kind: str) -> str:
    """The type that a file has for a node of the type `kind`; `layer` is what it was read from, or empty."""
    return PYTHON if layer.type == PYTHON and type_of(layer) == kind else kind
