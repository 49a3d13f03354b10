"""HDF5 models (.caffemodel.h5), which Caffe writes with snapshot_format: HDF5. Needs the package h5py.

    /data/LAYER/0, 1, ...    a dataset for each blob, float32 or float64 in the blob's shape

There is a group for every layer, also without blobs. A blob that a layer shares by name is stored at its first owner
alone. No types, no parameters.

Files come from strangers: only what lies in the file itself is read. Links to elsewhere, virtual datasets and external
storage are refused, and sizes are held against the bytes that are there. Datasets have to be in one piece, as Caffe
writes them: `hdf5_places`, a process of its own, finds where, and the numbers are views of the mapped file.
"""

from __future__ import annotations

import importlib.util
import json
import math
import mmap
import os
import subprocess
import sys
from typing import IO, Any

import numpy as np

from ...errors import InputError, UsageError
from ..text import quote
from . import hdf5_places
from .hdf5_places import MAGIC

__all__ = ["MAGIC", "read_hdf5"]

SMALLEST = 2  # bytes of a number
_COMPLETE = "was it copied completely?"


def read_hdf5(path: str, file: IO[bytes], mapping: mmap.mmap) -> list[tuple[str, list[np.ndarray | None]]]:
    """The layers that have blobs, by name, and these, float32; None for one that is not there while a later one is.

    `mapping` is that of `file`. Raises InputError for what is no such file, UsageError without h5py.
    """
    if importlib.util.find_spec("h5py") is None:
        raise _missing(path)
    layers, numbers = [], 0
    for name, places in _find(path, file):
        arrays: list[np.ndarray | None] = [None] * (max((number for number, *_ in places), default=-1) + 1)
        for number, dtype, shape, offset in places:
            where = f"layer {quote(name)} blob {number}"
            arrays[number] = _array(path, mapping, where, np.dtype(dtype), tuple(shape), offset)
            numbers += arrays[number].size
            if numbers * SMALLEST > len(mapping):
                raise InputError(path, f"has datasets that share their numbers, among them {where}", "each its own")
        if arrays:
            layers.append((name, arrays))
    return layers


def _missing(path: str) -> UsageError:
    needs = "reading it needs the package h5py: pip install 'caffe64[hdf5]', or pip install h5py"
    return UsageError(f"{path}: is an HDF5 model; {needs}")


def _find(path: str, file: IO[bytes]) -> list[Any]:
    """The layers as `hdf5_places` says them."""
    # It is started as a file, without its folder in sys.path, and finds h5py where this process does.
    command = [sys.executable, "-P", hdf5_places.__file__]
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, stdin=file, capture_output=True, env=settings, check=False)
    try:
        told = json.loads(done.stdout)
    except ValueError:
        told = {"damaged": "HDF5's library does not come to an end with it"}
    if "missing" in told:
        raise _missing(path)
    if "damaged" in told:
        raise InputError(path, f"is a damaged HDF5 file: {quote(told['damaged'], 100)}", hint=_COMPLETE)
    if "refused" in told:
        raise InputError(path, *told["refused"])
    return list(told["layers"])


def _array(
    path: str, mapping: mmap.mmap, where: str, dtype: np.dtype, shape: tuple[int, ...], offset: int | None
) -> np.ndarray:
    """A dataset's numbers, float32; of a float32 dataset a read-only view of the mapped file."""
    count = math.prod(shape)
    if count and (offset is None or offset + count * dtype.itemsize > len(mapping)):
        raise InputError(path, f"{where} has the shape {quote(str(shape), 100)}, but not its numbers", hint=_COMPLETE)
    with np.errstate(over="ignore"):
        array = np.asarray(np.frombuffer(mapping, dtype, count, offset or 0), np.float32)
    try:
        return array.reshape(shape)
    except ValueError:  # no numbers in sizes beyond all bounds
        raise InputError(path, f"{where} has the shape {quote(str(shape), 100)}") from None
