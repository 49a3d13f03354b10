"""The net of a scoring job, opened once in each thread that runs some: a text net, a Caffe net or an ONNX model.

A description of a net is a plain dict, as a job is sent:

    kind      "text", "caffe" or "onnx"
    files     the net and its weights, absolute paths; of "onnx" one
    digests   SHA-256 of each
    blob      name of the blob whose values are the scores, None for the only output
    threads   as of every call
    layers    a Python file that registers layers, or None
    options   of `load_caffe` or `load_onnx`
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ..api import Net
from ..caffe.load import load_caffe
from ..caffe.load_onnx import load_onnx
from ..caffe.net import CaffeNet
from ..engine.compiler.jit import Kernel
from ..engine.graph.analysis.shapes import infer_shapes
from ..engine.graph.execution.required_kernels import kernels_of
from ..errors import InputError, UsageError
from ..formats.content import A_MODEL, A_TEXT_NET, HEAD, ITS_WEIGHTS, ORDER, recognise
from ..formats.files import PIECE, open_input
from ..formats.onnx import is_onnx
from .own_layers import load_layers, loaded_layers

Shape = tuple[int, ...]
Rows = dict[str, np.ndarray]
AnyKernel = Kernel[*tuple[Any, ...], Any]
BATCH = 16  # rows, where neither the call nor the net says how many
BATCH_NUMBERS = 1 << 22  # of an input, of which a batch has at most so many then
TEXT_BATCH = 4096  # of small rows
_opened = threading.local()  # a net runs in one thread at a time


class Scorer(Protocol):
    """A net that gives one row of scores for each row of its inputs. `inputs` are the names of those that it needs,
    `output` that of the scores."""

    output: str

    @property
    def inputs(self) -> Sequence[str]: ...

    @property
    def notices(self) -> Sequence[str]: ...

    @property
    def kernels(self) -> list[AnyKernel]: ...

    def row_shapes(self, found: Mapping[str, Shape], paths: Mapping[str, str]) -> dict[str, Shape]:
        """The shapes in which rows are fed, for those in files. Raises InputError of a file that does not fit."""
        ...

    def batch(self, rows: Mapping[str, Shape]) -> int:
        """The batch that fits rows of these shapes, where a call does not say it."""
        ...

    def run(self, inputs: Rows, batch: int) -> np.ndarray:
        """Scores float32 [n, ...] of n rows, at most a `batch`."""
        ...


def describe_net(
    net: str | os.PathLike[str],
    model: str | os.PathLike[str] | None,
    *,
    blob: str | None = None,
    threads: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The description of a net in files, as it is sent. Raises InputError for a file that cannot be read."""
    files = [os.path.abspath(path) for path in (net, model) if path is not None]
    return {
        "kind": kind_of_net(net),
        "files": files,
        "digests": [_digest(path) for path in files],
        "blob": blob,
        "threads": threads,
        "layers": loaded_layers(),
        "options": dict(options or {}),
    }


def kind_of_net(net: str | os.PathLike[str]) -> str:
    """ "onnx" by the name, "text" by the content, else "caffe", whose reader finds out. InputError for weights."""
    if is_onnx(net):
        return "onnx"
    with open_input(net) as file:
        kind, _ = recognise(file.read(HEAD))
    if kind in (ITS_WEIGHTS, A_MODEL):
        raise InputError(net, f"is {kind}", "a net", ORDER)
    return "text" if kind == A_TEXT_NET else "caffe"


def open_net(net: Mapping[str, Any]) -> Scorer:
    """The net of a description, kept until this thread opens another one. Raises InputError also for files that are
    not those that were described."""
    states = [os.stat(path) for path in net["files"] if os.path.exists(path)]
    key = json.dumps([net, [(state.st_mtime_ns, state.st_size) for state in states]], sort_keys=True)
    if getattr(_opened, "key", None) != key:
        _opened.key = None  # the one that was kept goes before there is another
        _opened.scorer = _open(net)
        _opened.key = key
    scorer: Scorer = _opened.scorer
    return scorer


def _open(net: Mapping[str, Any]) -> Scorer:
    for path, expected in zip(net["files"], net["digests"], strict=True):
        if _digest(path) != expected:
            hint = "was it changed since, or has this host another one?"
            raise InputError(path, "is not the file that the scoring began with", hint=hint)
    if net["layers"]:
        load_layers(net["layers"])
    if net["kind"] == "text":
        path, weights = net["files"]
        return TextScorer(Net.read(path).load(weights), net["threads"])
    load = load_onnx if net["kind"] == "onnx" else load_caffe
    return CaffeScorer(load(*net["files"], threads=net["threads"], **net["options"]), net["blob"])


