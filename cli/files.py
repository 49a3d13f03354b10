"""Checks the files of a command before any work starts: a typo must not cost an hour of training."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ..errors import FileMissing, OutputError, UsageError
from .output import is_stdout


def check_inputs(paths: Iterable[Path | None]) -> None:
    """Raises FileMissing unless all of `paths` are there (None: not asked for). Their readers check the rest."""
    for path in paths:
        if path is not None:
            try:
                os.stat(path)
            except FileNotFoundError:
                raise FileMissing(path) from None
            except OSError:
                pass  # the reader reports it


def check_outputs(outputs: Iterable[Path | None], inputs: Iterable[Path | None] = ()) -> None:
    """Each of `outputs` can be written, and none is one of `inputs` or given twice. None means: not asked for.

    Raises OutputError naming the file and the obstacle, UsageError for a file with two roles.
    """
    roles = {os.path.realpath(path): path for path in inputs if path is not None}
    for path in outputs:
        if path is None or is_stdout(path):
            continue
        target = os.path.realpath(path)
        if _check_output(path, target):
            if target in roles:
                raise UsageError(f"{path} would be overwritten: it has another part in this command")
            roles[target] = path


def _check_output(path: Path, target: str) -> bool:
    """True if a regular file is going to stand at `target`; devices and pipes may have many roles."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        mode = stat.S_IFREG
    if stat.S_ISDIR(mode):
        raise OutputError(f"{path}: this is a directory, expected the name of a file to write")
    if os.path.exists(path) and not os.access(path, os.W_OK):
        raise OutputError(f"{path}: it is write-protected")
    if not stat.S_ISREG(mode):
        return False
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise OutputError(f"{path}: there is no directory {folder} (mkdir -p makes it)")
    try:
        # Files are written aside and renamed, so what counts is that a new file can be made beside it.
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OutputError(f"{path}: cannot write into {folder}: {error.strerror}") from None
    return True


def check_suffix(path: Path | None, option: str, suffixes: tuple[str, ...]) -> None:
    """Raises UsageError if the name of `path` ends with none of `suffixes`."""
    if path is not None and path.suffix.lower() not in suffixes:
        raise UsageError(f"{option} {path}: the name must end with {' or '.join(suffixes)}")
