"""Datasets of HDF5 files as arrays, by a process of their own (`hdf5_datasets`), which a damaged file may end."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from ..errors import InputError, UsageError
from ..interrupts import postponed
from . import hdf5_datasets
from .content import CUT_SHORT
from .files import PIECE, check_memory, open_input
from .text import quote

Shapes = list[tuple[int, ...]]


class DatasetReader:
    """Reads files one after the other. The process runs from the first file on until nothing refers to this."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0  # a forked child has no process of its own yet

    def shapes(self, path: str | os.PathLike[str], names: Sequence[str]) -> Shapes:
        """Of the datasets of these names, none of them empty. Raises InputError, UsageError without h5py."""
        return self._ask(os.fspath(path), names, numbers=False)[0]

    def read(self, path: str | os.PathLike[str], names: Sequence[str]) -> list[np.ndarray]:
        """The datasets, float32. Raises InputError as `shapes`, and for more numbers than fit into memory."""
        shapes = self.shapes(path, names)
        check_memory(os.fspath(path), 4 * sum(map(math.prod, shapes)))
        return self._ask(os.fspath(path), names, numbers=True)[1]

    def close(self) -> None:
        if self._process:
            _end(self._process, self._owner)
        self._process = None

    def _ask(self, path: str, names: Sequence[str], *, numbers: bool) -> tuple[Shapes, list[np.ndarray]]:
        with open_input(path):
            pass  # it is there, and a file
        process = self._running(path)
        requests, replies = process.stdin, process.stdout
        assert requests
        assert replies
        watch = _watch(process) if not hdf5_datasets.HAS_CPU_LIMITS else None
        try:
            line = {"path": os.path.abspath(path), "names": [*names], "numbers": numbers}
            requests.write(json.dumps(line).encode() + b"\n")
            requests.flush()
            shapes = self._shapes(path, json.loads(replies.readline()))
            return shapes, self._arrays(replies, shapes) if numbers else []
        except InputError:
            raise
        except (ValueError, OSError, EOFError):  # no line of JSON, or nothing: it has ended
            self.close()
            raise InputError(path, "is a damaged HDF5 file: its library does not survive it", hint=CUT_SHORT) from None
        except BaseException:
            self.close()  # there may be numbers in the pipe
            raise
        finally:
            if watch:
                watch.cancel()

    def _shapes(self, path: str, reply: dict[str, Any]) -> Shapes:
        if "damaged" in reply:
            raise InputError(
                path, f"is not an HDF5 file that can be read: {quote(reply['damaged'], 100)}", hint=CUT_SHORT
            )
        if "refused" in reply:
            raise InputError(path, *reply["refused"])
        return [tuple(map(int, shape)) for shape in reply["shapes"]]

    def _arrays(self, replies: IO[bytes], shapes: Shapes) -> list[np.ndarray]:
        arrays = [np.empty(shape, np.float32) for shape in shapes]
        for array in arrays:
            data, done = array.reshape(-1).view(np.uint8).data, 0
            while done < len(data):
                got = replies.readinto(data[done : done + PIECE])  # type: ignore[attr-defined]
                if not got:
                    raise EOFError
                done += got
        return arrays

    def _running(self, path: str) -> subprocess.Popen[bytes]:
        if self._process is None or self._owner != os.getpid():
            if importlib.util.find_spec("h5py") is None:
                needs = "reading HDF5 needs the package h5py: pip install 'caffe64[hdf5]', or pip install h5py"
                raise UsageError(f"{path}: {needs}")
            # Started as a file, without its folder in sys.path, it finds h5py where this process does. Ctrl-C of a
            # terminal is for this process alone.
            variables = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
            with postponed():
                self._process = subprocess.Popen(
                    [sys.executable, "-P", hdf5_datasets.__file__],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
                    env={**os.environ, **variables},
                )  # fmt: skip
                self._owner = os.getpid()
                weakref.finalize(self, _end, self._process, self._owner)
        return self._process


def _watch(process: subprocess.Popen[bytes]) -> threading.Timer:
    """Ends a process that takes too long, where it has no limit of its own."""
    timer = threading.Timer(10 * hdf5_datasets.OPENING, process.kill)
    timer.daemon = True
    timer.start()
    return timer


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    if owner != os.getpid():
        return
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with contextlib.suppress(OSError):  # what it did not read any more
                pipe.close()
    process.wait()
