"""The rows that are scored, of arrays and of pictures, read a batch at a time.

A description of a source is a plain dict, as a job is sent:

    array      absolute path of a .npy; its `shape` and `dtype`
    pictures   absolute paths, those of the job alone; the `recipe` of `make_recipe`, as a dict
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..caffe.data.places import Places
from ..caffe.data.samples import SUFFIXES
from ..caffe.net import CaffeNet
from ..caffe.pictures import PictureInput
from ..errors import InputError, NotFinite
from ..formats.content import HEAD, recognise
from ..formats.files import open_data, open_input
from ..formats.image import Recipe
from ..formats.npy import NPY_MAGIC, npy_array
from ..formats.picture_list import LABEL

MAPPED_BYTES = 1 << 26  # of a file, read before it is mapped anew
EXPECTED = "a .npy, a folder of pictures, or a list of their files"
Source = Mapping[str, Any]


def is_array(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a .npy; False for a folder, and for text. Raises InputError for another file."""
    if os.path.isdir(path):
        return False
    with open_input(path) as file:
        head = file.read(HEAD)
    if head.startswith(NPY_MAGIC):
        return True
    if not head:
        raise InputError(path, "is empty", EXPECTED)
    kind, hint = recognise(head)
    if kind not in ("", "text"):
        raise InputError(path, f"is {kind}", EXPECTED, "caffe64 run takes single ones" if kind == "a picture" else hint)
    return False


def describe_array(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Raises InputError for an array without rows."""
    array = _mapped(path)
    if array.ndim == 0 or not len(array):
        raise InputError(path, f"holds an array {list(array.shape)}", "rows")
    return {"array": os.path.abspath(path), "shape": list(array.shape), "dtype": array.dtype.str}


def _mapped(path: str | os.PathLike[str]) -> np.ndarray:
    with open_data(path) as source:
        return npy_array(source)


def picture_files(path: str | os.PathLike[str], notices: list[str]) -> tuple[list[str], list[str]]:
    """Names and absolute paths of the pictures in a folder and those below it, sorted; or of those that a list names, a
    line for each, which may end with a label. `notices` get what was found where it was not expected.

    Names in a list count from the working directory, or from the list's folder if the first one is not there.
    """
    if os.path.isdir(path):
        root = str(path)
        names = sorted(_below(Path(path)))
        if not names:
            raise InputError(path, "holds no pictures", f"files {' '.join(SUFFIXES)}")
    else:
        names = _listed(path)
        root = Places(path, notices).root("", names[0])
    return names, [os.path.abspath(os.path.join(root, name)) for name in names]


def _below(folder: Path) -> list[str]:
    """Hidden files and folders are left out: thumbnails, and what systems keep."""
    found = []
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        pictures = [name for name in files if name.lower().endswith(SUFFIXES) and not name.startswith(".")]
        found += [(Path(here) / name).relative_to(folder).as_posix() for name in pictures]
    return found


def _listed(path: str | os.PathLike[str]) -> list[str]:
    with open_input(path) as file:
        lines = file.read().decode("utf-8", "surrogateescape").removeprefix("\ufeff").split("\n")
    names = []
    for number, line in enumerate(map(str.strip, lines), 1):
        name, _, label = line.rpartition(" ")
        if "\0" in line:
            raise InputError(path, "holds a zero byte", EXPECTED, line=number)
        if line:
            names.append(name.rstrip() if name.strip() and LABEL.fullmatch(label) else line)
    if not names:
        raise InputError(path, "names no pictures", "a file in each line")
    return names


def describe_pictures(files: Sequence[str], recipe: Recipe) -> dict[str, Any]:
    return {"pictures": list(files), "recipe": asdict(recipe)}


def part_of(source: Source, start: int, stop: int) -> Source:
    """What a job of these rows needs of a source."""
    return {**source, "pictures": source["pictures"][start:stop]} if "pictures" in source else source


class ArrayReader:
    """Called with start and stop, reads these rows of a described array as float32 C-contiguous [n, ...].

    Raises InputError for a file that is not as it was described, NotFinite for a number that is not finite.
    """

    def __init__(self, source: Source):
        self._source = source
        self._array: np.ndarray | None = None
        self._bytes = 0  # of the file in memory, about

    def __call__(self, start: int, stop: int) -> np.ndarray:
        array = self._map() if self._array is None or self._bytes > MAPPED_BYTES else self._array
        with np.errstate(over="ignore"):  # what becomes infinite is found below
            rows = np.array(array[start:stop], np.float32, order="C")
        # Rows of an array in Fortran's order have their numbers on as many pages.
        self._bytes += array[start:stop].nbytes if array.flags.c_contiguous else rows.size * mmap.PAGESIZE
        finite = np.isfinite(rows)
        if not finite.all():
            row, *where = (int(index) for index in np.argwhere(~finite)[0])
            column = int(np.ravel_multi_index(where, rows.shape[1:])) if where else 0
            raise NotFinite(self._source["array"], start + row, column, float(array[(start + row, *where)]))
        return rows

    def _map(self) -> np.ndarray:
        """The file, mapped anew, so that what was read before does not stay in memory."""
        path, shape = self._source["array"], list(self._source["shape"])
        self._array, self._bytes = None, 0
        array = _mapped(path)
        if [list(array.shape), array.dtype.str] != [shape, self._source["dtype"]]:
            found = f"holds an array {list(array.shape)} of {array.dtype}"
            raise InputError(path, found, f"{shape}, as when the scoring began", "was it changed since?")
        self._array = array
        return array


class PictureReader:
    """Called with start and stop, reads these rows of described pictures, for the input `name` of a net, as float32
    [n, channels, height, width]; `first` is the row of the first picture that there is. Raises InputError."""

    def __init__(self, source: Source, first: int, net: CaffeNet, name: str):
        recipe = Recipe(**{key: _as_tuple(value) for key, value in source["recipe"].items()})
        self._files, self._first = source["pictures"], first
        self._picture = PictureInput(net, name, recipe, lambda steps: None)

    def __call__(self, start: int, stop: int) -> np.ndarray:
        files = self._files[start - self._first : stop - self._first]
        return np.concatenate([self._picture.read_picture(file) for file in files])


def _as_tuple(value: Any) -> Any:
    """JSON and some transports make lists of tuples."""
    return tuple(value) if isinstance(value, list) else value
