"""HDF5 files that are written: aside, and renamed when they are whole."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Callable, Iterator
from typing import IO, Any

from ..errors import UsageError
from .atomic import write_atomically


@contextlib.contextmanager
def new_hdf5(path: str | os.PathLike[str]) -> Iterator[Any]:
    """An h5py.File to fill, which takes the place of `path` at the end of the block. Raises OutputError, UsageError
    without the package h5py."""
    if importlib.util.find_spec("h5py") is None:
        hint = "pip install 'caffe64[hdf5]', or pip install h5py"
        raise UsageError(f"{os.fspath(path)}: writing it needs the package h5py: {hint}")
    import h5py

    with write_atomically(path, "w+b") as file:
        storage = _Storage(file)
        try:
            with h5py.File(storage, "w") as made:
                yield made
        except Exception:
            if storage.error:
                raise storage.error from None
            raise
        if storage.error:
            raise storage.error


class _Storage:
    """What HDF5's library reads and writes. Of an error here it makes others, of several kinds, or one in a later call:
    `error` is the first."""

    def __init__(self, file: IO[bytes]):
        self._file = file
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return self._keeping(getattr(self._file, name))

    def _keeping(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            try:
                return call(*arguments)
            except OSError as error:
                self.error = self.error or error
                raise

        return run
