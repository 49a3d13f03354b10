"""A Python file of the user's, which registers layers before a command reads nets."""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from pathlib import Path

from ..errors import FileMissing, InputError

MODULE = "caffe64_own_layers"  # the file's name as a module


def run_layers_file(path: Path) -> None:
    """Run the file at `path`, which may import others beside it. Raises FileMissing, and InputError with the line for
    whatever it raises."""
    file = path.resolve()
    if not file.is_file():
        raise FileMissing(path)
    found = importlib.util.spec_from_file_location(MODULE, file)
    if found is None or found.loader is None:
        raise InputError(path, "is no Python file", "one that ends in .py, and registers layers")
    module = importlib.util.module_from_spec(found)
    sys.modules[MODULE] = module  # for classes that are pickled
    sys.path.insert(0, str(file.parent))
    try:
        found.loader.exec_module(module)
    except Exception as error:
        raise InputError(path, f"{type(error).__name__}: {error}", line=_line(error, str(file))) from error


def loaded_layers() -> str | None:
    """The file that `run_layers_file` ran last, for other processes."""
    return getattr(sys.modules.get(MODULE), "__file__", None)


def load_layers(path: str) -> None:
    """Run the file, unless it is the one that ran last."""
    if loaded_layers() != os.path.realpath(path):
        run_layers_file(Path(path))


def _line(error: Exception, file: str) -> int | None:
    """The last line of the file that led to `error`."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return lines[-1] if lines else None
