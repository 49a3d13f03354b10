"""Read datasets of HDF5 files. Runs as a separate process, and imports nothing of the package.

    stdin     a line of JSON for each file: {"path": name, "names": [dataset, ...], "numbers": true or false}
    stdout    for each a line of JSON: {"shapes": [shape, ...]}, and with "numbers" these, float32, in the machine's
              byte order; or {"refused": [found, expected, hint]}, {"damaged": why}

It ends at numbers that cannot be read.

HDF5's library, written in C, crashes on some damaged files, and never ends on others. Here that only ends this process,
whose time and memory are limited (on Windows by its caller).
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from typing import Any

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

HAS_CPU_LIMITS = resource is not None
OPENING, PER_SECOND = 20, 1 << 22  # seconds to find datasets; bytes of numbers read in one, at least
MOST_DATASET_MEMORY = 3 << 30  # of address space, with h5py's libraries
READ_BYTES = 1 << 24  # read at a time


class RefusedDataset(Exception):
    """found, expected, hint: the parts of an InputError."""


def main() -> None:
    _limit("RLIMIT_CORE", 0)
    import h5py

    _limit("RLIMIT_AS", MOST_DATASET_MEMORY)
    for line in sys.stdin:
        asked = json.loads(line)
        _allow(OPENING)
        found: list[Any] = []
        try:
            file = h5py.File(asked["path"], "r", locking=False)
            found = [_dataset(file, name) for name in asked["names"]]
            reply: dict[str, Any] = {"shapes": [dataset.shape for dataset in found]}
        except RefusedDataset as refused:
            reply, found = {"refused": refused.args}, []
        except Exception as error:  # h5py raises many kinds for errors of the library
            reply, found = {"damaged": str(error)}, []
        sys.stdout.buffer.write(json.dumps(reply).encode() + b"\n")
        for dataset in found if asked["numbers"] else ():
            _send(dataset)
        sys.stdout.buffer.flush()


def _limit(what: str, most: int) -> None:
    if HAS_CPU_LIMITS:
        with contextlib.suppress(ValueError, OSError):  # macOS refuses some
            resource.setrlimit(getattr(resource, what), (most, most))


def _allow(seconds: float) -> None:
    """This process may compute for so long from now on."""
    if HAS_CPU_LIMITS:
        with contextlib.suppress(ValueError, OSError):
            _, most = resource.getrlimit(resource.RLIMIT_CPU)
            resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + seconds), most))


def _dataset(file: Any, name: str) -> Any:
    import h5py

    link = file.get(name, getlink=True) if "/" not in name else None
    dataset = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(dataset, h5py.Dataset):
        has = ", ".join(map(repr, [name[:40] for name, _ in zip(file, range(10), strict=False)]))
        raise RefusedDataset(
            f"has no dataset {name!r}", "one for each top of the layer", f"it has {has}" if has else ""
        )
    if dataset.is_virtual or dataset.external:
        raise RefusedDataset(f"has a dataset {name!r} whose numbers are in other files", "its numbers in this one", "")
    if dataset.dtype.kind not in "fiu" or not dataset.shape or 0 in dataset.shape:
        found = f"has a dataset {name!r} of type {str(dataset.dtype)[:40]} and shape {list(dataset.shape or ())}"
        raise RefusedDataset(found, "rows of numbers", "")
    return dataset


def _send(dataset: Any) -> None:
    """The numbers, some rows at a time; of a dataset in chunks, whole ones."""
    _allow(OPENING + 4 * dataset.size / PER_SECOND)
    chunk = dataset.chunks[0] if dataset.chunks else 1
    rows = max(1, READ_BYTES * len(dataset) // (4 * dataset.size) // chunk) * chunk
    for start in range(0, len(dataset), rows):
        sys.stdout.buffer.write(dataset[start : start + rows].astype("f4", order="C").data)


if __name__ == "__main__":
    main()
