"""Where compiled kernels are kept between runs. Knows nothing of Numba, which need not be imported to use a kernel that
is kept.

    <base>/caffe64/<hash of Numba, llvmlite, Python, CPU, Numba's settings>/ holds the files of `kernel_file.py`

<base> is $NUMBA_CACHE_DIR, else $XDG_CACHE_HOME if that is an absolute path, else ~/.cache, else a private directory in
the temporary folder (with one warning), else nothing is kept.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import stat
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from ...errors import Caffe64Error
from .sealed import forget

KEPT_VERSIONS = 4  # directories of versions and CPUs, and files of a kernel; the least recently used go first
# The lines of /proc/cpuinfo in which CPU models differ.
CPU_FACTS = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags")


def directory_name() -> str:
    """The part of the path that changes whenever old machine code would be wrong."""
    parts = (_version("numba"), _version("llvmlite"), sys.version, _cpu(), _settings())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _version(package: str) -> str:
    """The source text of the package's version, read without importing it."""
    return Path(find_spec(package).origin).with_name("_version.py").read_text(encoding="utf-8")


def _cpu() -> str:
    """The first processor's model and features. Empty where /proc is hidden: then a cache belongs to one CPU only."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            text = file.read(8192)  # making up the whole file takes milliseconds on machines with many processors
    except OSError:
        return ""
    lines = text.partition("\n\n")[0].splitlines()
    return "\n".join(line for line in lines if line.partition(":")[0].strip() in CPU_FACTS)


def _settings() -> str:
    """Numba's environment variables and settings file: many change the code that it makes. The cache's path is left
    out. Also CAFFE64_LANES, the vector width (`cpu.py`)."""
    changing = ("NUMBA_", "CAFFE64_LANES")
    settings = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith(changing)]
    settings = [text for text in settings if not text.startswith(("NUMBA_CACHE_DIR=", "NUMBA_NUM_THREADS="))]
    with contextlib.suppress(OSError, UnicodeError):  # as a rule there is none
        settings.append(Path(".numba_config.yaml").read_text(encoding="utf-8"))
    return "\n".join(settings)


@functools.cache
def cache_directory() -> Path | None:
    """The directory of this machine's kernels, created; None when nothing is writable (one warning)."""
    bases = _bases()
    for base in bases:
        found = _usable(base / "caffe64" / directory_name())
        if found:
            forget_old(found, (path for path in found.parent.iterdir() if path.is_dir()))
            return found
    private = Path(tempfile.gettempdir(), f"caffe64-{os.getuid()}")
    found = _usable(private / directory_name()) if _is_private(private) else None
    tried = ", ".join(str(base) for base in bases) or "no home directory"
    if found:
        warnings.warn(
            f"no writable cache directory ({tried}): compiled kernels are kept in {private}. "
            "Set XDG_CACHE_HOME to a writable folder to keep them for good.",
            stacklevel=2,
        )
    else:
        warnings.warn(
            f"no writable cache directory ({tried}, {private}): kernels are compiled again in every run. "
            "Set XDG_CACHE_HOME to a writable folder.",
            stacklevel=2,
        )
    return found


def _bases() -> list[Path]:
    """The candidate base folders, in order of preference."""
    bases = []
    if os.environ.get("NUMBA_CACHE_DIR"):
        bases.append(Path(os.environ["NUMBA_CACHE_DIR"]))
    shared, home = os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~")
    if os.path.isabs(shared):  # the XDG Base Directory Specification: others are to be ignored
        bases.append(Path(shared))
    elif os.path.isabs(home):
        bases.append(Path(home, ".cache"))
    return bases


class NothingFreed(Caffe64Error):
    """`clear_cache` removed nothing; the message says why."""


def clear_cache() -> int:
    """Remove the compiled kernels of every version below the base directory; returns the bytes freed.

    Raises NothingFreed: there is nothing, or it cannot be removed.
    """
    directory = cache_directory()
    if directory is None:
        raise NothingFreed("nothing to free: no cache directory is writable, so no kernels are kept")
    parent = directory.parent
    before = _bytes_in(parent)
    if not before:
        raise NothingFreed(f"nothing to free: {parent} holds no compiled kernels")
    for path in parent.iterdir():
        shutil.rmtree(path, ignore_errors=True)
    freed = before - _bytes_in(parent)
    if not freed:
        raise NothingFreed(f"nothing freed: the {before / 1e6:.1f} MB in {parent} cannot be removed (no permission?)")
    return freed


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _usable(directory: Path) -> Path | None:
    """`directory` if kernels can be kept there, or are there already (a warmed cache in a read-only image)."""
    try:
        if any(directory.glob("*.c64k")) and not os.access(directory, os.W_OK):
            return directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        tempfile.TemporaryFile(dir=directory).close()
        os.utime(directory)  # the time of last use, for forget_old
    except OSError:
        return None
    return directory


def _is_private(directory: Path) -> bool:
    """True if `directory` is (or was just made) ours alone: a shared temporary folder is not safe."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        status = os.lstat(directory)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


def forget_old(current: Path, alike: Iterable[Path]) -> None:
    """Of the files or directories `alike`, keep `current`, those used last, and all that were used in the past day."""
    try:
        others = sorted(
            (path for path in alike if path != current), key=lambda path: path.stat().st_mtime, reverse=True
        )
        for path in others[KEPT_VERSIONS - 1 :]:
            if path.stat().st_mtime < time.time() - 86400:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else forget(path)
    except OSError:
        pass  # another process is tidying up
