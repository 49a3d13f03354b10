"""Files written aside, to replace another file when they are complete; those of killed processes go at the next write.

A writer holds a lock (flock) on its file as long as it lives, so a file whose lock is free was left behind. Some
network file systems keep locks within one machine, and there a file of another one looks left behind while it is
written: names begin with a mark of the running system, and files of other systems stay for a day. On Windows, which has
no such locks and renames and removes no open file, all of them stay so long.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from typing import IO, Any

from .interrupts import postponed

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NAME = re.compile(r"\.caffe64-(?:[0-9a-f]+-)?[0-9a-f]{16}\.tmp")  # short: the file to replace may have a long name
OTHER_SYSTEMS = 86400  # seconds
# Flags of files that are opened; Windows lacks most, and without O_BINARY translates line ends.
PRIVATE = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # no link is followed, no pipe waited for


@contextlib.contextmanager
def file_aside(folder: str, mode: int = 0o666) -> Iterator[tuple[str, int]]:
    """Path and descriptor of a new empty file in `folder`, with permissions `mode` but for the umask.

    The block renames it by `put_in_place`, as closing the descriptor ends the lock; if it raises, the file is removed.
    Files there that were left behind are removed first. Raises OSError.
    """
    _remove_left_behind(folder)
    path, given = "", False
    try:
        with postponed():
            path, descriptor = _create(folder, mode)
        given = True
        yield path, descriptor
    except BaseException:
        if path and not given:
            os.close(descriptor)
        if path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        raise


def put_in_place(path: str, file: IO[Any], target: str) -> None:
    """Rename a file that is open, and written completely. Raises OSError."""
    file.flush()
    if fcntl is None:
        file.close()
    os.replace(path, target)


def _create(folder: str, mode: int) -> tuple[str, int]:
    while True:
        path = os.path.join(folder, f".caffe64-{_system()}-{secrets.token_hex(8)}.tmp")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | PRIVATE, mode)
        # Until it is locked, another process may take it for one left behind.
        if _lock(descriptor) is not False and _is_at(path, descriptor):
            return path, descriptor
        os.close(descriptor)


def _remove_left_behind(folder: str) -> None:
    with contextlib.suppress(OSError), os.scandir(folder or ".") as entries:
        for name in [entry.name for entry in entries if NAME.fullmatch(entry.name)]:
            with contextlib.suppress(OSError):  # gone already, or not ours to remove
                _remove_if_left_behind(os.path.join(folder, name))


def _remove_if_left_behind(path: str) -> None:
    if fcntl is None:
        if time.time() - os.lstat(path).st_mtime > OTHER_SYSTEMS:
            os.unlink(path)
        return
    descriptor = os.open(path, os.O_RDWR | PLAIN | PRIVATE)  # other users may write to the folder
    try:
        status = os.fstat(descriptor)
        here = os.path.basename(path).startswith(f".caffe64-{_system()}-")
        old = time.time() - status.st_mtime > OTHER_SYSTEMS
        if stat.S_ISREG(status.st_mode) and (here or old) and _lock(descriptor) and _is_at(path, descriptor):
            os.unlink(path)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool | None:
    """True if the file is locked now, False if another process has locked it, None if there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_at(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@functools.cache
def _system() -> str:
    """A mark of the running system: locks are seen by all of its processes."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read(8)
    except (OSError, UnicodeError):
        return "0"
