"""`load_onnx`: an ONNX model -> the net that runs, of the same kind as those of Caffe.

net = caffe64.load_onnx("net.onnx")
scores = net.forward(**{"input:0": images})["scores"]
smaller, reports = caffe64.optimize(net)
caffe64.verify(net, smaller)
caffe64.export_onnx(smaller, "small.onnx")
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..arguments import by_name, flag
from ..engine.graph.frontends.onnx.read.model import graph_of
from ..engine.graph.ir.graph import Shape
from ..engine.graph.ir.ownership import own_parameters
from ..engine.team.threads import check_threads
from ..formats.onnx import read_onnx
from .blob import checked_shape
from .net import CaffeNet


def load_onnx(
    source: str | os.PathLike[str] | bytes,
    *,
    input_shapes: Mapping[str, Shape] | Shape | None = None,
    threads: int | None = None,
    exact: bool = False,
) -> CaffeNet:
    """A net of a .onnx file, or of the bytes of one without external data.

    Names of inputs, outputs and layers are those of the file. The net takes any batch if the model and its layers allow
    it; other sizes are those of the file. `input_shapes`, by the name of an input or the first input's alone, gives
    sizes that the file leaves free. `threads` and `exact` as in CaffeNet.

    Raises InputError for a file that is not a valid model, and one that names all operators that caffe64 does not know
    (`draw` takes those too, as do the commands summary, draw and verify); UsageError for a wrong argument, and without
    the package onnx.
    """
    flag("exact", exact)
    check_threads(threads)
    model = read_onnx(source, _checked(input_shapes))
    graph = graph_of(model)
    own_parameters(graph)
    return CaffeNet(graph, path=model.path, notices=model.notices, threads=threads, exact=exact)


def _checked(shapes: Mapping[str, Shape] | Shape | None) -> Mapping[str, Shape] | Shape | None:
    if shapes is None or not isinstance(shapes, Mapping):
        return None if shapes is None else checked_shape("input_shapes", shapes)
    by_name("input_shapes", shapes, "shapes by the names of inputs")
    return {name: checked_shape(name, shape) for name, shape in shapes.items()}
