"""`readNet` and its kin: files, or their contents in memory -> a Net."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UsageError

if TYPE_CHECKING:
    from .net import DnnNet

Buffer = bytes | bytearray | memoryview | np.ndarray | Sequence[int]
Source = str | os.PathLike[str] | Buffer
CAFFE, ONNX = "caffe", "onnx"
SUFFIXES = {".caffemodel": CAFFE, ".h5": CAFFE, ".prototxt": CAFFE, ".onnx": ONNX}


def readNetFromCaffe(
    prototxt: Source = "", caffeModel: Source = "", *, bufferProto: Source = "", bufferModel: Source = ""
) -> DnnNet:
    """A net of Caffe: names of files, or their contents as bytes, bytearray or uint8 array.

    The layers are those of the phase TEST; data layers become inputs, and losses and layers that read labels are left
    out. Without a model, or where it has none for a layer, the layer needs weights before it runs
    (`getLayer(...).blobs`). Raises InputError for files that are not valid and for layers that caffe64 does not run.
    """
    from .caffe_files import read_caffe
    from .net import DnnNet

    net = _source("prototxt", bufferProto) or _source("prototxt", prototxt)
    model = _source("caffeModel", bufferModel) or _source("caffeModel", caffeModel)
    if not net:
        raise UsageError("prototxt is empty, expected the name of a file or its contents")
    return DnnNet(read_caffe(net, model or None))


def readNetFromONNX(onnxFile: Source = "", *, buffer: Source = "") -> DnnNet:
    """A net of ONNX: the name of a file, or its contents. Its outputs are layers of their names, at the end.

    Raises InputError for files that are not valid and for operators that caffe64 does not run, UsageError without the
    package onnx.
    """
    from ..caffe.load_onnx import load_onnx
    from .net import DnnNet

    model = _source("onnxFile", buffer) or _source("onnxFile", onnxFile)
    if not model:
        raise UsageError("onnxFile is empty, expected the name of a file or its contents")
    return DnnNet(load_onnx(model).graph)


def readNet(model: Source, config: Source = "", framework: Source = "") -> DnnNet:
    """A net by the suffixes of its files, in any order: .prototxt and .caffemodel, or .onnx. Or of contents in memory,
    readNet(framework, bufferModel, bufferConfig), with "caffe" or "onnx".

    Raises as readNetFromCaffe and readNetFromONNX; UsageError for other suffixes.
    """
    given = [config, framework] if _is_framework(model) else [model, config]
    kinds = {_kind(each) for each in given} - {""}
    named = model if _is_framework(model) else framework
    kinds |= {named.lower()} if isinstance(named, str) and _is_framework(named) else set()
    if kinds == {ONNX}:
        return readNetFromONNX(next(each for each in given if _size(each)))
    if kinds != {CAFFE}:
        raise UsageError(f"cannot tell the format of {_listed(given)}, expected .prototxt and .caffemodel, or .onnx")
    if _is_framework(model):
        weights, net = given
    else:
        net, weights = sorted(given, key=lambda each: not _is_prototxt(each))
    return readNetFromCaffe(net, weights)


def _source(name: str, value: Source) -> str | os.PathLike[str] | bytes:
    """The name of a file, or the contents of one."""
    if isinstance(value, str | os.PathLike | bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.empty(0, object)
    if array.dtype != np.uint8 and not (isinstance(value, list | tuple) and array.dtype.kind == "i"):
        raise UsageError(f"{name} is of the type {type(value).__name__}, expected the name of a file, or bytes")
    return array.astype(np.uint8).tobytes()


def _size(value: Source) -> int:
    return len(os.fspath(value)) if isinstance(value, os.PathLike) else len(value)


def _is_framework(value: object) -> bool:
    return isinstance(value, str) and value.lower() in (CAFFE, ONNX)


def _kind(value: Source) -> str:
    """Of a file by its suffix; "" for contents, and for none."""
    if not isinstance(value, str | os.PathLike) or not _size(value):
        return ""
    return SUFFIXES.get(os.path.splitext(value)[1].lower(), os.fspath(value))


def _is_prototxt(value: Source) -> bool:
    return isinstance(value, str | os.PathLike) and os.fspath(value).lower().endswith(".prototxt")


def _listed(given: Sequence[Source]) -> str:
    named = [repr(os.fspath(each)) for each in given if isinstance(each, str | os.PathLike) and _size(each)]
    return " and ".join(named) or "contents in memory without a framework"
