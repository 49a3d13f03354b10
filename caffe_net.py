"""Caffe models from Python: load, run, optimise, verify and save them, with the names that users of pycaffe know.

net = caffe64.load_caffe("deploy.prototxt", "net.caffemodel")
probabilities = net.forward(data=images)["prob"]
smaller, reports = caffe64.optimize(net)
caffe64.verify(net, smaller)
smaller.save("small.prototxt", "small.caffemodel")
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from .arguments import flag, seed_number
from .engine.graph.build import assign_weights, build_graph, graph_message
from .engine.graph.fillers import fill
from .engine.graph.gradients import Gradients, WeightGradients, weight_gradients
from .engine.graph.graph import Blob, Graph, Node, Shape
from .engine.graph.optimize import Passes, Preparation, optimize_graph
from .engine.graph.passes.report import Report
from .engine.graph.session import Session
from .engine.graph.shapes import infer_shapes, weight_shapes
from .engine.graph.verify import Difference, compare_graphs, random_inputs
from .engine.threads import check_threads
from .errors import CheckFailed, UsageError
from .formats.caffe import (
    deploy_net,
    filter_net,
    match_weights,
    read_caffemodel,
    read_prototxt,
    write_caffemodel,
    write_prototxt,
)

__all__ = ["Array", "CaffeNet", "Difference", "Passes", "Preparation", "load_caffe", "optimize", "verify"]

TOLERANCE = 1e-4  # of verify: relative to the largest value of an output


class Array:
    """A blob of the net or of a layer, of this `shape`."""

    def __init__(self, shape: Shape, find_data: Callable[[], np.ndarray], find_diff: Callable[[], np.ndarray]):
        self.shape, self._find_data, self._find_diff = shape, find_data, find_diff

    @property
    def data(self) -> np.ndarray:
        """Its float32 memory, to read and to write."""
        return self._find_data()

    @property
    def diff(self) -> np.ndarray:
        """Its gradient, float32 of the same shape, to read and to write. Raises UsageError where there is none."""
        return self._find_diff()

    def __repr__(self) -> str:
        return f"Array{self.shape}"


class CaffeNet:
    """A Caffe net that runs. `graph` is its graph, `notices` what the reader had to say, `path` its file.

    inputs, outputs    names, in the order of the file, and sorted
    blobs              name -> Array, of the net as it was last shaped
    params             name of a layer -> its Arrays: weights, bias, ...

    `forward` lets blobs share memory, and layers run inside each other. The first look at the `data` of a blob that is
    neither an input nor an output makes the net keep all of them, which is slower. `threads`: None for as many as pay
    off; `exact`: convolutions as plain sums, without Winograd's algorithm, which is faster and costs some digits.

    Gradients are there in the TRAIN phase, and where the net has force_backward; see `backward`. A pickle or a copy
    holds the net, its shapes and its weights; values of blobs and gradients are not in it.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        path: str = "<net>",
        notices: Sequence[str] = (),
        threads: int | None = None,
        exact: bool = False,
    ):
        self.graph, self.path, self.notices = graph, path, list(notices)
        self.threads, self.exact = check_threads(threads), flag("exact", exact)
        self._shapes: dict[str, Shape] = {}
        self._session: Session | None = None
        self._has_run = False
        self._gradients: Gradients | None = None
        self._weight_gradients: WeightGradients | None = None

    def __getstate__(self) -> dict:
        unprepared = {"_session": None, "_has_run": False, "_gradients": None, "_weight_gradients": None}
        return vars(self) | unprepared

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        assign_weights(self.graph, [node.weights for node in self.graph.nodes])  # shared ones are one memory again

    @property
    def inputs(self) -> list[str]:
        return [blob.name for blob in self.graph.inputs]

    @property
    def outputs(self) -> list[str]:
        return [blob.name for blob in self.graph.outputs]

    @property
    def shapes(self) -> dict[Blob, Shape]:
        """The shape of each blob of the graph."""
        return self._session.shapes if self._session else infer_shapes(self.graph, self._shapes)

    @property
    def session(self) -> Session:
        """The net prepared for its present input shapes."""
        if self._session is None:
            self._session = self._prepared(self._shapes)
        return self._session

    @property
    def blobs(self) -> dict[str, Array]:
        session = self.session
        return {
            blob.name: Array(shape, partial(session.array, blob), partial(self._diff, blob))
            for blob, shape in session.shapes.items()
        }

    @property
    def params(self) -> dict[str, list[Array]]:
        for node in self.graph.nodes:
            node.lent = True  # the caller may write to them
        return {
            node.name: [
                Array(blob.shape, partial(node.weights.__getitem__, n), partial(self._weight_diff, node, n))
                for n, blob in enumerate(node.weights)
            ]
            for node in self.graph.nodes
            if node.weights
        }

    def reshape(self, **shapes: Shape) -> None:
        """Shape the net for inputs of other shapes, by name. Raises InputError where a layer does not fit them."""
        wanted = {**self._shapes, **{name: tuple(map(int, shape)) for name, shape in shapes.items()}}
        self._session = self._prepared(wanted)
        self._shapes, self._gradients, self._has_run = wanted, None, False

    def forward(self, **inputs) -> dict[str, np.ndarray]:
        """Run the net on all its inputs, by name, arrays of any shape that it takes; without any, on what they hold.

        Returns its outputs, float32 arrays by name. Raises UsageError for a missing or an unknown input.
        """
        if inputs and set(inputs) != set(self.inputs):
            raise UsageError(f"forward was given the inputs {sorted(inputs)}, the net has {sorted(self.inputs)}")
        arrays = {name: np.asarray(values, np.float32) for name, values in inputs.items()}
        current = {blob.name: self._session.shapes[blob] for blob in self.graph.inputs} if self._session else {}
        if any(current.get(name) != array.shape for name, array in arrays.items()):
            self.reshape(**{name: array.shape for name, array in arrays.items()})
        session = self.session
        for blob in self.graph.inputs:
            if blob.name in arrays:
                session.array(blob)[...] = arrays[blob.name]
        session.forward()
        self._has_run = True
        return {blob.name: session.array(blob).copy() for blob in self.graph.outputs}

    def backward(self, **diffs) -> dict[str, np.ndarray]:
        """The gradients of what the last `forward` computed, from `diffs`, gradients of outputs by name.

        A loss begins with its loss_weight; any other output that is not given, with what its `diff` holds, zeros at
        first. Gradients of blobs are overwritten, those of weights added to: `clear_param_diffs` sets them to 0.
        Returns those of the inputs, of which there are some with force_backward, by name. Raises UsageError without
        gradients or without a `forward`, and for a wrong name or shape; InputError for a layer that has no gradient.
        """
        if not self._has_run:
            raise UsageError("backward needs a forward before it")
        outputs = {blob.name: blob for blob in self.graph.outputs}
        if unknown := sorted(diffs.keys() - outputs):
            raise UsageError(f"backward was given a diff of {unknown[0]!r}, the net's outputs are {sorted(outputs)}")
        gradients = self._gradients_from([outputs[name] for name in diffs])
        for name, values in diffs.items():
            values, diff = np.asarray(values, np.float32), gradients.blobs[outputs[name]]
            if values.shape != diff.shape:
                raise UsageError(f"the diff of {name!r} has the shape {values.shape}, the output {diff.shape}")
            diff[...] = values
        gradients.backward()
        return {blob.name: gradients.blobs[blob].copy() for blob in self.graph.inputs if blob in gradients.blobs}

    def clear_param_diffs(self) -> None:
        """Set the gradients of all weights to 0."""
        self._weight_gradients = self._weight_gradients or weight_gradients(self.graph)
        for arrays in self._weight_gradients.values():
            for array in arrays:
                array.fill(0)

    @property
    def _for_gradients(self) -> bool:
        return self.graph.phase == "TRAIN" or self.graph.message.force_backward

    def _prepared(self, shapes: Mapping[str, Shape]) -> Session:
        options = {"threads": self.threads, "exact": self.exact}
        return Session(self.graph, shapes, gradients=self._for_gradients, **options)

    def _gradients_from(self, seeds: Sequence[Blob]) -> Gradients:
        """The net's gradients, among them those of `seeds`."""
        if not self._for_gradients:
            raise UsageError("the net has no gradients: load it with phase='TRAIN' or force_backward=True")
        if self._gradients is None or not all(blob in self._gradients.blobs for blob in seeds):
            known = self._gradients.seeds if self._gradients else frozenset()
            self._weight_gradients = self._weight_gradients or weight_gradients(self.graph)
            self._gradients = Gradients(self.session.runtime, known | set(seeds), self._weight_gradients)
        return self._gradients

    def _diff(self, blob: Blob) -> np.ndarray:
        blobs = self._gradients_from([]).blobs
        if blob not in blobs:
            raise UsageError(f"{blob.name!r} has no gradient: nothing that leads to a loss needs one")
        return blobs[blob]

    def _weight_diff(self, node: Node, number: int) -> np.ndarray:
        self._gradients_from([])
        return self._weight_gradients[node][number]

    def save(self, prototxt: str | os.PathLike[str], caffemodel: str | os.PathLike[str] | None = None) -> None:
        """Write the net, and its weights if a file for them is given. Raises OutputError."""
        message = graph_message(self.graph)
        write_prototxt(prototxt, message)
        if caffemodel is not None:
            write_caffemodel(caffemodel, message, {n: node.weights for n, node in enumerate(self.graph.nodes)})

    def __repr__(self) -> str:
        return f"CaffeNet({self.path!r}, {len(self.graph.nodes)} layers, {self.inputs} -> {self.outputs})"


