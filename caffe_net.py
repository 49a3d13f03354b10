"""Caffe models from Python: load, run, optimise, verify and save them, with the names that users of pycaffe know.

net = caffe64.load_caffe("deploy.prototxt", "net.caffemodel")
probabilities = net.forward(data=images)["prob"]
smaller, reports = caffe64.optimize(net)
caffe64.verify(net, smaller)
smaller.save("small.prototxt", "small.caffemodel")
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from .arguments import seed_number
from .caffe_blob import Array
from .caffe_run import CaffeNet
from .engine.graph.build import assign_weights, build_graph
from .engine.graph.fillers import fill
from .engine.graph.graph import Graph, Shape
from .engine.graph.optimize import Passes, Preparation, optimize_graph
from .engine.graph.passes.report import Report
from .engine.graph.shapes import infer_shapes, weight_shapes
from .engine.graph.verify import Difference, compare_graphs, random_inputs
from .errors import CheckFailed
from .formats.caffe import (
    deploy_net,
    filter_net,
    match_weights,
    read_caffemodel,
    read_prototxt,
)
from .pycaffe import phase_name

__all__ = ["Array", "CaffeNet", "Difference", "Passes", "Preparation", "load_caffe", "optimize", "verify"]

TOLERANCE = 1e-4  # of verify: relative to the largest value of an output


def load_caffe(
    prototxt: str | os.PathLike[str],
    caffemodel: str | os.PathLike[str] | None = None,
    *,
    phase: str | int = "TEST",
    level: int = 0,
    stages: Sequence[str] = (),
    input_shapes: Mapping[str, Shape] | Shape | None = None,
    deploy: bool = False,
    allow_unknown: bool = False,
    force_backward: bool = False,
    fill_missing: bool = False,
    seed: int = 0,
    threads: int | None = None,
    exact: bool = False,
) -> CaffeNet:
    """A net of a .prototxt (any version) and its .caffemodel; without one, weights are drawn by the layers' fillers.

    `phase`, `level` and `stages` choose layers by their rules. `input_shapes` by the name of an input, or the first
    input's alone; `deploy`: data and loss layers become inputs and Softmax; `allow_unknown`: fields that are not known
    are left out instead of refused; `force_backward`: the net has gradients of its inputs, as if its file said so;
    `fill_missing`: layers that the model does not have are filled too, with a warning, instead of an error; `threads`
    and `exact` as in CaffeNet. Raises InputError.
    """
    source = np.random.default_rng(seed_number(seed))
    read = read_prototxt(prototxt, allow_unknown=allow_unknown)
    path = os.fspath(prototxt)
    phase = phase_name(phase)
    message = filter_net(read.message, phase, level, stages, path=path)
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
        net.notices += _load_weights(net.graph, expected, caffemodel, source if fill_missing else None)
    net._shapes = shapes
    return net


def _named(message, shapes: Mapping[str, Shape] | Shape) -> dict[str, Shape]:
    """Shapes by name: a single one is that of the first blob that a layer without bottoms gives."""
    if isinstance(shapes, Mapping):
        return {name: tuple(shape) for name, shape in shapes.items()}
    return {next((top for layer in message.layer if not layer.bottom for top in layer.top), "data"): tuple(shapes)}


def _load_weights(
    graph: Graph, expected: list[list[Shape]], path: str | os.PathLike[str], source: np.random.Generator | None
) -> list[str]:
    """Give the nodes the weights of a .caffemodel, and those that it does not have some from `source`, if there is one;
    returns what there is to say about those that do not match."""
    matched = match_weights([node.name for node in graph.nodes], expected, read_caffemodel(path))
    missing = [graph.nodes[number] for number in matched.missing]
    if missing and (source is None or not any(matched.arrays.values())):
        found = f"has no weights in {os.fspath(path)}"
        raise missing[0].error(found, "a model of this net", "are the layers named alike?")
    for number in matched.missing:
        matched.arrays[number] = fill(graph.nodes[number], expected[number], source)
        name = graph.nodes[number].name
        warnings.warn(f"{os.fspath(path)} has no weights for {name!r}: its fillers drew them", stacklevel=4)
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
