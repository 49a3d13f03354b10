"""Caffe models from Python: load, run, optimise, verify and save them, with the names that users of pycaffe know.

net = caffe64.load_caffe("deploy.prototxt", "net.caffemodel")
probabilities = net.forward(data=images)["prob"]
smaller, reports = caffe64.optimize(net)
caffe64.verify(net, smaller)
smaller.save("small.prototxt", "small.caffemodel")
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence

import numpy as np

from ..arguments import FLOOR, TOLERANCE, by_name, file_name, flag, instance, not_negative, seed_number
from ..conversion import as_numbers
from ..engine.graph.analysis.fillers import fill
from ..engine.graph.analysis.shapes import infer_shapes, weight_shapes
from ..engine.graph.ir.graph import Shape
from ..engine.graph.ir.ownership import assign_weights
from ..engine.graph.passes.optimize import Passes, optimize_graph
from ..engine.graph.passes.preparation import Preparation
from ..engine.graph.passes.report import Report
from ..engine.graph.verification.difference import Difference, check_close
from ..engine.graph.verification.verify import compare_graphs, random_inputs
from ..engine.team.threads import check_threads
from ..errors import UsageError
from ..formats.caffe import read_caffemodel
from .blob import Array
from .net import NET, CaffeNet
from .reading import load_weights, read_graph

__all__ = ["Array", "CaffeNet", "Difference", "Passes", "Preparation", "load_caffe", "optimize", "verify"]


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
    """A net of a .prototxt (any version) and its .caffemodel or .caffemodel.h5; without one, weights are drawn by the
    layers' fillers.

    `phase`, `level` and `stages` choose layers by their rules. `input_shapes` by the name of an input, or the first
    input's alone; `deploy`: data and loss layers become inputs and Softmax, and inputs that nothing reads go;
    `allow_unknown`: fields that are not known are left out instead of refused, though results may then differ;
    `force_backward`: the net has gradients of its inputs, as if its file said so; `fill_missing`: layers that the model
    does not have are filled too, with a warning, instead of an error; `threads` and `exact` as in CaffeNet. Raises
    InputError; UsageError for a wrong argument, and for an HDF5 model without the package h5py.
    """
    for name, value in (("force_backward", force_backward), ("fill_missing", fill_missing), ("exact", exact)):
        flag(name, value)
    check_threads(threads)
    source = np.random.default_rng(seed_number(seed))
    model = None if caffemodel is None else read_caffemodel(file_name(caffemodel))
    options = {"deploy": deploy, "allow_unknown": allow_unknown, "model": model}
    input_shapes = {} if input_shapes is None else input_shapes
    graph, shapes, notices = read_graph(prototxt, phase, input_shapes, level=level, stages=stages, **options)
    graph.streams.seed = seed
    if force_backward:
        graph.force_backward = True
    net = CaffeNet(graph, path=graph.path, notices=notices, threads=threads, exact=exact)
    expected = weight_shapes(net.graph, infer_shapes(net.graph, shapes))
    if model is None:
        filled = [fill(node, each, source) for node, each in zip(net.graph.nodes, expected, strict=True)]
        assign_weights(net.graph, filled)
    else:
        net.notices += load_weights(net.graph, expected, model, source, fill_missing=fill_missing)
    net._shapes = shapes
    return net


def optimize(
    net: CaffeNet,
    passes: Passes | None = None,
    *,
    mean: float | Sequence[float] = (),
    scale: float | Sequence[float] = 1.0,
) -> tuple[CaffeNet, list[Report]]:
    """An optimised copy of `net` and what each pass did.

    `mean` and `scale`, of all channels or one per channel, are what its first input is prepared with; the copy takes
    raw values and does (x - mean) * scale itself. For other inputs, and instead of these, there is `Passes.inputs`.
    Raises UsageError, for numbers of other channels too.
    """
    instance("net", net, CaffeNet, NET)
    passes = instance("passes", Passes() if passes is None else passes, Passes, "a caffe64.Passes")
    if preparation := Preparation(mean, scale):
        if passes.inputs:
            raise UsageError("mean and scale were given twice: as arguments, and as Passes.inputs")
        passes = dataclasses.replace(passes, inputs=dict.fromkeys(net.needed_inputs[:1], preparation))
    graph, reports = optimize_graph(net.graph, passes, net._shapes)
    smaller = CaffeNet(graph, path=net.path, threads=net.threads, exact=net.exact)
    smaller._shapes = {name: shape for name, shape in net._shapes.items() if name in smaller.inputs}
    return smaller, reports


def verify(
    first: CaffeNet,
    second: CaffeNet,
    inputs: Mapping[str, np.ndarray] | None = None,
    *,
    prepared: Mapping[str, Preparation] | None = None,
    tolerance: float = TOLERANCE,
    floor: float = FLOOR,
    seed: int = 0,
    reference: bool = False,
) -> list[Difference]:
    """Run both on the same inputs, random ones if none are given, and compare all outputs.

    The first net is run by the reference, plain code layer by layer; the second by what `forward` runs, with `exact`,
    which is held against the reference too. With `reference` both nets are run by the reference: where they agree there
    and differ otherwise, caffe64 runs the second one wrongly.

    `prepared`: what the second net does to an input itself. A value may differ by `floor` + `tolerance` * scale. The
    scale is that of its channel: the largest value there, or, where large sums cancel, a quarter of how far its values
    move, for the size of the change, when all values within the first net are changed a little at random. Raises
    CheckFailed where one differs by more, or is not finite although all inputs are; UsageError.
    """
    tolerance, floor = not_negative("tolerance", tolerance), not_negative("floor", floor)
    flag("reference", reference)
    for name, net in (("first", first), ("second", second)):
        instance(name, net, CaffeNet, NET)
    prepared = by_name("prepared", {} if prepared is None else prepared, "Preparations by the names of inputs")
    for name, preparation in prepared.items():
        instance(f"prepared[{name!r}]", preparation, Preparation, "a caffe64.Preparation")
        if name not in first.inputs:
            raise UsageError(
                f"prepared has {name!r}, which is no input of the net: expected {' or '.join(first.inputs)}"
            )
    if inputs is None:
        inputs = random_inputs(first.graph, first.shapes, seed, prepared)
    arrays = by_name("inputs", inputs, "arrays by the names of inputs")
    inputs = {name: as_numbers(values, name) for name, values in arrays.items()}
    differences = compare_graphs(first.graph, second.graph, inputs, prepared, floor=floor, reference=reference)
    check_close(differences, tolerance, floor, "the nets differ")
    return differences
