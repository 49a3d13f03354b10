"""Two nets of any files, run side by side, each by caffe64 or, if it is an ONNX model, by onnxruntime.

A side has `path`, `place` (where it runs), the `shapes` of its inputs by name, its `graph` if caffe64 runs it,
`is_half` if it computes in float16, `run`, and `labels`: those inputs whose numbers are whole.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from ..arguments import FLOOR, TOLERANCE, seed_number
from ..engine.graph.ir.graph import Graph
from ..engine.graph.passes.preparation import Preparation
from ..engine.graph.verification.difference import Difference, check_close, difference
from ..engine.graph.verification.finite import check_finite
from ..engine.graph.verification.rows import FoundRows
from ..engine.graph.verification.scale import output_rows, output_scales
from ..engine.graph.verification.ulp import ulp_text
from ..engine.graph.verification.verify import labels_of, random_inputs, run_graph
from ..errors import InputError, UsageError
from ..formats.files import open_input
from ..formats.onnx import OnnxValue
from ..formats.onnx.inputs import with_shapes
from ..formats.onnx.outline import unread_inputs
from .net import CaffeNet

Arrays = dict[str, np.ndarray]
PIXELS = 256
TYPES: dict[str, np.dtype[Any]] = {  # of inputs in onnxruntime
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    "tensor(int64)": np.dtype(np.int64),
    "tensor(int32)": np.dtype(np.int32),
    "tensor(uint8)": np.dtype(np.uint8),
    "tensor(bool)": np.dtype(np.bool_),
}


class NetSide(Protocol):
    path: str
    place: str
    graph: Graph | None
    is_half: bool

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]: ...
    def random(self, seed: int, prepared: Mapping[str, Preparation]) -> Arrays: ...
    def run(self, inputs: Arrays, *, reference: bool) -> Arrays: ...
    def scales(self, inputs: Arrays, outputs: Arrays) -> Mapping[str, Any]: ...
    def labels(self, inputs: Arrays) -> set[str]: ...


class CaffeSide:
    """A net that caffe64 runs."""

    def __init__(self, net: CaffeNet):
        self.net, self.path, self.place, self.is_half = net, net.path, "caffe64", False
        self.graph: Graph | None = net.graph

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        needed, shapes = self.net.graph.needed_inputs, self.net.shapes
        return {blob.name: shapes[blob] for blob in needed}

    def random(self, seed: int, prepared: Mapping[str, Preparation]) -> Arrays:
        return random_inputs(self.net.graph, self.net.shapes, seed, prepared)

    def run(self, inputs: Arrays, *, reference: bool) -> Arrays:
        return run_graph(self.net.graph, inputs, reference=reference)

    def scales(self, inputs: Arrays, outputs: Arrays) -> Mapping[str, Any]:
        return output_scales(self.net.graph, inputs)

    def labels(self, inputs: Arrays) -> set[str]:
        return labels_of(self.net.graph, inputs)


class RuntimeSide:
    """An ONNX model that onnxruntime runs. Raises UsageError where that is not installed, InputError where it refuses
    the model, or where a shape is not known."""

    place, graph = "onnxruntime", None

    def __init__(self, path: str | os.PathLike[str], shapes: Mapping[str, Sequence[int]] | Sequence[int] | None = None):
        if importlib.util.find_spec("onnxruntime") is None:
            raise UsageError(f"{os.fspath(path)}: needs onnxruntime, which is not installed (pip install onnxruntime)")
        import onnxruntime

        self.path = os.fspath(path)
        with open_input(self.path):  # a web page, or no file at all, is said better here
            pass
        onnxruntime.set_default_logger_severity(4)
        self.session = self._try(lambda: onnxruntime.InferenceSession(self.path, providers=["CPUExecutionProvider"]))
        self.types = {each.name: each.type for each in self.session.get_inputs()}
        self.is_half = "tensor(float16)" in self.types.values()
        for name, kind in self.types.items():
            if kind not in TYPES:
                raise InputError(self.path, f"input {name!r} is of type {kind}", "one of numbers")
        values = [OnnxValue(each.name, _dimensions(each.shape)) for each in self.session.get_inputs()]
        known = with_shapes(self.path, values, shapes or None)
        sizes = {name: tuple(n if isinstance(n, int) else 1 for n in shape) for name, shape in known.items()}
        unread = unread_inputs(self.path)
        self.shapes = {name: shape for name, shape in sizes.items() if name not in unread}
        self.unread = {name: np.zeros(sizes[name], np.float32) for name in sizes if name in unread}

    def _try(self, action: Any) -> Any:
        try:
            return action()
        except Exception as error:  # onnxruntime's own, without a common base
            text = str(error).strip().splitlines()[0]
            raise InputError(self.path, f"onnxruntime cannot run it: {text}") from None

    def random(self, seed: int, prepared: Mapping[str, Preparation]) -> Arrays:
        source = np.random.default_rng(seed_number(seed))
        found = {}
        for name, shape in self.shapes.items():
            whole = name in prepared or TYPES[self.types[name]].kind != "f"
            most = PIXELS if name in prepared else 2
            found[name] = source.integers(0, most, shape) if whole else source.standard_normal(shape, np.float32)
        return {name: values.astype(np.float32) for name, values in found.items()}

    def run(self, inputs: Arrays, *, reference: bool) -> Arrays:
        names = [each.name for each in self.session.get_outputs()]
        given = {name: values for name, values in {**self.unread, **inputs}.items() if name in self.types}
        feeds = {name: values.astype(TYPES[self.types[name]]) for name, values in given.items()}
        if missing := self.types.keys() - feeds.keys():
            raise UsageError(f"no values for the input {min(missing)!r}")
        found = self._try(lambda: self.session.run(names, feeds))
        return {name: np.asarray(values, np.float32) for name, values in zip(names, found, strict=True)}

    def scales(self, inputs: Arrays, outputs: Arrays) -> Mapping[str, Any]:
        return largest(outputs)

    def labels(self, inputs: Arrays) -> set[str]:
        return {name for name, kind in self.types.items() if TYPES[kind].kind != "f"}


def largest(outputs: Arrays) -> Mapping[str, float]:
    """The largest value of each output: its scale, where layers cannot be looked into."""
    return {name: float(np.abs(values).max(initial=0)) for name, values in outputs.items()}


def _dimensions(shape: Sequence[Any] | None) -> tuple[int | str | None, ...] | None:
    return None if shape is None else tuple(n if isinstance(n, str) or (n and n > 0) else None for n in shape)


def verify_sides(
    first: NetSide,
    second: NetSide,
    inputs: Mapping[str, np.ndarray] | None = None,
    *,
    prepared: Mapping[str, Preparation] | None = None,
    tolerance: float = TOLERANCE,
    floor: float = FLOOR,
    seed: int = 0,
    reference: bool = False,
) -> list[Difference]:
    """As `verify`, for nets that caffe64 or something else runs. `inputs` are by the names of the first net's;
    inputs and outputs of other names are taken in their order. Without a graph of the first net the scale of an output
    is its largest value."""
    prepared = prepared or {}
    raw = {name: np.ascontiguousarray(each) for name, each in (inputs or first.random(seed, prepared)).items()}
    ready = {name: prepared[name].apply(name, each) if name in prepared else each for name, each in raw.items()}
    names = _pairs("inputs", list(first.shapes), list(second.shapes))
    raw = {names[name]: each for name, each in raw.items() if name in names}
    expected, found = first.run(ready, reference=True), second.run(raw, reference=reference)
    check_finite(expected, ready, f"{first.path} in {first.place}", first.graph)
    check_finite(found, raw, f"{second.path} in {second.place}", second.graph)
    rows = output_rows(second.graph, raw) if first.graph is None and second.graph is not None else {}
    others = _pairs("outputs", list(expected), list(found))
    turned = {name: rows[other] for name, other in others.items() if other in rows}
    scales = {**first.scales(ready, expected)}
    scales |= {name: FoundRows(each.keys, (expected[name],)) for name, each in turned.items()}
    differences = [
        _turned(name, expected[name], found[other], turned[name], floor)
        if name in turned
        else difference(name, expected[name], found[other], scales[name], floor)
        for name, other in others.items()
    ]

    def rounding(wrong: Sequence[Difference]) -> str:
        run = functools.partial(first.run, reference=True)
        return ulp_text(wrong, run, ready, scales, still=first.labels(ready), floor=floor)

    check_close(differences, tolerance, floor, "the nets differ", rounding)
    return differences


def _turned(name: str, expected: np.ndarray, found: np.ndarray, rows: FoundRows, floor: float) -> Difference:
    """Of rows that only the second net knows to be some."""
    other_way = difference(name, found, expected, rows, floor)
    return replace(other_way, values=other_way.values[::-1])


def _pairs(what: str, first: Sequence[str], second: Sequence[str]) -> dict[str, str]:
    """Names of the first -> those of the second: the same ones, else in their order. Raises UsageError for other
    numbers of them."""
    if len(first) != len(second):
        raise UsageError(f"the nets have {len(first)} and {len(second)} {what}: {list(first)} and {list(second)}")
    return dict(zip(first, first if set(first) == set(second) else second, strict=True))
