"""Bundle: a text net with all that it needs to predict, in one file. A zip of stored members:

    net.txt        the network file
    weights.bin    the weights file
    columns.json   of a net that was trained on a table: its columns and what was fitted (tables/columns_json.py)

`stored_zip.py` says what is checked. Equal bundles make equal bytes.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from typing import IO, NamedTuple

import numpy as np

from ..arguments import file_name
from ..errors import InputError
from .content import BUNDLE_SUFFIX
from .files import Source, check_memory
from .network import NetSpec, format_network, parse_network
from .stored_zip import StoredMembers, open_stored, write_stored
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
    write_stored(path, {name: _putter(data) for name, data in members.items()})


def _putter(data: bytes | memoryview) -> Callable[[IO[bytes]], object]:
    return lambda member: member.write(data)


def read_bundle(
    path: str | os.PathLike[str], sizes: Sequence[int] | None = None, names: Sequence[str] = ()
) -> BundleParts:
    """Raises InputError for a file that is damaged or not a bundle, and, as `read_weights`, for weights of another net
    than that of `sizes` and `names`."""
    name = file_name(path)
    with open_stored(path, f"a {BUNDLE_SUFFIX} bundle") as members:
        text = _text(name, _bytes(members, NET_MEMBER, MOST_TEXT_BYTES), NET_MEMBER)
        data = _bytes(members, WEIGHTS_MEMBER)
        columns = None
        if COLUMNS_MEMBER in members:
            columns = _text(name, _bytes(members, COLUMNS_MEMBER, MOST_COLUMNS_BYTES), COLUMNS_MEMBER)
    spec = parse_network(text, f"{name}/{NET_MEMBER}")
    weights = weights_of(Source(f"{name}/{WEIGHTS_MEMBER}", io.BytesIO(data), len(data), zipped=False), sizes, names)
    return BundleParts(spec, weights, columns)


def _bytes(members: StoredMembers, name: str, most: int | None = None) -> bytes:
    with members.member(name, most) as source:
        check_memory(source.path, source.size)
        content: bytes = source.stream.read()
        return content


def _text(path: str, data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InputError(path, f"is damaged: its {name} is not UTF-8: {error.reason}") from None
