"""HDF5 models (.caffemodel.h5), which Caffe writes with snapshot_format: HDF5. Needs the package h5py.

    /data/LAYER/0, 1, ...    a dataset for each blob, float32 or float64 in the blob's shape

There is a group for every layer, also without blobs. A blob that a layer shares by name is stored at its first owner
alone. No types, no parameters.

Files come from strangers: only what lies in the file itself is read. Links to elsewhere, virtual datasets and external
storage are refused, and sizes are held against the bytes that are there. Datasets have to be in one piece, as Caffe
writes them: the numbers are then views of the mapped file. HDF5's library, in which damaged chunks and filters lead to
crashes, only finds where they are.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator

import numpy as np

from ...errors import InputError, UsageError
from ..text import quote

MAGIC = b"\x89HDF\r\n\x1a\n"
MOST_LAYERS, MOST_BLOBS = 100_000, 1000
SMALLEST = 2  # bytes of a number
_COMPLETE = "was it copied completely?"


def read_hdf5(path: str, mapping: mmap.mmap) -> list[tuple[str, list[np.ndarray | None]]]:
    """The layers that have blobs, by name, and these, float32; None for one that is not there while a later one is.

    Raises InputError for what is no such file, UsageError without h5py.
    """
    try:
        import h5py
    except ImportError:
        needs = "reading it needs the package h5py: pip install 'caffe64[hdf5]', or pip install h5py"
        raise UsageError(f"{path}: is an HDF5 model; {needs}") from None
    try:
        with h5py.File(mapping, "r") as file:
            return list(_layers(path, mapping, file))
    except (
        OSError,
        RuntimeError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        MemoryError,
    ) as error:
        raise InputError(path, f"is a damaged HDF5 file: {quote(str(error), 100)}", hint=_COMPLETE) from None


def _layers(path: str, mapping: mmap.mmap, file) -> Iterator[tuple[str, list[np.ndarray | None]]]:
    import h5py

    layers = _member(path, file, "data") if "data" in file else None
    if not isinstance(layers, h5py.Group):
        hint = "snapshots with snapshot_format: HDF5 have it"
        if "learned_net" in file:
            hint = "this is the state of a solver; the weights are in the .caffemodel.h5 beside it"
        elif layers is not None:
            hint = "this looks like training data"
        raise InputError(path, "is an HDF5 file without a group 'data' of layers", "a .caffemodel.h5", hint)
    _check_number(path, "layers", len(layers), MOST_LAYERS)
    held = 0
    for name in layers:
        group = _member(path, layers, name)
        if not isinstance(group, h5py.Group):
            raise InputError(path, f"{quote(name)} in 'data' is no group", "a group for each layer")
        _check_number(path, f"datasets in {quote(name)}", len(group), MOST_BLOBS)
        members = {_index(path, name, blob): blob for blob in group}
        arrays: list[np.ndarray | None] = [None] * (max(members, default=-1) + 1)
        for number, member in members.items():
            where = f"layer {quote(name)} blob {number}"
            arrays[number] = _array(path, mapping, where, _member(path, group, member))
            held += arrays[number].size * SMALLEST
            if held > len(mapping):
                raise InputError(path, f"has datasets that share their numbers, among them {where}", "each its own")
        if arrays:
            yield name, arrays


def _member(path: str, group, name: str):
    """A group or dataset that lies in this file, at this place."""
    import h5py

    if group.get(name, getclass=True, getlink=True) is not h5py.HardLink:
        raise InputError(path, f"{quote(name)} is a link to another place or file", "a group or dataset of its own")
    return group[name]


def _index(path: str, layer: str, name: str) -> int:
    if not (name.isascii() and name.isdigit() and str(int(name)) == name and int(name) < MOST_BLOBS):
        raise InputError(path, f"layer {quote(layer)} has a dataset {quote(name)}", "0, 1, ...: one for each blob")
    return int(name)


def _check_number(path: str, what: str, number: int, most: int) -> None:
    if number > most:
        raise InputError(path, f"has {number} {what}", f"at most {most}", "is it a Caffe model?")


def _array(path: str, mapping: mmap.mmap, where: str, dataset) -> np.ndarray:
    """A dataset's numbers, float32; of a float32 dataset a read-only view of the mapped file."""
    from h5py import Dataset, h5d

    if not isinstance(dataset, Dataset):
        raise InputError(path, f"{where} is no dataset", "a dataset for each blob")
    stored = dataset.id.get_create_plist()
    # Before anything else is asked: the shape of a virtual dataset may depend on other files.
    if stored.get_layout() == h5d.VIRTUAL or stored.get_external_count():
        raise InputError(path, f"{where} is stored in another file", "its numbers in this one")
    if stored.get_layout() != h5d.CONTIGUOUS or stored.get_nfilters():
        hint = "h5repack -f NONE -l CONTI makes it so"
        raise InputError(path, f"{where} is stored in chunks or packed", "in one piece, as Caffe writes it", hint)
    dtype, shape = _dtype(path, where, dataset), dataset.shape
    if shape is None:
        raise InputError(path, f"{where} has no shape and no numbers", "a shape")
    offset = dataset.id.get_offset()
    if offset is None or offset + math.prod(shape) * dtype.itemsize > len(mapping):
        offset = 0
        if math.prod(shape):
            found = f"{where} has the shape {quote(str(shape), 100)}, but not its numbers"
            raise InputError(path, found, hint=_COMPLETE)
    with np.errstate(over="ignore"):
        return np.asarray(np.frombuffer(mapping, dtype, math.prod(shape), offset), np.float32).reshape(shape)


def _dtype(path: str, where: str, dataset) -> np.dtype:
    from h5py import h5t

    kind = dataset.id.get_type()
    for name, dtype in (("F32", "f4"), ("F64", "f8"), ("F16", "f2")):
        for suffix, order in (("LE", "<"), ("BE", ">")):
            if kind == getattr(h5t, f"IEEE_{name}{suffix}"):
                return np.dtype(order + dtype)
    raise InputError(path, f"{where} is of the type {quote(str(dataset.dtype))}", "float32 or float64")
