"""Where compiled kernels are kept between runs, and the file format they are kept in.

Numba's own cache keys a kernel by its source file alone, so an edit in a *callee's* file goes unnoticed
(numba issue 1833). Here the directory name carries a hash of everything that machine code depends on:

    <base>/caffe64/<hash of all engine sources, Numba, llvmlite, Python, CPU, features>/
        <module>.<kernel>-<hash of signature and bytecode, and of its file if that lies outside the engine>.c64k

and each file is  8 bytes magic | 32 bytes SHA-256 of the rest | pickled compile result.  The checksum is
verified before anything is unpickled; a file that does not match is removed and rebuilt. Files are written
aside and renamed, so two processes may compile into one directory at once.

<base> is $NUMBA_CACHE_DIR, else $XDG_CACHE_HOME, else ~/.cache, else a private directory in the temporary
folder (with one warning), else nothing is kept. Numba's global settings are read and never changed.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import shutil
import stat
import sys
import tempfile
import time
import warnings
from pathlib import Path

import llvmlite
import numba
from numba.core import config
from numba.core.caching import CompileResultCacheImpl, _Cache
from numba.core.registry import cpu_target
from numba.core.runtime.nrt import rtsys
from numba.core.serialize import dumps

ENGINE = Path(__file__).resolve().parent
MAGIC = b"c64kern1"
DIRECTORIES_KEPT = 4  # other versions, other CPUs on a shared home; the least recently used go first


def source_hash() -> str:
    """SHA-256 over the names and contents of all engine sources."""
    digest = hashlib.sha256()
    for path in sorted(ENGINE.rglob("*.py")):
        digest.update(f"{path.relative_to(ENGINE)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def directory_name() -> str:
    """The part of the path that changes whenever old machine code would be wrong."""
    parts = (source_hash(), numba.__version__, llvmlite.__version__, sys.version, *codegen_key())
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:20]


def codegen_key() -> tuple[str, ...]:
    """Triple, CPU name and CPU features that Numba compiles for (its environment overrides included)."""
    return cpu_target.target_context.codegen().magic_tuple()


@functools.cache
def cache_directory() -> Path | None:
    """The directory of this version's kernels, created; None when nothing is writable (one warning)."""
    bases = []
    if config.CACHE_DIR:
        bases.append(Path(config.CACHE_DIR))
    if os.environ.get("XDG_CACHE_HOME"):
        bases.append(Path(os.environ["XDG_CACHE_HOME"]))
    else:
        home = os.path.expanduser("~")
        if os.path.isabs(home):
            bases.append(Path(home, ".cache"))
    for base in bases:
        found = _usable(base / "caffe64" / directory_name())
        if found:
            _forget_old(found)
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


def clear_cache() -> int:
    """Remove the compiled kernels of every version below the base directory; returns the bytes freed."""
    directory = cache_directory()
    if directory is None:
        return 0
    parent = directory.parent
    size = sum(path.stat().st_size for path in parent.rglob("*") if path.is_file())
    for path in parent.iterdir():
        shutil.rmtree(path, ignore_errors=True)
    return size


def _usable(directory: Path) -> Path | None:
    """`directory` if kernels can be kept there, or are there already (a warmed cache in a read-only image)."""
    try:
        if any(directory.glob("*.c64k")) and not os.access(directory, os.W_OK):
            return directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        tempfile.TemporaryFile(dir=directory).close()
        os.utime(directory)  # the time of last use, for _forget_old
    except OSError:
        return None
    return directory


def _is_private(directory: Path) -> bool:
    """True if `directory` is (or was just made) ours alone: a shared temporary folder is no safe place."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        status = os.lstat(directory)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


def _forget_old(current: Path) -> None:
    """Keep the directories used last, and all that were used in the past day."""
    try:
        others = [path for path in current.parent.iterdir() if path.is_dir() and path != current]
        others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in others[DIRECTORIES_KEPT - 1 :]:
            if path.stat().st_mtime < time.time() - 86400:
                shutil.rmtree(path, ignore_errors=True)
    except OSError:
        pass  # another process is tidying up


class KernelCache(_Cache):
    """The cache of one kernel: one file for its one signature. Follows `numba.core.caching._Cache`."""

    def __init__(self, py_func, signature):
        self._function, self._signature = py_func, signature
        self._results = CompileResultCacheImpl.__new__(CompileResultCacheImpl)  # reduce and rebuild only

    @functools.cached_property
    def path(self) -> Path | None:
        """The file of this kernel, None without a cache directory."""
        directory = cache_directory()
        if directory is None:
            return None
        function = self._function
        digest = hashlib.sha256(repr(self._signature).encode())
        digest.update(function.__code__.co_code + repr(function.__code__.co_consts).encode())
        source = Path(function.__code__.co_filename)
        if not self._is_in(ENGINE) and source.exists():
            digest.update(source.read_bytes())
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        return directory / f"{name}-{digest.hexdigest()[:16]}.c64k"

    def _is_in(self, folder: Path) -> bool:
        return folder in Path(self._function.__code__.co_filename).resolve().parents

    @property
    def cache_path(self):
        return self.path and str(self.path.parent)

    def load_overload(self, sig, target_context):
        if self._is_in(ENGINE.parent):
            rtsys.initialize(target_context)  # refresh() would import all of Numba's registries: a second for nothing
        else:
            target_context.refresh()
        if self.path is None:
            return None
        try:
            blob = self.path.read_bytes()
        except OSError:
            return None
        payload = memoryview(blob)[40:]
        if blob[:8] != MAGIC or blob[8:40] != hashlib.sha256(payload).digest():
            self.flush()
            return None
        try:
            return self._results.rebuild(target_context, pickle.loads(payload))
        except Exception:  # whatever is wrong with an old result, a new one can be made
            self.flush()
            return None

    def save_overload(self, sig, data):
        if self.path is None:
            return
        payload = dumps(self._results.reduce(data))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, aside = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(MAGIC + hashlib.sha256(payload).digest() + payload)
                os.replace(aside, self.path)
            except BaseException:
                os.unlink(aside)
                raise
        except OSError as error:
            warnings.warn(f"{self.path}: compiled kernel not kept ({error.strerror})", stacklevel=2)

    def flush(self):
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def enable(self):
        """Numba's interface; this cache is always on."""

    def disable(self):
        """Numba's interface; this cache is always on."""
