"""HDF5 models (.caffemodel.h5) and states of solvers (.solverstate.h5), which Caffe writes with snapshot_format: HDF5.
Needs the package h5py.

    /data/LAYER/0, 1, ...    a dataset for each blob, float32 or float64 in the blob's shape

There is a group for every layer, also without blobs. A blob that layers share by name is stored with its first owner
only. No types, no parameters. Of a state see `solver_state`.

Files come from strangers: only the file itself is read. Links to other files, virtual datasets and external storage are
refused, and sizes are checked against the file's. Datasets must be contiguous, as Caffe writes them: `hdf5_offsets`,
run as a separate process, finds their offsets, and the numbers are views of the mapped file.
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
from ..content import CUT_SHORT
from ..text import quote
from . import hdf5_offsets
from .hdf5_offsets import HDF5_MAGIC

__all__ = ["HDF5_MAGIC", "read_hdf5", "read_hdf5_state"]

LEAST_ITEM_BYTES = 2  # bytes of a number


def read_hdf5(path: str, file: IO[bytes], mapping: mmap.mmap | bytes) -> list[tuple[str, list[np.ndarray | None]]]:
    """The layers that have blobs, by name, and these, float32; None for an absent one before a later one.

    `mapping` is that of `file`. Raises InputError for another file, UsageError without h5py.
    """
    layers, numbers = [], 0
    for name, locations in _ask(path, file, "model")["layers"]:
        arrays: list[np.ndarray | None] = [None] * (max((number for number, *_ in locations), default=-1) + 1)
        for number, dtype, shape, offset in locations:
            where = f"layer {quote(name)} blob {number}"
            arrays[number] = _array(path, mapping, where, np.dtype(dtype), tuple(shape), offset)
            numbers += arrays[number].size
            _check_own(path, mapping, where, numbers)
        if arrays:
            layers.append((name, arrays))
    return layers


def read_hdf5_state(
    path: str, file: IO[bytes], mapping: mmap.mmap | bytes
) -> tuple[dict[str, int], dict[str, str], list[np.ndarray]]:
    """The numbers `iter` and perhaps `current_step` of a state, its texts `learned_net` and `caffe64`, if there, and
    the histories, float32. Raises as `read_hdf5`."""
    reply, numbers = _ask(path, file, "state"), 0
    history = []
    for number, dtype, shape, offset in reply["history"]:
        where = f"history {number}"
        history.append(_array(path, mapping, where, np.dtype(dtype), tuple(shape), offset))
        numbers += history[-1].size
        _check_own(path, mapping, where, numbers)
    return reply["numbers"], reply["texts"], history


def _check_own(path: str, mapping: mmap.mmap | bytes, where: str, numbers: int) -> None:
    if numbers * LEAST_ITEM_BYTES > len(mapping):
        raise InputError(path, f"has datasets that share their numbers, among them {where}", "each its own")


def _missing(path: str) -> UsageError:
    needs = "reading it needs the package h5py: pip install 'caffe64[hdf5]', or pip install h5py"
    return UsageError(f"{path}: is an HDF5 file; {needs}")


def _ask(path: str, file: IO[bytes], kind: str) -> dict[str, Any]:
    """The parts of a file of this kind, as `hdf5_offsets` gives them."""
    if importlib.util.find_spec("h5py") is None:
        raise _missing(path)
    # It is started as a file, without its folder in sys.path, and finds h5py where this process does.
    command = [sys.executable, "-P", hdf5_offsets.__file__, kind]
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    limit = None if hdf5_offsets.HAS_LIMITS else hdf5_offsets.MOST_SECONDS
    try:
        done = subprocess.run(command, stdin=file, capture_output=True, env=settings, check=False, timeout=limit)
        reply: dict[str, Any] = json.loads(done.stdout)
    except (ValueError, subprocess.TimeoutExpired):
        reply = {"damaged": "HDF5's library does not come to an end with it"}
    if "missing" in reply:
        raise _missing(path)
    if "damaged" in reply:
        raise InputError(path, f"is a damaged HDF5 file: {quote(reply['damaged'], 100)}", hint=CUT_SHORT)
    if "refused" in reply:
        raise InputError(path, *reply["refused"])
    return reply


def _array(
    path: str, mapping: mmap.mmap | bytes, where: str, dtype: np.dtype, shape: tuple[int, ...], offset: int | None
) -> np.ndarray:
    """A dataset's numbers, float32; of a float32 dataset a read-only view of the mapped file."""
    count = math.prod(shape)
    if count and (offset is None or offset + count * dtype.itemsize > len(mapping)):
        raise InputError(path, f"{where} has the shape {quote(str(shape), 100)}, but not its numbers", hint=CUT_SHORT)
    with np.errstate(over="ignore"):
        array = np.asarray(np.frombuffer(mapping, dtype, count, offset or 0), np.float32)
    try:
        return array.reshape(shape)
    except ValueError:  # no numbers in sizes beyond all bounds
        raise InputError(path, f"{where} has the shape {quote(str(shape), 100)}") from None
