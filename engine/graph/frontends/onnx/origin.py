"""What an ONNX file says beside its graph of layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class OnnxOrigin:
    """The `origin` of a graph that was read from ONNX: names of inputs and outputs in the file's order, its opset, and
    what is written back with it."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    opset: int
    doc: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
