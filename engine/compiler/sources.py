"""Which source files can change a kernel's machine code: its own and, through their imports, all that it can call.

The imports of the package's files are read from their text, those inside functions included: what a kernel calls, and
what compiles it, is reached by such an import, so an edit anywhere else leaves the kernel as it is.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parents[2]
FOLDERS = ("dnn", "engine", "formats", "tables")  # those with kernels; their modules import each other relatively
# from .a.b import c, d   from ..a import (c, d)   from . import c
_IMPORT = re.compile(r"^[ \t]*from[ \t]+(\.+)([\w.]*)[ \t]+import[ \t]+(?:\(([^)]*)\)|([^\n]*))", re.MULTILINE)
_COMMENT = re.compile("#.*")
_KERNEL = re.compile(rb"^[ \t]*@\w*kernel\(", re.MULTILINE)


class _Source(NamedTuple):
    digest: bytes
    imports: frozenset[str]


def modules_with_kernels() -> list[str]:
    """The names of all modules of the package that define kernels, by their text."""
    files = (
        path for folder in FOLDERS for path in (PACKAGE / folder).rglob("*.py") if _KERNEL.search(path.read_bytes())
    )
    relative = (path.relative_to(PACKAGE).with_suffix("") for path in files)
    return sorted(".".join((__name__.partition(".")[0], *path.parts)) for path in relative)


def sources_of(path: str) -> frozenset[str]:
    """`path`, a file of the package, and the files of the package that it imports, directly or through others."""
    found, open_ends = set(), [path]
    while open_ends:
        file = open_ends.pop()
        if file not in found:
            found.add(file)
            open_ends += _source(file).imports
    return frozenset(found)


@functools.cache
def digest_of(path: str) -> bytes:
    """SHA-256 of the names and contents of `sources_of(path)`."""
    return _digest(sources_of(path))


@functools.cache
def digest_of_engine() -> bytes:
    """SHA-256 of all engine sources: for kernels outside the package, whose imports may lead through anything."""
    return _digest(map(str, (PACKAGE / "engine").rglob("*.py")))


def _digest(paths: Iterable[str]) -> bytes:
    whole = hashlib.sha256()
    for path in sorted(paths):
        whole.update(f"{path.removeprefix(f'{PACKAGE}{os.sep}')}\0".encode() + _source(path).digest)
    return whole.digest()


@functools.cache
def _source(path: str) -> _Source:
    with open(path, "rb") as file:
        text = file.read()
    return _Source(hashlib.sha256(text).digest(), frozenset(_imports(path, text.decode())))


# Strings, as some thousand of these paths are looked up before the first kernel runs, and each `Path` takes 10 us.
def _imports(path: str, text: str) -> Iterator[str]:
    """The files that a file's relative imports name. A name may be a module, or something in its package's __init__."""
    for match in _IMPORT.finditer(text):
        dots, module, *names = match.groups()
        base = path
        for _ in dots:
            base = os.path.dirname(base)
        if not f"{base}{os.sep}".startswith(f"{PACKAGE}{os.sep}"):
            continue  # a line of some docstring
        base = os.path.join(base, *filter(None, module.split(".")))
        if module and _is_file(f"{base}.py"):
            yield f"{base}.py"
            continue  # its names are not modules
        if _is_file(package := os.path.join(base, "__init__.py")):
            yield package
        for name in re.findall(r"(\w+)(?:\s+as\s+\w+)?", _COMMENT.sub("", names[0] or names[1])):
            candidates = os.path.join(base, f"{name}.py"), os.path.join(base, name, "__init__.py")
            yield from filter(_is_file, candidates)


@functools.cache
def _is_file(path: str) -> bool:
    return os.path.isfile(path)
