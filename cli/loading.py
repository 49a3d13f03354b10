"""Loads a net for a command: prints notices, compiles the kernels that it will run."""

from __future__ import annotations

from pathlib import Path

from ..caffe.load import load_caffe
from ..caffe.net import CaffeNet
from ..engine.compiler.support import obstacle
from ..engine.graph.execution.required_kernels import kernels_of
from . import caffe_options as caffe
from . import compiling
from .net_files import is_onnx
from .output import Output


def load(
    net: Path,
    model: Path | None,
    reading: caffe.Reading,
    output: Output,
    *,
    runs: bool = True,
    gradients: bool = False,
    threads: int | None = None,
    exact: bool = False,
    layers: bool = False,
) -> CaffeNet:
    """`load_caffe` or `load_onnx` for the command line: notices on stderr; kernels are compiled if the net `runs`, with
    those for its `gradients`, and for `layers` that run one by one, as where nets are compared."""
    loaded = _read(net, model, reading, threads=threads, exact=exact)
    for notice in loaded.notices:
        output.say(notice)
    if runs and not obstacle():
        compiling.prepare(kernels_of(loaded.graph, gradients=gradients, layers=layers), output)
    return loaded


def _read(net: Path, model: Path | None, reading: caffe.Reading, *, threads: int | None, exact: bool) -> CaffeNet:
    if is_onnx(net):
        from ..caffe.load_onnx import load_onnx

        return load_onnx(net, input_shapes=reading.shapes or None, threads=threads, exact=exact)
    return load_caffe(
        net,
        model,
        phase=reading.phase,
        input_shapes=reading.shapes,
        deploy=reading.deploy,
        allow_unknown=reading.allow_unknown,
        threads=threads,
        exact=exact,
    )
