"""Files of plain values with a checksum:  8 bytes magic | 32 bytes SHA-256 | pickled content.

The checksum is of the file's name, its folder's name and the content, and is verified before anything is unpickled. A
file that does not match is removed: its content can be made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
from pathlib import Path

from ...aside import file_aside, put_in_place

SEAL_MAGIC = b"c64kern3"


def read_sealed(path: Path):
    """The content of a cache file; None if there is none, or a damaged one, which is removed."""
    try:
        blob = path.read_bytes()
    except OSError:
        return None
    payload = memoryview(blob)[40:]
    if blob[:8] == SEAL_MAGIC and blob[8:40] == _seal(path, payload):
        try:
            return pickle.loads(payload)
        except Exception:  # an old file that cannot be read is made again
            pass
    forget(path)
    return None


def _seal(path: Path, payload) -> bytes:
    """SHA-256 of the names of file and folder, and of the content: code of another kernel or CPU would crash."""
    digest = hashlib.sha256(f"{path.parent.name}/{path.name}\0".encode())
    digest.update(payload)
    return digest.digest()


def write_sealed(path: Path, content) -> None:
    """Keep `content`, of plain values, in a cache file. Raises OSError."""
    payload = pickle.dumps(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    with file_aside(str(path.parent), 0o600) as (aside, descriptor), open(descriptor, "wb") as file:
        file.write(SEAL_MAGIC + _seal(path, payload) + payload)
        put_in_place(aside, file, str(path))


def forget(path: Path) -> None:
    """Remove a file that is wrong, if that is possible."""
    with contextlib.suppress(OSError):  # gone already, or in a directory that cannot be written
        path.unlink()
