"""`load_caffe`: the files of a Caffe net -> the net that runs.

net = caffe64.load_caffe("deploy.prototxt", "net.caffemodel")
probabilities = net.forward(data=images)["prob"]
smaller, reports = caffe64.optimize(net)
caffe64.verify(net, smaller)
smaller.save("small.prototxt", "small.caffemodel")
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from ..arguments import file_or_content, flag, seed_number
from ..engine.graph.analysis.fillers import fill
from ..engine.graph.analysis.shapes import infer_shapes, weight_shapes
from ..engine.graph.ir.graph import Shape
from ..engine.graph.ir.ownership import assign_weights
from ..engine.team.threads import check_threads
from ..formats.caffe import read_caffemodel
from .net import CaffeNet
from .reading import load_weights, read_graph


def load_caffe(
    prototxt: str | os.PathLike[str] | bytes,
    caffemodel: str | os.PathLike[str] | bytes | None = None,
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
    """A net of a .prototxt (any version) and its .caffemodel, .caffemodel.h5 or .safetensors, files or their contents
    as bytes; without a model, weights are drawn by the layers' fillers.

    `phase`, `level` and `stages` choose layers by their rules. `input_shapes` by the name of an input, or the first
    input's alone; `deploy`: data and loss layers become inputs and Softmax, and unread inputs are removed;
    `allow_unknown`: unknown fields are left out instead of refused, though results may then differ;
    `force_backward`: the net has gradients of its inputs, as if its file had that; `fill_missing`: layers that the
    model does not have are filled too, with a warning, instead of an error; `threads` and `exact` as in CaffeNet.
    Raises InputError; UsageError for a wrong argument, and for an HDF5 model without the package h5py.
    """
    for name, value in (("force_backward", force_backward), ("fill_missing", fill_missing), ("exact", exact)):
        flag(name, value)
    check_threads(threads)
    source = np.random.default_rng(seed_number(seed))
    model = None if caffemodel is None else read_caffemodel(file_or_content(caffemodel))
    graph, shapes, notices = read_graph(
        prototxt,
        phase,
        {} if input_shapes is None else input_shapes,
        level=level,
        stages=stages,
        deploy=deploy,
        allow_unknown=allow_unknown,
        model=model,
    )
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
