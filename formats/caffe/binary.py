"""Binary files: a model is one NetParameter, an HDF5 or .safetensors file; a mean (.binaryproto) is one BlobProto."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from ...errors import InputError, OutputError
from ..atomic import write_atomically
from ..content import A_MEAN, A_MODEL, A_STATE, CUT_SHORT, HEAD, refuse_others, refuse_stand_ins
from ..files import open_input
from ..safetensors import is_safetensors, parse_safetensors
from ..text import quote
from .hdf5 import HDF5_MAGIC, read_hdf5
from .schema import BlobProto, LayerParameter, Message, NetParameter
from .tensors import layers_of
from .upgrade import upgrade_net
from .wire import LENGTH, RAW_DATA, RAW_TYPE, RAW_TYPES, VARINT, Cutter, Payload, WireError, varint

LEGACY_SHAPE = ("num", "channels", "height", "width")
MOST_AXES = 32
MOST_MESSAGE_BYTES = (1 << 31) - 1  # of a protobuf message
LAYER_FIELD, BLOBS_FIELD, DATA_FIELD, DIFF_FIELD = 100, 7, 5, 6
Content = mmap.mmap | bytes  # of a file
EXPECTED = {"net": "a .caffemodel", "blob": A_MEAN, "state": A_STATE}
KIND_BY_CONTENT = {"net": A_MODEL, "state": A_STATE}  # as the content shows it


class LayerBlobs(NamedTuple):
    """The blobs of one layer, float32 of the shape in the file; read-only views of it where possible.

    None stands for a blob that an HDF5 or .safetensors file leaves out, since the layer shares it. There, `type` is
    empty.
    """

    name: str
    type: str
    arrays: list[np.ndarray | None]


@dataclass
class CaffeModel:
    """A binary model: `message`, a NetParameter as of a `CaffeNet`, its blobs without numbers, its unknown fields kept.

    blobs[i] are those of message.layer[i]. `mapping` is the file, or its contents, from which the arrays are read when
    they are used.
    """

    message: Message
    blobs: list[LayerBlobs]
    path: str
    mapping: Content
    notices: list[str] = field(default_factory=list)

    def legacy(self, layer: int, blob: int) -> bool:
        """Whether this blob's shape is of the old kind, always four numbers."""
        return is_legacy(self.message.layer[layer].blobs[blob])


def read_caffemodel(source: str | os.PathLike[str] | bytes) -> CaffeModel:
    """Reads a model of any version, a file or its contents; a file is mapped: the numbers are read when they are used.

    Data of type double or half becomes float32; diffs are not kept. Raises InputError naming layer and blob; UsageError
    for an HDF5 model without the package h5py.
    """
    if isinstance(source, bytes):
        return _read_content(source)
    path = os.fspath(source)
    with open_input(path) as file:
        mapping = map_file(path, file, "net")
        if mapping[: len(HDF5_MAGIC)] == HDF5_MAGIC:
            return _model_of(path, read_hdf5(path, file, mapping), mapping)
    return _model(path, mapping)


def _read_content(content: bytes) -> CaffeModel:
    path = "<model>"
    if not content:
        raise InputError(path, "is empty", EXPECTED["net"], CUT_SHORT)
    refuse_stand_ins(path, content[:HEAD])
    if not content.startswith(HDF5_MAGIC):
        return _model(path, content)
    with tempfile.TemporaryFile() as file:  # HDF5's library reads files
        file.write(content)
        file.seek(0)
        return _model_of(path, read_hdf5(path, file, content), content)


def _model(path: str, mapping: Content) -> CaffeModel:
    if is_safetensors(mapping[:HEAD]):
        return _model_of(path, layers_of(parse_safetensors(path, mapping)), mapping)
    message, payloads = parse_file(path, mapping, "net", NetParameter())
    notices = upgrade_net(message, path)
    blobs = []
    for number, layer in enumerate(message.layer, start=1):
        arrays: list[np.ndarray | None] = []
        for index, blob in enumerate(layer.blobs):
            where = f"layer {number} {quote(layer.name)} blob {index}: "
            arrays.append(take_array(path, where, blob, payloads))
        blobs.append(LayerBlobs(layer.name, layer.type, arrays))
    return CaffeModel(message, blobs, path, mapping, notices)


