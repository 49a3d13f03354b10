"""Reads the rows that a command works on, and names the position of a wrong label in its file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, TargetError
from ..formats.data import locate, read_matrix
from ..formats.network import loss_words

if TYPE_CHECKING:
    from ..api import Net


def read_inputs(net: Net, x: Path, rows: int | None, *, strict: bool) -> np.ndarray:
    """X as float32 [rows, features]; `rows` None: all of the file. `strict` as for `read_matrix`."""
    return read_matrix(x, rows, net.spec.features, strict=strict)


def read_targets(net: Net, y: Path, X: np.ndarray, *, strict: bool) -> np.ndarray:
    """Y as float32 [rows of X, targets per row]."""
    return read_matrix(y, len(X), net.plan.targets, strict=strict)


def require_loss(net: Net, path: Path) -> None:
    """Raises InputError if the net of the file `path` has no loss layer, so that it takes no targets."""
    if net.spec.loss is None:
        raise InputError(
            path, "the last layer is not a loss layer", loss_words(), "without one a net can only be tested"
        )


@contextlib.contextmanager
def naming_label(path: Path, Y: np.ndarray) -> Iterator[None]:
    """A TargetError of the engine has row and column; this adds the position in the file `path` of Y."""
    try:
        yield
    except TargetError as error:
        position = locate(path, error.row, error.column, Y.shape[1])
        raise InputError(position, error.found, error.expected, error.hint) from None