def _digest(path: str) -> str:
    found = hashlib.sha256()
    with open_input(path) as file:
        while part := file.read(PIECE):
            found.update(part)
    return found.hexdigest()


class TextScorer:
    """A text net: outputs as of `Net.predict`."""

    inputs: Sequence[str] = ("",)
    notices: Sequence[str] = ()
    output = "output"

    def __init__(self, net: Net, threads: int | None):
        self._net, self._threads = net, threads

    @property
    def kernels(self) -> list[AnyKernel]:
        return self._net.kernels(training=False)

    def row_shapes(self, found: Mapping[str, Shape], paths: Mapping[str, str]) -> dict[str, Shape]:
        features = self._net.spec.features
        for name, shape in found.items():
            if math.prod(shape) != features:
                raise InputError(paths[name], f"holds rows of the shape {list(shape)}", f"rows of {features} numbers")
        return dict.fromkeys(found, (features,))

    def batch(self, rows: Mapping[str, Shape]) -> int:
        numbers = sum(math.prod(shape) for shape in rows.values())
        return max(1, min(TEXT_BATCH, BATCH_NUMBERS // numbers))

    def run(self, inputs: Rows, batch: int) -> np.ndarray:
        (rows,) = inputs.values()
        return self._net.predict(rows.reshape(len(rows), -1), threads=self._threads)


class CaffeScorer:
    """A net of Caffe or ONNX, which runs batches of one shape: the last one is filled up with zeros, so that whatever
    rows a job has, they lie where one job of all rows would have them."""

    def __init__(self, net: CaffeNet, blob: str | None):
        self.net, self.inputs, self.notices = net, net.needed_inputs, net.notices
        self.output = _chosen(net, blob)
        self._blobs = None if blob is None else [blob]

    @property
    def kernels(self) -> list[AnyKernel]:
        return kernels_of(self.net.graph)

    def row_shapes(self, found: Mapping[str, Shape], paths: Mapping[str, str]) -> dict[str, Shape]:
        own = {blob.name: shape for blob, shape in self.net.shapes.items() if blob in self.net.graph.inputs}
        for name, shape in found.items():
            if len(shape) != len(own[name]) - 1:
                expected = f"[N, {', '.join(map(str, own[name][1:]))}], the shape of the input {name!r}"
                raise InputError(paths[name], f"holds an array [N{''.join(f', {size}' for size in shape)}]", expected)
        return dict(found)

    def batch(self, rows: Mapping[str, Shape]) -> int:
        """That of the net's file if it is above 1, else one of some rows if the net takes that."""
        own = (*self.net.blobs[self.inputs[0]].shape, 1)[0]
        if own > 1:
            return own
        numbers = sum(math.prod(shape) for shape in rows.values())
        wanted = max(1, min(BATCH, BATCH_NUMBERS // max(1, numbers)))
        return wanted if self._takes(wanted, rows) else 1

    def _takes(self, batch: int, rows: Mapping[str, Shape]) -> bool:
        try:
            shapes = infer_shapes(self.net.graph, {name: (batch, *shape) for name, shape in rows.items()})
        except InputError:
            return False
        return all(shape[:1] == (batch,) for blob, shape in shapes.items() if blob.name == self.output)

    def run(self, inputs: Rows, batch: int) -> np.ndarray:
        rows = len(next(iter(inputs.values())))
        if rows < batch:
            inputs = {name: _filled_up(array, batch) for name, array in inputs.items()}
        found = self.net.forward(self._blobs, None, None, **inputs)[self.output]
        if self.net.session.states:
            layers = ", ".join(repr(node.name) for node in self.net.session.states)
            raise UsageError(f"the layers {layers} carry a state from batch to batch: caffe64 run takes such nets")
        if found.shape[:1] != (batch,):
            raise UsageError(
                f"{self.output!r} has the shape {list(found.shape)}: no row for each of a batch of {batch}"
            )
        return found[:rows]


def _chosen(net: CaffeNet, blob: str | None) -> str:
    known = {top.name for node in net.graph.nodes for top in node.tops}
    if blob is not None and blob not in known:
        raise InputError(net.path, f"has no blob {blob!r}", ", ".join(sorted(known)))
    outputs = [each.name for each in net.graph.results]
    if blob is None and len(outputs) != 1:
        raise UsageError(f"the net has the outputs {', '.join(outputs)}: choose one with --blob NAME")
    return outputs[0] if blob is None else blob


def _filled_up(array: np.ndarray, batch: int) -> np.ndarray:
    return np.concatenate([array, np.zeros((batch - len(array), *array.shape[1:]), array.dtype)])