def read_binaryproto(path: str | os.PathLike[str]) -> np.ndarray:
    """The mean picture float32 [C, H, W] of a .binaryproto; any other shape than [1, C, H, W] unchanged."""
    path = os.fspath(path)
    blob = BlobProto()
    with open_input(path) as file:
        mapping = map_file(path, file, "blob")
    _, payloads = parse_file(path, mapping, "blob", blob)
    array = take_array(path, "", blob, payloads)
    return np.array(array[0] if array.ndim == 4 and len(array) == 1 else array)


def write_caffemodel(
    path: str | os.PathLike[str],
    message: Message,
    blobs: Mapping[int, Sequence[np.ndarray]],
    diffs: Mapping[int, Sequence[np.ndarray]] | None = None,
) -> None:
    """Writes `message` (NetParameter) with blobs[i], of any shapes, as those of message.layer[i]: as float32, or of
    arrays of float16 as raw data of these, as NVIDIA's Caffe and OpenCV's shrinkCaffeModel do; and with diffs[i],
    float32, as what they have besides.

    A layer that is not in `blobs` keeps the blobs of its message that hold data. Unknown fields are kept. The arrays
    are streamed to the file. Raises OutputError, also if the file would be larger than protobuf allows.
    """
    rest = NetParameter()
    rest.CopyFrom(message)
    rest.ClearField("layer")
    head = rest.SerializeToString()
    layers = [_layer_parts(layer, blobs.get(at), (diffs or {}).get(at)) for at, layer in enumerate(message.layer)]
    sizes = [sum(_size(part) for part in parts) for parts in layers]
    total = len(head) + sum(sizes) + 12 * len(sizes)
    if total > MOST_MESSAGE_BYTES:
        raise OutputError(f"{os.fspath(path)}: would be {total / 1e9:.1f} GB, and protobuf reads 2.1 GB at most")
    with write_atomically(path) as file:
        file.write(head)
        for parts, size in zip(layers, sizes, strict=True):
            file.write(varint(LAYER_FIELD << 3 | LENGTH) + varint(size))
            for part in parts:
                write_part(file, part)


def is_legacy(blob: Message) -> bool:
    """Whether a BlobProto has a shape of the old kind, which wins over `shape`."""
    return any(blob.HasField(name) for name in LEGACY_SHAPE)


def map_file(path: str, file: IO[bytes], kind: str) -> mmap.mmap:
    if os.fstat(file.fileno()).st_size == 0:
        raise InputError(path, "is empty", EXPECTED[kind], CUT_SHORT)
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _model_of(path: str, layers: Sequence[tuple[str, list[np.ndarray | None]]], mapping: Content) -> CaffeModel:
    """The model of a file that has only names and blobs of layers."""
    message, blobs = NetParameter(), []
    for name, arrays in layers:
        layer = message.layer.add(name=name)
        for array in arrays:
            layer.blobs.add().shape.dim.extend(() if array is None else array.shape)
        blobs.append(LayerBlobs(name, "", arrays))
    return CaffeModel(message, blobs, path, mapping)


def parse_file(path: str, mapping: Content, kind: str, message: Message) -> tuple[Message, list[Payload]]:
    cutter = Cutter(memoryview(mapping))
    try:
        message.ParseFromString(cutter.cut(kind))
        _check_text(message)
    except (WireError, DecodeError, UnicodeError) as error:
        found = str(error) if isinstance(error, WireError) else "no protobuf message of Caffe's"
        found = f"{cutter.where}: {found}" if cutter.where and isinstance(error, WireError) else found
        refuse_others(path, mapping[:HEAD], EXPECTED[kind], "a binary file", KIND_BY_CONTENT.get(kind, ""))
        raise InputError(path, found, hint=CUT_SHORT) from None
    return message, cutter.payloads


def _check_text(message: Message) -> None:
    """Raises UnicodeError for a string that is not UTF-8, which protobuf would return as bytes."""
    for known, value in message.ListFields():
        values: Any = [value] if isinstance(value, Message | str | bytes | bool | int | float) else value
        if known.message_type is not None:
            for item in values:
                _check_text(item)
        elif known.type == known.TYPE_STRING and any(isinstance(item, bytes) for item in values):
            raise UnicodeError