def load_caffe(
    prototxt: str | os.PathLike[str],
    caffemodel: str | os.PathLike[str] | None = None,
    *,
    phase: str = "TEST",
    input_shapes: Mapping[str, Shape] | Shape | None = None,
    deploy: bool = False,
    allow_unknown: bool = False,
    force_backward: bool = False,
    seed: int = 0,
    threads: int | None = None,
    exact: bool = False,
) -> CaffeNet:
    """A net of a .prototxt (any version) and its .caffemodel; without one, weights are drawn by the layers' fillers.

    `input_shapes` by the name of an input, or the first input's alone; `deploy`: data and loss layers become inputs and
    Softmax; `allow_unknown`: fields that are not known are left out instead of refused; `force_backward`: the net has
    gradients, also of its inputs, as if its file said so; `threads` and `exact` as in CaffeNet. Raises InputError.
    """
    source = np.random.default_rng(seed_number(seed))
    read = read_prototxt(prototxt, allow_unknown=allow_unknown)
    path = os.fspath(prototxt)
    message = filter_net(read.message, phase, path=path)
    shapes, preparations = _named(message, input_shapes or {}), _preparations(message)
    if deploy:
        message = deploy_net(message, shapes, path=path)
    if force_backward:
        message.force_backward = True
    notices = [*read.notices, *preparations]
    net = CaffeNet(build_graph(message, phase), path=path, notices=notices, threads=threads, exact=exact)
    expected = weight_shapes(net.graph, infer_shapes(net.graph, shapes))
    if caffemodel is None:
        filled = [fill(node, each, source) for node, each in zip(net.graph.nodes, expected, strict=True)]
        assign_weights(net.graph, filled)
    else:
        net.notices += _load_weights(net.graph, expected, caffemodel)
    net._shapes = shapes
    return net


