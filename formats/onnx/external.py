"""Weights in files beside a model: inside its folder only, checked, and mapped into memory."""

from __future__ import annotations

import mmap
import os
import re
import stat
from typing import Any

import numpy as np

from ...aside import PLAIN, PRIVATE
from ...errors import InputError
from ..content import CUT_SHORT

MOST_EXTERNAL_BYTES = 1 << 31


class ExternalData:
    """The external data of one model; `folder` is the model's, None for one that is not a file."""

    def __init__(self, path: str, folder: str | None):
        self.path, self.folder = path, folder
        self.maps: dict[str, mmap.mmap] = {}
        self.bytes = 0

    def read(self, tensor: Any, what: str, dtype: np.dtype[Any], size: int) -> np.ndarray:
        """The `size` bytes of a tensor, read-only, as numbers of one axis. Raises InputError."""
        entries = {each.key: each.value for each in tensor.external_data}
        location = entries.get("location", "")
        offset = self._number(entries, "offset", what, 0)
        length = self._number(entries, "length", what, size)
        if length != size:
            raise InputError(self.path, f"{what} has dims {list(tensor.dims)} and {length} bytes", str(size), CUT_SHORT)
        self.bytes += size
        if self.bytes > MOST_EXTERNAL_BYTES:
            raise InputError(self.path, "has more than 2 GiB of external data", "at most that")
        if not size:
            return np.empty(0, dtype)
        mapped = self._map(location, what)
        if offset + size > len(mapped):
            raise InputError(
                self.path,
                f"external data of {what} is at {offset} to {offset + size} of {location!r}",
                f"within its {len(mapped)} bytes",
                CUT_SHORT,
            )
        values = np.frombuffer(mapped, dtype.newbyteorder("<"), size // dtype.itemsize, offset)
        return np.require(values, dtype, ["A"])

    def _number(self, entries: dict[str, str], key: str, what: str, default: int) -> int:
        text = entries.get(key)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise InputError(self.path, f"external data of {what} has the {key} {text!r}", "a number of bytes")
        return int(text)

    def _map(self, location: str, what: str) -> mmap.mmap:
        if location in self.maps:
            return self.maps[location]
        if self.folder is None:
            raise InputError(self.path, f"{what} lies in another file, {location!r}", "a path, not bytes")
        folder = os.path.realpath(self.folder)
        inside = location and not os.path.isabs(location) and "\0" not in location
        inside = inside and ".." not in re.split(r"[/\\]", location) and not os.path.splitdrive(location)[0]
        target = os.path.realpath(os.path.join(folder, location)) if inside else ""
        if not inside or os.path.commonpath([folder, target]) != folder:
            expected = f"a file in the folder of {self.path}"
            raise InputError(self.path, f"external data of {what} lies at {location!r}", expected)
        try:
            self.maps[location] = _mapped(target)
        except OSError as error:
            found = f"external data of {what}, {location!r}, cannot be read: {error.strerror or error}"
            raise InputError(self.path, found, "the file beside the model, copied with it") from None
        except ValueError as error:
            raise InputError(self.path, f"external data of {what}, {location!r}, {error}", "a file") from None
        return self.maps[location]


def _mapped(target: str) -> mmap.mmap:
    """The bytes of a regular file. Raises OSError, and ValueError for other kinds."""
    file = os.open(target, os.O_RDONLY | PLAIN | PRIVATE)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("is a device, a pipe or a folder")
        if not status.st_size:
            raise ValueError("is empty")
        return mmap.mmap(file, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(file)
