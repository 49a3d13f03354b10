"""The cache file of a kernel.

Numba's own cache keys a kernel by its source file alone, so an edit in a *callee's* file goes unnoticed (numba issue
1833). Here a file's name carries a hash of all that machine code depends on besides what the directory's name says:

    <module>.<kernel>-<hash of signature, bytecode, and all source files that the kernel can reach>.c64k

Files are written aside and renamed, so two processes may compile into one directory at once.
"""

from __future__ import annotations

import functools
import hashlib
import warnings
from pathlib import Path

from .cache import cache_directory, forget_old
from .sealed import forget, read_sealed, write_sealed
from .sources import FOLDERS, PACKAGE, digest_of, digest_of_engine

ROOT = f"{__package__.partition('.')[0]}."


@functools.cache
def _warn_once(text: str) -> None:
    warnings.warn(text, stacklevel=4)


class KernelFile:
    """The cache file of one kernel:  (its stand-alone machine code or None, Numba's pickled compile result)."""

    def __init__(self, function, signature):
        self._function, self._signature = function, signature

    @functools.cached_property
    def path(self) -> Path | None:
        """Where the file is or will be; None without a cache directory, or for a kernel that no source file holds: in
        a notebook or at a prompt an edit of its callees would go unnoticed."""
        function, directory = self._function, cache_directory()
        source = Path(function.__code__.co_filename)
        if directory is None or not source.is_file():
            return None
        digest = hashlib.sha256(repr(self._signature).encode())
        digest.update(function.__code__.co_code + repr(function.__code__.co_consts).encode())
        if self.is_in_package:
            digest.update(digest_of(str(source.resolve())))
        else:
            digest.update(source.read_bytes() + digest_of_engine())
        return directory / f"{self._name}-{digest.hexdigest()[:16]}.c64k"

    @property
    def _name(self) -> str:
        """The module's name below the package, and the function's."""
        return f"{self._function.__module__.removeprefix(ROOT)}.{self._function.__name__}"

    @functools.cached_property
    def is_in_package(self) -> bool:
        """True for a kernel of this package's code, False for one of its users, a demo's or a test's."""
        source = Path(self._function.__code__.co_filename).resolve()
        return any(PACKAGE / folder in source.parents for folder in FOLDERS)

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
        """Keep the two parts, and no more than a few older versions; where that fails, one warning per process."""
        if self.path is None:
            return
        try:
            write_sealed(self.path, (stand_alone, result))
        except OSError as error:
            _warn_once(f"compiled kernels are not kept in {self.path.parent} ({error.strerror})")
        else:
            forget_old(self.path, self.path.parent.glob(f"{self._name}-*.c64k"))

    def flush(self) -> None:
        """Forget the file."""
        if self.path is not None:
            forget(self.path)
