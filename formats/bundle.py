"""Bundle: a text net with all that it needs to predict, in one file. A zip of stored members:

    net.txt        the network file
    weights.bin    the weights file
    columns.json   of a net that was trained on a table: its columns and what was fitted (tables/columns_json.py)

No member is compressed or pickled; the sizes are checked against the file's before anything is read, and zip's
checksums find damage. Equal bundles make equal bytes.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..arguments import file_name
from ..errors import InputError
from .atomic import write_atomically
from .content import BUNDLE_SUFFIX, CUT_SHORT
from .files import Source, check_memory, open_input
from .network import NetSpec, format_network, parse_network
from .text import MOST_TEXT_BYTES
from .weights import check_finite, put_weights, weights_of

NET_MEMBER, WEIGHTS_MEMBER, COLUMNS_MEMBER = "net.txt", "weights.bin", "columns.json"
MOST_COLUMNS_BYTES = 1 << 28  # far more than a million columns take


class BundleParts(NamedTuple):
    """What a bundle holds: `weights` float32 [P] of each layer, and `columns` the text of columns.json, or None."""

    spec: NetSpec
    weights: list[np.ndarray]
    columns: str | None


def write_bundle(
    path: str | os.PathLike[str], spec: NetSpec, weights: Sequence[np.ndarray], columns: str | None
) -> None:
    """Raises OutputError; UsageError for a weight that is not finite, before anything is written."""
    check_finite(path, weights)
    packed = io.BytesIO()
    put_weights(packed, weights)
    members: dict[str, bytes | memoryview] = {
        NET_MEMBER: format_network(spec).encode(),
        WEIGHTS_MEMBER: packed.getbuffer(),
    }
    if columns is not None:
        members[COLUMNS_MEMBER] = columns.encode()
    with write_atomically(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            # A ZipInfo made from a name alone has the first day of zip's calendar as its time.
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                member.write(data)


def read_bundle(
    path: str | os.PathLike[str], sizes: Sequence[int] | None = None, names: Sequence[str] = ()
) -> BundleParts:
    """Raises InputError for a file that is damaged or not a bundle, and, as `read_weights`, for weights of another net
    than that of `sizes` and `names`."""
    name = file_name(path)
    with open_input(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                size = os.fstat(file.fileno()).st_size
                text = _text(name, _member(name, archive, size, NET_MEMBER, MOST_TEXT_BYTES), NET_MEMBER)
                data = _member(name, archive, size, WEIGHTS_MEMBER, size)
                columns = None
                if COLUMNS_MEMBER in archive.namelist():
                    held = _member(name, archive, size, COLUMNS_MEMBER, MOST_COLUMNS_BYTES)
                    columns = _text(name, held, COLUMNS_MEMBER)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError) as error:
            # NotImplementedError and RuntimeError: of a version, compression or encryption that zipfile lacks
            raise InputError(path, f"is not a {BUNDLE_SUFFIX} bundle: {error}", hint=CUT_SHORT) from None
    spec = parse_network(text, f"{name}/{NET_MEMBER}")
    weights = weights_of(Source(f"{name}/{WEIGHTS_MEMBER}", io.BytesIO(data), len(data), zipped=False), sizes, names)
    return BundleParts(spec, weights, columns)


def _member(path: str, archive: zipfile.ZipFile, size: int, name: str, most: int) -> bytes:
    """The bytes of a member of a file of `size` bytes: `most` at the most."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise InputError(path, f"is not a {BUNDLE_SUFFIX} bundle: it has no {name}") from None
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > min(size, most):
        raise InputError(path, f"is not a {BUNDLE_SUFFIX} bundle: its {name} is compressed or too large")
    check_memory(path, info.file_size)
    return archive.read(info)


def _text(path: str, data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InputError(path, f"is damaged: its {name} is not UTF-8: {error.reason}") from None
