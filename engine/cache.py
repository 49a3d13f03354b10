"""Where compiled kernels are kept between runs, and the files they are kept in. Knows nothing of Numba, which need not
be imported to use a kernel that is kept.

Numba's own cache keys a kernel by its source file alone, so an edit in a *callee's* file goes unnoticed
(numba issue 1833). Here the directory name carries a hash of everything that machine code depends on:

    <base>/caffe64/<hash of all engine sources, Numba, llvmlite, Python, CPU, Numba's settings>/
        <module>.<kernel>-<hash of signature and bytecode, and of its file if that lies outside the engine>.c64k

and each file is  8 bytes magic | 32 bytes SHA-256 of the rest | pickled content.  The checksum is verified before
anything is unpickled; a file that does not match is removed and rebuilt. Files are written aside and renamed, so two
processes may compile into one directory at once.

<base> is $NUMBA_CACHE_DIR, else $XDG_CACHE_HOME, else ~/.cache, else a private directory in the temporary
folder (with one warning), else nothing is kept.
"""

from __future__ import annotations

import contextlib
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
from importlib.util import find_spec
from pathlib import Path

ENGINE = Path(__file__).resolve().parent
MAGIC = b"c64kern2"
DIRECTORIES_KEPT = 4  # other versions, other CPUs on a shared home; the least recently used go first
# What tells one CPU model from another in /proc/cpuinfo.
CPU_FACTS = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags")


def source_hash() -> str:
    """SHA-256 over the names and contents of all engine sources."""
    digest = hashlib.sha256()
    for path in sorted(ENGINE.rglob("*.py")):
        digest.update(f"{path.relative_to(ENGINE)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def directory_name() -> str:
    """The part of the path that changes whenever old machine code would be wrong."""
    parts = (source_hash(), _version("numba"), _version("llvmlite"), sys.version, _cpu(), _numba_settings())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _version(package: str) -> str:
    """What the package says of its version, read without importing it."""
    return Path(find_spec(package).origin).with_name("_version.py").read_text()


def _cpu() -> str:
    """The first processor's model and features. Empty where /proc is hidden: then a cache belongs to one CPU only."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            text = file.read(8192)  # making up the whole file takes milliseconds on machines with many processors
    except OSError:
        return ""
    lines = text.partition("\n\n")[0].splitlines()
    return "\n".join(line for line in lines if line.partition(":")[0].strip() in CPU_FACTS)


def _numba_settings() -> str:
    """Numba's environment variables and settings file: many change the code that it makes. Not the cache's place."""
    settings = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_")]
    settings = [text for text in settings if not text.startswith(("NUMBA_CACHE_DIR=", "NUMBA_NUM_THREADS="))]
    with contextlib.suppress(OSError, UnicodeError):  # as a rule there is none
        settings.append(Path(".numba_config.yaml").read_text())
    return "\n".join(settings)


@functools.cache
def cache_directory() -> Path | None:
    """The directory of this version's kernels, created; None when nothing is writable (one warning)."""
    bases = []
    if os.environ.get("NUMBA_CACHE_DIR"):
        bases.append(Path(os.environ["NUMBA_CACHE_DIR"]))
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


def read_sealed(path: Path):
    """The content of a cache file; None if there is none, or a damaged one, which is removed."""
    try:
        blob = path.read_bytes()
    except OSError:
        return None
    payload = memoryview(blob)[40:]
    if blob[:8] == MAGIC and blob[8:40] == hashlib.sha256(payload).digest():
        try:
            return pickle.loads(payload)
        except Exception:  # whatever is wrong with an old file, a new one can be made
            pass
    forget(path)
    return None


def write_sealed(path: Path, content) -> None:
    """Keep `content`, of plain values, in a cache file. Raises OSError."""
    payload = pickle.dumps(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(MAGIC + hashlib.sha256(payload).digest() + payload)
        os.replace(aside, path)
    except BaseException:
        os.unlink(aside)
        raise


def forget(path: Path) -> None:
    """Remove a file that is wrong, if that is possible."""
    with contextlib.suppress(OSError):  # gone already, or in a directory that cannot be written
        path.unlink()


class KernelFile:
    """The cache file of one kernel:  (its stand-alone machine code or None, Numba's pickled compile result)."""

    def __init__(self, function, signature):
        self._function, self._signature = function, signature

    @functools.cached_property
    def path(self) -> Path | None:
        """Where the file is or will be; None without a cache directory, or for a kernel that no source file holds: in
        a notebook or at a prompt an edit of what it calls would go unnoticed."""
        function, directory = self._function, cache_directory()
        source = Path(function.__code__.co_filename)
        if directory is None or not source.is_file():
            return None
        digest = hashlib.sha256(repr(self._signature).encode())
        digest.update(function.__code__.co_code + repr(function.__code__.co_consts).encode())
        if not self.is_in(ENGINE):
            digest.update(source.read_bytes())
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        return directory / f"{name}-{digest.hexdigest()[:16]}.c64k"

    def is_in(self, folder: Path) -> bool:
        """True if the kernel's source lies in `folder`."""
        return folder in Path(self._function.__code__.co_filename).resolve().parents

    def read(self) -> tuple | None:
        """The two parts, or None."""
        if self.path is None:
            return None
        content = read_sealed(self.path)
        if content is not None and not (isinstance(content, tuple) and len(content) == 2):
            self.flush()
            return None
        return content

    def write(self, stand_alone, result: bytes) -> None:
        """Keep the two parts; where that fails, one warning."""
        if self.path is None:
            return
        try:
            write_sealed(self.path, (stand_alone, result))
        except OSError as error:
            warnings.warn(f"{self.path}: compiled kernel not kept ({error.strerror})", stacklevel=2)

    def flush(self) -> None:
        """Forget the file."""
        if self.path is not None:
            forget(self.path)
