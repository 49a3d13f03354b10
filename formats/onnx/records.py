"""What an ONNX file says, as plain records: nodes in an order that runs, constants as arrays, inputs, outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Dimension = int | str | None  # a number, a free dimension's name, or a free one without a name


@dataclass(frozen=True)
class OnnxValue:
    """An input or an output of the model. `shape` is None where the file does not say its rank; `type` is ONNX's word
    for the element type ("float", "int64", ...)."""

    name: str
    shape: tuple[Dimension, ...] | None
    type: str = "float"


@dataclass(frozen=True)
class OnnxNode:
    """One operator. `name` is unique in the model: the file's, or else its first output's. An absent optional input
    or output is "". `attributes` are ints, floats, strings, tuples of them, or arrays; subgraphs are left out.
    `version` is the opset in which the operator got its present meaning (5 for Reshape of opsets 5 to 12); 0 if
    ONNX does not have it, as with the operators of other domains ("" is ONNX's own)."""

    name: str
    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    domain: str = ""
    version: int = 0


@dataclass(frozen=True)
class OnnxModel:
    """A model. `constants` are the initialisers and all that was folded, by name: read-only arrays. `shapes` are those
    of all values as far as they were inferred. `opset` is that of ONNX's own operators. `metadata` are the entries
    metadata_props, `notices` what reading changed, for the user. `path` names the model in messages.

    As `read_onnx` gives it, only data are left as values: constants are folded, operators that do nothing are dropped.
    Floating point is float32. Where `free_batch`, nothing in it depends on the first dimension of the inputs: that
    dimension is a name in `shapes` (in an input, the file's number if it has one; None where a dimension is a multiple
    or the like), the targets of Reshape have 0 or -1, those of Expand 1, and the sizes of Resize 0 in its place, which
    means: as in its input. Else all numbers are for the inputs as they are in `inputs`, and `fixed_by` says why.
    """

    path: str
    opset: int
    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, np.ndarray]
    inputs: tuple[OnnxValue, ...]
    outputs: tuple[OnnxValue, ...]
    shapes: Mapping[str, tuple[Dimension, ...]] = field(default_factory=dict)
    name: str = ""
    doc: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    free_batch: bool = False
    fixed_by: str = ""


@dataclass(frozen=True)
class OnnxOutline:
    """A model of any operators as its file has it, without its numbers: `constants` are its initialisers and what its
    Constant nodes hold, which are not among `nodes`. In the attributes, tensors and subgraphs are texts. `shapes` are
    those that are known, for a batch of 1 where the file leaves it free. `opset` is 0 where the package onnx does not
    know it."""

    path: str
    name: str
    opset: int
    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, OnnxValue]
    inputs: tuple[OnnxValue, ...]
    outputs: tuple[OnnxValue, ...]
    shapes: Mapping[str, tuple[int, ...]]
    notices: tuple[str, ...] = ()
