"""The scoring job: a range of rows through the net, written into its place in the file of scores, or returned.

A job is a plain dict:

    net           as of `describe_net`
    sources       by the names of inputs, as of `describe_array` and `describe_pictures`, of these rows
    start, stop   the range; start is a multiple of `batch`
    batch         rows that go through the net at once
    row           shape of the scores of a row, None where that is not known yet
    file          where the scores go: the `path` of a file and the `offset` of row 0 in it, or None
    host          name of the host that gives the job

It may be run again, on any worker: the same bits go to the same place.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import FileMissing, InputError, OutputError, UsageError
from .kernels import compile_once
from .score_nets import CaffeScorer, Scorer, open_net
from .score_rows import ArrayReader, PictureReader, Source


def score_range(job: Mapping[str, Any]) -> dict[str, Any]:
    """Returns start, stop, seconds, the number of rows with scores that are `not_finite`, and `scores`, float32
    [n, ...], or None where they are in the file. Raises InputError, UsageError, OutputError."""
    started = time.perf_counter()
    try:
        scorer = open_net(job["net"])
        compile_once(scorer.kernels)
        scores = run_rows(scorer, job)
    except FileMissing as error:
        if (host := socket.gethostname()) == job["host"]:
            raise
        hint = "workers read the net and the rows themselves, at the same place"
        raise InputError(error.path, f"is not there for the worker on {host}", hint=hint) from None
    bad = int((~np.isfinite(scores.reshape(len(scores), -1)).all(axis=1)).sum())
    written = job["file"] is not None and _write(scores, job)
    return {
        "start": job["start"],
        "stop": job["stop"],
        "seconds": time.perf_counter() - started,
        "not_finite": bad,
        "scores": None if written else scores,
    }


def run_rows(scorer: Scorer, job: Mapping[str, Any]) -> np.ndarray:
    """The scores of a job's rows."""
    start, stop, batch = job["start"], job["stop"], job["batch"]
    readers = {name: _reader(scorer, name, source, start) for name, source in job["sources"].items()}
    parts = []
    for first in range(start, stop, batch):
        last = min(first + batch, stop)
        rows = {name: read(first, last) for name, read in readers.items()}
        found = scorer.run(rows, batch)
        if job["row"] is not None and found.shape[1:] != tuple(job["row"]):
            expected = f"{list(job['row'])}, as those of the first"
            raise UsageError(f"the scores of row {first} have the shape {list(found.shape[1:])}, expected {expected}")
        parts.append(found)
    return np.concatenate(parts)


def _reader(scorer: Scorer, name: str, source: Source, start: int) -> Callable[[int, int], np.ndarray]:
    if "array" in source:
        return ArrayReader(source)
    assert isinstance(scorer, CaffeScorer), "pictures are for nets of Caffe and ONNX"
    return PictureReader(source, start, scorer.net, name)


def _write(scores: np.ndarray, job: Mapping[str, Any]) -> bool:
    """Whether the file could be opened; not on a host that does not have its folder. The name is a random one, so it
    is the right file."""
    path, data = job["file"]["path"], np.ascontiguousarray(scores, "<f4")
    try:
        # Not to be read: a network file system would fetch whole pages, with rows that others are writing.
        descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_CLOEXEC", 0))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False
    try:
        put_rows(descriptor, data, job["file"]["offset"] + 4 * job["start"] * math.prod(job["row"]))
        if socket.gethostname() != job["host"]:
            os.fsync(descriptor)  # of this host's caches, before it can be lost; the giver's are written at the end
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        os.close(descriptor)
    return True


def put_rows(descriptor: int, data: np.ndarray, offset: int) -> None:
    """Write all bytes of a C-contiguous array at `offset`. Raises OSError."""
    rest = memoryview(data.reshape(-1).view(np.uint8).data)
    while rest:
        done = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[done:], offset + done
