"""Which source files can change a kernel's machine code: its own and, through their imports, all that it can call.

The imports of the package's files are read from their text, those inside functions included: what a kernel calls, and
what compiles it, is reached by such an import, so an edit anywhere else leaves the kernel as it is.
"""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parents[2]
FOLDERS = ("dnn", "engine", "formats")  # those with kernels; their modules import each other relatively
# from .a.b import c, d   from ..a import (c, d)   from . import c
_IMPORT = re.compile(r"^[ \t]*from[ \t]+(\.+)([\w.]*)[ \t]+import[ \t]+(?:\(([^)]*)\)|([^\n]*))", re.MULTILINE)
_COMMENT = re.compile("#.*")


class _Source(NamedTuple):
    digest: bytes
    imports: frozenset[Path]


def sources_of(path: Path) -> frozenset[Path]:
    """`path`, a file of the package, and the files of the package that it imports, directly or through others."""
    found, open_ends = set(), [path]
    while open_ends:
        file = open_ends.pop()
        if file not in found:
            found.add(file)
            open_ends += _source(file).imports
    return frozenset(found)


@functools.cache
def digest_of(path: Path) -> bytes:
    """SHA-256 of the names and contents of `sources_of(path)`."""
    return _digest(sources_of(path))


@functools.cache
def digest_of_engine() -> bytes:
    """SHA-256 of all engine sources: for kernels outside the package, whose imports may lead through anything."""
    return _digest((PACKAGE / "engine").rglob("*.py"))


def _digest(paths) -> bytes:
    whole = hashlib.sha256()
    for path in sorted(paths):
        whole.update(f"{path.relative_to(PACKAGE)}\0".encode() + _source(path).digest)
    return whole.digest()


@functools.cache
def _source(path: Path) -> _Source:
    text = path.read_bytes()
    return _Source(hashlib.sha256(text).digest(), frozenset(_imports(path, text.decode())))


def _imports(path: Path, text: str):
    """The files that a file's relative imports name. A name may be a module, or something in its package's __init__."""
    for match in _IMPORT.finditer(text):
        dots, module, *names = match.groups()
        folder = path.parents[len(dots) - 1]
        if not folder.is_relative_to(PACKAGE):
            continue  # a line of some docstring
        base = folder.joinpath(*filter(None, module.split(".")))
        names = re.findall(r"(\w+)(?:\s+as\s+\w+)?", _COMMENT.sub("", names[0] or names[1]))
        candidates = [base.with_suffix(".py"), base / "__init__.py", *(base / f"{name}.py" for name in names)]
        candidates += [base / name / "__init__.py" for name in names]
        yield from (candidate for candidate in candidates if candidate.is_file())