def take_array(path: str, where: str, blob: Message, payloads: list[Payload]) -> np.ndarray:
    """The numbers that were cut out of a blob, in its shape; clears their index."""
    try:
        array = payloads[int(blob.double_data[0])].floats()
    except WireError as error:
        raise InputError(path, f"{where}{error}") from None
    blob.ClearField("double_data")
    shape = tuple(getattr(blob, name) for name in LEGACY_SHAPE) if is_legacy(blob) else tuple(blob.shape.dim)
    if len(shape) > MOST_AXES:
        raise InputError(path, f"{where}has {len(shape)} axes", f"at most {MOST_AXES}")
    if min(shape, default=0) < 0:
        raise InputError(path, f"{where}has the shape {quote(str(shape), 100)}", "no negative dimension")
    if math.prod(shape) != len(array):
        expected = f"{math.prod(shape)} for its shape {quote(str(shape), 100)[1:-1]}"
        raise InputError(path, f"{where}holds {len(array)} numbers", expected, CUT_SHORT)
    try:
        return array.reshape(shape)
    except ValueError:  # no values, in sizes beyond all bounds
        raise InputError(path, f"{where}has the shape {quote(str(shape), 100)}") from None


def _layer_parts(
    layer: Message, arrays: Sequence[np.ndarray] | None, diffs: Sequence[np.ndarray] | None
) -> list[bytes | np.ndarray]:
    """The bytes and arrays which, one after the other, are this layer."""
    own = LayerParameter()
    own.CopyFrom(layer)
    own.ClearField("blobs")
    if arrays is None:
        own.blobs.extend(blob for blob in layer.blobs if blob.data or blob.double_data)
        return [own.SerializeToString()]
    parts = [own.SerializeToString()]
    for index, given in enumerate(arrays):
        blob, array = BlobProto(), given if given.dtype == np.float16 else given.astype(np.float32, copy=False)
        if index < len(layer.blobs):
            blob.CopyFrom(layer.blobs[index])  # for its unknown fields
        parts += blob_parts(BLOBS_FIELD, array, blob, None if diffs is None else diffs[index])
    return parts


def blob_parts(
    field: int, array: np.ndarray, blob: Message, diff: np.ndarray | None = None
) -> list[bytes | np.ndarray]:
    """The bytes and the arrays that are a BlobProto in the field of this number: raw data where `array` is of float16,
    else float32. `blob` holds what it had besides."""
    head, is_half = blob_head(blob, array.shape), array.dtype == np.float16
    if is_half:
        head += varint(RAW_TYPE << 3 | VARINT) + varint(RAW_TYPES.index("FLOAT16"))
    else:
        array = array.astype(np.float32, copy=False)
    parts: list[bytes | np.ndarray] = [head]
    for number, values in ((RAW_DATA if is_half else DATA_FIELD, array), (DIFF_FIELD, diff)):
        if values is not None and values.size:
            parts += [varint(number << 3 | LENGTH) + varint(values.nbytes), values]
    return [varint(field << 3 | LENGTH) + varint(sum(map(_size, parts))), *parts]


def blob_head(blob: Message, shape: tuple[int, ...]) -> bytes:
    """All but the data. A shape that was of the old kind and has not changed stays: Caffe matches the two by different
    rules."""
    for name in ("data", "diff", "double_data", "double_diff"):
        blob.ClearField(name)
    if not (is_legacy(blob) and tuple(getattr(blob, name) for name in LEGACY_SHAPE) == shape):
        for name in (*LEGACY_SHAPE, "shape"):
            blob.ClearField(name)
        if shape:  # Caffe writes none for a scalar
            blob.shape.dim.extend(shape)
    return bytes(blob.SerializeToString())


def _size(part: bytes | np.ndarray) -> int:
    return len(part) if isinstance(part, bytes) else part.nbytes


def write_part(file: IO[bytes], part: bytes | np.ndarray) -> None:
    if isinstance(part, bytes):
        file.write(part)
    else:
        file.write(np.ascontiguousarray(part, part.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data)
