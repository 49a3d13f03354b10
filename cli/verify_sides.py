"""The sides of `caffe64 verify`: what runs each of the nets."""

from __future__ import annotations

import importlib.util

from ..caffe.sides import CaffeSide, NetSide, RuntimeSide
from . import caffe_options as caffe
from .loading import load
from .net_files import NetFiles
from .output import Output


def load_side(files: NetFiles, reading: caffe.Reading, output: Output) -> NetSide:
    """A net to verify; a line says where a model runs that is not run by caffe64. Without onnxruntime
    caffe64 runs all."""
    if not files.is_onnx or importlib.util.find_spec("onnxruntime") is None:
        return CaffeSide(load(files.net, files.model, reading, output, layers=True))
    side = RuntimeSide(files.net, reading.shapes)
    output.say(f"{files.net}: runs in {side.place}")
    return side
