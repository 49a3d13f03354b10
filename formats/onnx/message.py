"""A file or bytes -> the protobuf message of an ONNX model, whose versions are known and functions are inlined."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...arguments import file_name
from ...errors import InputError, UsageError
from ..content import CUT_SHORT, HEAD, refuse_others, refuse_stand_ins
from ..files import check_memory, open_input
from .functions import all_nodes, check_count, inline_functions

MODEL = "an ONNX model"
A_BINARY_FILE = "a binary file"  # of a kind that is not recognised: so is every ONNX model
MOST_BYTES_OF_MODEL = (1 << 31) - 1  # protobuf's own end
OLDEST_IR, OLDEST_OPSET = 3, 6
OLDEST_PACKAGE = (1, 22)  # shape inference of older ones ends the process on strides of 0, by a division
OWN_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class OnnxFile:
    """A parsed model. `path` names it in messages; `folder` is where its external data may lie, None for bytes."""

    path: str
    folder: str | None
    model: Any
    opset: int


def is_onnx(path: object) -> bool:
    """Whether this is the name of an ONNX file: the suffix decides."""
    return isinstance(path, str | os.PathLike) and os.fspath(path).lower().endswith(".onnx")


def parse_model(source: str | os.PathLike[str] | bytes, *, any_opset: bool = False) -> OnnxFile:
    """Raises InputError for what is not an ONNX model of opset 6 up to the newest that the package onnx knows, and
    UsageError where that package is not installed, or too old. With `any_opset` the opset is 0 where it is another, and
    functions stay as they are."""
    _check_package()
    if isinstance(source, bytes | bytearray | memoryview):
        path, folder, content = "model", None, bytes(source)
        refuse_stand_ins(path, content[:HEAD])
    else:
        path = file_name(source)
        folder, content = os.path.dirname(os.path.abspath(path)), _read(path)
    message = _parse(path, content)
    try:
        opset = _opset(path, message)
    except InputError:
        if not any_opset:
            raise
        opset = 0
    if not any_opset:
        message = inline_functions(path, message)
    for node in all_nodes(message.graph.node):
        node.domain = "" if node.domain in OWN_DOMAINS else node.domain
    return OnnxFile(path, folder, message, opset)


def _check_package() -> None:
    if importlib.util.find_spec("onnx") is None:
        raise UsageError("reading ONNX models needs the package onnx (pip install 'caffe64[onnx]')")
    installed = importlib.metadata.version("onnx")
    if tuple(map(int, installed.split(".")[:2])) < OLDEST_PACKAGE:
        needed = ".".join(map(str, OLDEST_PACKAGE))
        raise UsageError(
            f"reading ONNX models needs the package onnx {needed} or later, {installed} is installed "
            "(pip install 'caffe64[onnx]')"
        )


def _read(path: str) -> bytes:
    with open_input(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MOST_BYTES_OF_MODEL:
            raise InputError(path, "is larger than 2 GiB", "a model whose weights lie in files beside it")
        check_memory(path, 2 * size)
        return file.read(size)


def _parse(path: str, content: bytes) -> Any:
    import onnx
    from google.protobuf.message import DecodeError

    if not content:
        raise InputError(path, "is empty", MODEL, CUT_SHORT)
    try:
        message = onnx.ModelProto.FromString(content)
    except DecodeError:
        refuse_others(path, content[:HEAD], MODEL, A_BINARY_FILE)
        raise InputError(path, "is not an ONNX file, or cut short", MODEL, CUT_SHORT) from None
    if not (message.HasField("graph") and message.HasField("ir_version")):
        refuse_others(path, content[:HEAD], MODEL, A_BINARY_FILE)
        raise InputError(path, "holds no graph of ONNX", MODEL, CUT_SHORT)
    if message.ir_version < OLDEST_IR:
        raise InputError(path, f"has ir_version {message.ir_version}", f"{OLDEST_IR} or later")
    check_count(path, sum(1 for _ in all_nodes(message.graph.node)))
    if not all(isinstance(text, str) for text in _texts(message)):
        raise InputError(path, "has names that are not UTF-8", MODEL, CUT_SHORT)
    return message


def _texts(message: Any) -> Iterator[str | bytes]:
    """All strings of a message; protobuf gives those that are not UTF-8 as bytes."""
    if message.DESCRIPTOR.name == "TensorProto":  # whose numbers are not copied for this
        yield from (message.name, message.doc_string)
        for entry in message.external_data:
            yield from (entry.key, entry.value)
        return
    for field, value in message.ListFields():
        values = value if hasattr(value, "__len__") and not isinstance(value, str | bytes) else (value,)
        if field.type == field.TYPE_STRING:
            yield from values
        elif field.type == field.TYPE_MESSAGE:
            for each in values:
                yield from _texts(each)


def _opset(path: str, message: Any) -> int:
    from onnx.defs import onnx_opset_version

    newest = onnx_opset_version()
    expected = f"{OLDEST_OPSET} to {newest}"
    found = [each.version for each in message.opset_import if each.domain in OWN_DOMAINS]
    if len(found) != 1:
        raise InputError(path, f"imports {f'opsets {found}' if found else 'no opset'}", f"one of {expected}")
    if found[0] > newest:
        raise InputError(path, f"imports opset {found[0]}", expected, "does a newer package onnx know it?")
    if found[0] < OLDEST_OPSET:
        raise InputError(path, f"imports opset {found[0]}", expected, "onnx.version_converter raises it")
    return int(found[0])