def _named(message, shapes: Mapping[str, Shape] | Shape) -> dict[str, Shape]:
    """Shapes by name: a single one is that of the first blob that a layer without bottoms gives."""
    if isinstance(shapes, Mapping):
        return {name: tuple(shape) for name, shape in shapes.items()}
    return {next((top for layer in message.layer if not layer.bottom for top in layer.top), "data"): tuple(shapes)}


def _load_weights(graph: Graph, expected: list[list[Shape]], path: str | os.PathLike[str]) -> list[str]:
    """Give the nodes the weights of a .caffemodel; returns what there is to say about those that do not match."""
    matched = match_weights([node.name for node in graph.nodes], expected, read_caffemodel(path))
    if matched.missing:
        missing = graph.nodes[matched.missing[0]]
        raise missing.error(
            f"has no weights in {os.fspath(path)}", "a model of this net", "are the layers named alike?"
        )
    assign_weights(graph, [matched.arrays.get(number, []) for number in range(len(graph.nodes))])
    return [f"{os.fspath(path)} has weights for {name!r}, which the net does not have" for name in matched.unused]


def _preparations(message) -> list[str]:
    """What the net's data layers say of how their input is prepared."""
    notices = []
    for layer in message.layer:
        transform = layer.transform_param
        if not layer.bottom and (transform.mean_value or transform.HasField("scale") or transform.mean_file):
            means = ", ".join(f"{value:g}" for value in transform.mean_value) or transform.mean_file or "0"
            done = f"(x - ({means})) * {transform.scale:.6g}"
            notices.append(f"its data layer {layer.name!r} gives the net {done} of the pixels x")
    return notices


def optimize(
    net: CaffeNet, passes: Passes | None = None, *, mean: Sequence[float] = (), scale: float = 1.0
) -> tuple[CaffeNet, list[Report]]:
    """An optimised copy of `net` and what each pass did. With `mean` or `scale`, its only input becomes raw values."""
    passes = passes or Passes()
    if mean or scale != 1:
        passes = Passes(**{**vars(passes), "inputs": {name: Preparation(mean, scale) for name in net.inputs[:1]}})
    graph, reports = optimize_graph(net.graph, passes, net._shapes)
    smaller = CaffeNet(graph, path=net.path, threads=net.threads, exact=net.exact)
    smaller._shapes = dict(net._shapes)
    return smaller, reports


def verify(
    first: CaffeNet,
    second: CaffeNet,
    inputs: Mapping[str, np.ndarray] | None = None,
    *,
    prepared: Mapping[str, Preparation] | None = None,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> list[Difference]:
    """Run both on the same inputs, random ones if none are given, and compare all outputs.

    `prepared`: what the second net does to an input itself. Raises CheckFailed where an output differs by more than
    `tolerance`, relative to its largest value.
    """
    if inputs is None:
        inputs = random_inputs(first.graph, first.shapes, seed, prepared or {})
    differences = compare_graphs(first.graph, second.graph, inputs, prepared)
    wrong = [each for each in differences if not each.relative <= tolerance]
    if wrong:
        told = ", ".join(f"{each.output!r} by {each.relative:.2g}" for each in wrong)
        raise CheckFailed(f"the nets differ: {told}, relative to the largest value (tolerance {tolerance:g})")
    return differences
