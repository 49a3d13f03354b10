"""Weights file. Little-endian, no padding, nothing after the last layer.

    offset  size  field
    0       8     uint64 number of layers L, equal to the net's
    8       ...   per layer: uint64 P, then float32[P]; for lin: W [F, K] row-major, then b [K]

In its place `read_weights` takes a .safetensors file (`safetensors.py`) with the arrays of the net by name.
Sizes are checked against the file's before anything is allocated; every parameter is finite.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping, Sequence
from typing import IO

import numpy as np

from ..arguments import file_name
from ..errors import InputError, UsageError
from .atomic import write_atomically
from .content import CUT_SHORT, HEAD, ITS_WEIGHTS, refuse_others
from .files import Source, open_input
from .network import MOST_LAYERS
from .safetensors import is_safetensors, parse_safetensors
from .text import quote


def read_weights(
    path: str | os.PathLike[str],
    sizes: Sequence[int] | None = None,
    names: Sequence[str] = (),
    tensors: Sequence[Mapping[str, tuple[int, ...]]] | None = None,
) -> list[np.ndarray]:
    """The parameters of each layer, float32 [P].

    `sizes` are the P of the net, `names` its layers' lines, for messages; `tensors` are the names and shapes of each
    layer's arrays in a .safetensors file, which may stand in place of a weights file. Raises InputError if the file is
    damaged, of another net, or holds a value that is not finite.
    """
    with open_input(path) as file:
        size = os.fstat(file.fileno()).st_size
        if tensors is not None and is_safetensors(file.read(HEAD)):
            return _read_tensors(os.fspath(path), mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), tensors)
        file.seek(0)
        return weights_of(Source(os.fspath(path), file, size, zipped=False), sizes, names)


def weights_of(source: Source, sizes: Sequence[int] | None = None, names: Sequence[str] = ()) -> list[np.ndarray]:
    """`read_weights` of an open file."""
    path, file = source.path, source.stream
    counts = _read_counts(path, file, source.size)
    if sizes is not None:
        _check_net(path, counts, sizes, names)
    file.seek(8)
    arrays = [_read_layer(source, count) for count in counts]
    found = _not_finite(arrays)
    if found:
        raise InputError(path, found, "finite numbers", "did the training that wrote it diverge?")
    return arrays


def write_weights(path: str | os.PathLike[str], arrays: Sequence[np.ndarray]) -> None:
    """Writes the parameters of each layer (any shape, an empty one for none) as float32.

    Raises OutputError; UsageError for a value that is not finite, before anything is written.
    """
    check_finite(path, arrays)
    with write_atomically(path) as file:
        put_weights(file, arrays)


def put_weights(file: IO[bytes], arrays: Sequence[np.ndarray]) -> None:
    """Write the parameters of each layer to an open file, unchecked."""
    file.write(len(arrays).to_bytes(8, "little"))
    for array in arrays:
        file.write(array.size.to_bytes(8, "little"))
        file.write(np.ascontiguousarray(array, "<f4").tobytes())


def check_finite(path: str | os.PathLike[str], arrays: Sequence[np.ndarray]) -> None:
    """Raises UsageError for a value that is not finite, which is not to be written to `path`."""
    found = _not_finite(arrays)
    if found:
        raise UsageError(f"{file_name(path)} is not written: {found} (did the training diverge?)")


def _read_tensors(path: str, content: mmap.mmap, layers: Sequence[Mapping[str, tuple[int, ...]]]) -> list[np.ndarray]:
    """The same from a .safetensors file."""
    file, expected = parse_safetensors(path, content), {name: shape for each in layers for name, shape in each.items()}
    for name in expected:
        if name not in file.tensors:
            raise InputError(path, f"has no {quote(name)}", "the arrays of this net", "weights of another net?")
    for name, tensor in file.tensors.items():
        if name not in expected:
            raise InputError(path, f"has an array {quote(name)}", "the net's alone", "weights of another net?")
        if tensor.shape != expected[name]:
            found = f"{quote(name)} has the shape {quote(str(list(tensor.shape)), 100)[1:-1]}"
            raise InputError(path, found, f"{list(expected[name])}", "weights of another net?")
        if not np.isfinite(values := file.floats(name)).all():
            found = f"{quote(name)} holds {int((~np.isfinite(values)).sum())} values that are not finite"
            raise InputError(path, found, "finite numbers", "did the training that wrote it diverge?")
    return [
        np.concatenate([np.empty(0, np.float32), *(np.ravel(file.floats(name)) for name in each)]) for each in layers
    ]


def _not_finite(arrays: Sequence[np.ndarray]) -> str:
    """The first value that is not finite, in words; "" if there is none."""
    for number, array in enumerate(arrays, start=1):
        bad = np.flatnonzero(~np.isfinite(array))
        if len(bad):
            return f"parameter {bad[0]} (from 0) of layer {number} is {np.ravel(array)[bad[0]]}"
    return ""


def _read_counts(path: str, file: IO[bytes], size: int) -> list[int]:
    """P of each layer, with the whole file's size accounted for; reads nothing but the counts."""
    layers = int.from_bytes(file.read(8), "little")
    if size < 8 or layers > min(size // 8 - 1, MOST_LAYERS):
        file.seek(0)
        if size >= 8:
            refuse_others(path, file.read(HEAD), "a weights file", "a binary file", ITS_WEIGHTS)
        found = f"is {size} bytes long and announces {layers} layers" if size >= 8 else f"is {size} bytes long"
        raise InputError(path, found, "a weights file", CUT_SHORT)
    counts, offset = [], 8
    for number in range(1, layers + 1):
        file.seek(offset)
        count = int.from_bytes(file.read(8), "little")
        # The least that the layers after this one need, so that a truncated count is not taken for another one.
        offset += 8 + 4 * count
        if offset + 8 * (layers - number) > size:
            found = f"is {size} bytes long, too short for layer {number} of {layers} with {count} parameters"
            raise InputError(path, found, hint=CUT_SHORT)
        counts.append(count)
    if offset != size:
        raise InputError(path, f"is {size} bytes long", f"{offset}, where its last layer ends")
    return counts


def _check_net(path: str, counts: list[int], sizes: Sequence[int], names: Sequence[str]) -> None:
    if len(counts) != len(sizes):
        raise InputError(path, f"holds {len(counts)} layers", f"{len(sizes)} as in the net", "weights of another net?")
    for index, (count, size) in enumerate(zip(counts, sizes, strict=True)):
        if count != size:
            expected = f"{size} for the net's {names[index]!r}" if names else f"{size}"
            found = f"layer {index + 1} holds {count} parameters"
            raise InputError(path, found, expected, "weights of another net?")


def _read_layer(source: Source, count: int) -> np.ndarray:
    source.stream.seek(8, os.SEEK_CUR)
    return source.read_array(np.dtype("<f4"), (count,))
