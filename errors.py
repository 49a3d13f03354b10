"""Every error that caffe64 raises on purpose, each with the exit code that the command line gives it.

Library code raises, only `cli/` prints. A message says where (file, line, column where they exist), what was
found, what was expected and how to fix it.
"""

from __future__ import annotations

import copyreg
import os
from typing import Any


class Caffe64Error(Exception):
    """Base of all the errors below. `exit_code` is that of the process when nothing catches it.

    Every one survives pickle and copy with its text and fields, with any constructor: process pools send
    exceptions, and `multiprocessing.Pool` hangs on one that cannot be unpickled.
    """

    exit_code = 1

    def __reduce__(self) -> tuple[Any, ...]:
        # As in object.__reduce_ex__: rebuilt not by the constructor, whose arguments are gone, but by __new__, which
        # keeps `args`, the text; the fields follow.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class UsageError(Caffe64Error):
    """The call itself is wrong: contradicting options, a wrong argument."""

    exit_code = 2


class InputError(Caffe64Error):
    """A file or an array does not hold what is expected.

    `path`, `line` and `column` (1-based, where they exist) say where; `found` and `expected` say what;
    `hint` says how to fix it. str() is one line: ``X.txt:3:14: found 'abc', expected a number (hint)``.
    """

    exit_code = 3

    def __init__(
        self,
        path: str | os.PathLike[str],
        found: str,
        expected: str = "",
        hint: str = "",
        *,
        line: int | None = None,
        column: int | None = None,
    ):
        self.path, self.line, self.column = os.fspath(path), line, column
        self.found, self.expected, self.hint = found, expected, hint
        where = ":".join(str(part) for part in (self.path, line, column) if part is not None)
        message = f"{where}: {found}"
        if expected:
            message += f", expected {expected}"
        if hint:
            message += f" ({hint})"
        super().__init__(message)


class FileMissing(InputError):
    """An input file does not exist. The message is the original program's, which scripts may look for."""

    def __init__(self, path: str | os.PathLike[str]):
        super().__init__(path, "no such file")
        self.args = (f"Couldn't find file {self.path}",)


class OutputError(Caffe64Error):
    """A file cannot be written: no such directory, no permission, a full disk. An existing file is left as it was."""

    exit_code = 3


class TargetError(InputError):
    """A target is none that the net's loss takes. `row` and `column` (0-based) say where in the array `path`."""

    def __init__(self, path: str, row: int, column: int, found: str, expected: str, hint: str = ""):
        super().__init__(path, found, expected, hint)
        self.row, self.column = row, column


class LabelError(TargetError):
    """A target is not a class number."""

    def __init__(
        self,
        path: str,
        row: int,
        column: int,
        label: float,
        classes: int,
        hint: str = "does the net end with as many channels?",
    ):
        expected = f"a class, a whole number from 0 to {classes - 1}"
        super().__init__(path, row, column, f"row {row + 1} holds {label:g}", expected, hint)
        self.label, self.classes = label, classes


class NotFinite(InputError):
    """A value of an array is nan, infinite, or too large for float32. `row` and `column` (0-based) say where in the
    array `path`, and `label` is the column's name in a data frame, else None."""

    def __init__(self, path: str, row: int, column: int, value: float, label: object = None):
        where = f"row {row + 1}, column {column + 1}" + ("" if label is None else f" ({label!r})")
        hint = "fill such values in, or leave these rows out"
        super().__init__(path, f"{where} holds {value}", "finite float32 numbers", hint)
        self.row, self.column, self.value, self.label = row, column, value, label


class CheckFailed(Caffe64Error):
    """A comparison that was asked for came out wrong."""

    exit_code = 4


class Diverged(Caffe64Error):
    """The loss is no longer finite, or a weight where it is to be kept: after the last minibatch of an epoch, in a
    snapshot. `epoch` and `minibatch` are 1-based; of a Caffe net, `epoch` is None and `minibatch` the iteration, from
    0."""

    exit_code = 5

    def __init__(self, epoch: int | None, minibatch: int, loss: float, hint: str = "try a smaller learning rate"):
        self.epoch, self.minibatch, self.loss, self.hint = epoch, minibatch, loss, hint
        where = f"iteration {minibatch}" if epoch is None else f"epoch {epoch}, minibatch {minibatch}"
        super().__init__(f"training diverged: the loss is {loss} in {where} ({hint})")


class Interrupted(Caffe64Error):
    """Ctrl-C (130) or SIGTERM (143) ended the work after the current minibatch."""

    def __init__(self, message: str, exit_code: int = 130):
        self.exit_code = exit_code
        super().__init__(message)
