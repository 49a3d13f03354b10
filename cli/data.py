"""Reads the rows that a command works on, and names the position of a wrong label in its file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, TargetError
from ..formats.data import locate, read_matrix
from ..formats.network import loss_words
from ..wording import counted

if TYPE_CHECKING:
    from ..api import Net

BALANCED = Path("balanced")  # weights of classes that need no file


def read_inputs(net: Net, x: Path, rows: int | None, *, strict: bool) -> np.ndarray:
    """X as float32 [rows, features]; `rows` None: all of the file. `strict` as for `read_matrix`."""
    return read_matrix(x, rows, net.spec.features, strict=strict)


def read_targets(net: Net, y: Path, X: np.ndarray, *, strict: bool) -> np.ndarray:
    """Y as float32 [rows of X, targets per row]."""
    return read_matrix(y, len(X), net.plan.targets, strict=strict)


def read_class_weights(
    net: Net, path: Path | None, labels: Sequence[str] | None, *, strict: bool
) -> np.ndarray | str | None:
    """float32 [classes] of a file, in the order of the `labels`, None: of the numbers of the classes; "balanced" and
    None stay what they are. Raises InputError."""
    if path is None or path == BALANCED:
        return None if path is None else str(path)
    classes = net.plan.outputs
    found = read_matrix(path, None, 1, strict=strict)
    if len(found) != classes:
        order = f", in this order: {', '.join(labels)}" if labels else ""
        raise InputError(path, f"holds {counted(len(found), 'number')}", f"{classes}, a weight for each class{order}")
    return _not_negative(path, found)


def read_row_weights(path: Path | None, X: np.ndarray, *, strict: bool) -> np.ndarray | None:
    """float32 [rows of X]. Raises InputError."""
    return None if path is None else _not_negative(path, read_matrix(path, len(X), 1, strict=strict))


def _not_negative(path: Path, found: np.ndarray) -> np.ndarray:
    weights: np.ndarray = found[:, 0]
    wrong = np.flatnonzero(weights < 0)
    if len(wrong):
        raise InputError(locate(path, int(wrong[0]), 0, 1), f"found {weights[wrong[0]]:g}", "a weight from 0")
    return weights


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
