"""Results of jobs as lines of JSON, one each, in a file that a sweep adds to and a later one goes on from.

    {"hash": ..., "job": {...}, "result": {...}, "run": {"seconds": ..., "host": ...}}

or "error" in place of "result". All but "run" depends on the job alone. Of several lines of one job the last one
counts. A line that was cut short, as by a kill, is removed by the next sweep.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from typing import IO, Any, Self

from ..arguments import file_name
from ..errors import InputError, OutputError, UsageError
from ..formats.files import open_input

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Record = dict[str, Any]

START = '{"hash": "'
MOST_BYTES = 1 << 30  # of a file
FINAL = ("Diverged",)  # errors that come again if the job is run again: it is done


def job_hash(job: Mapping[str, Any]) -> str:
    """16 hexadecimal digits of the SHA-256 of a checked job."""
    text = json.dumps(job, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def record_of(job: Mapping[str, Any], outcome: Mapping[str, Any]) -> Record:
    """What is kept of a job: what `run_job` gave, beside the job."""
    return {"hash": job_hash(job), "job": dict(job), **outcome}


def is_done(record: Record) -> bool:
    """Whether its job need not be run again."""
    return "result" in record or record["error"]["type"] in FINAL


def read_records(path: str | os.PathLike[str]) -> list[Record]:
    """One per job, in the order of their lines. Raises InputError with the line."""
    with open_input(path) as file:
        data = file.read(MOST_BYTES + 1)
    return list(_parse(path, data)[0].values())


class ResultsFile:
    """Context manager: a file of results that is added to, made if it is missing, and locked until the end, where the
    file system can. `records` by hash are those that it has.

    Raises InputError for a file of something else, which is left as it is, UsageError for one that another sweep
    writes, OutputError.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = file_name(path)
        self.records: dict[str, Record] = {}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            try:
                self._file: IO[bytes] = stack.enter_context(open(self.path, "a+b"))
                self._lock()
                self._file.seek(0)
                data = self._file.read(MOST_BYTES + 1)
                self.records, whole = _parse(self.path, data)
                if whole < len(data):
                    self._file.truncate(whole)
            except OSError as error:
                raise OutputError(f"{self.path}: cannot be written: {error.strerror or error}") from None
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def add(self, record: Record) -> None:
        """Write a record, whole and at once."""
        try:
            self._file.write(json.dumps(record).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written: {error.strerror or error}") from None
        self.records[record["hash"]] = record

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"{self.path}: another sweep is writing it; wait for that, or choose another file"
            ) from None
        except OSError:
            pass  # a file system without locks


def _parse(path: str | os.PathLike[str], data: bytes) -> tuple[dict[str, Record], int]:
    """The records by hash, and the bytes of the lines that are whole."""
    if len(data) > MOST_BYTES:
        raise InputError(path, f"is larger than {MOST_BYTES >> 20} MiB", "results of a sweep")
    found: dict[str, Record] = {}
    whole = data.rfind(b"\n") + 1
    for number, line in enumerate(data[:whole].split(b"\n")[:-1], 1):
        if not line.strip():
            continue
        record = _record(line)
        if record is None:
            shown = line[:40].decode("utf-8", "replace")
            raise InputError(path, f"found {shown!r}", "a result of a sweep, a line of JSON", line=number)
        found.pop(record["hash"], None)
        found[record["hash"]] = record
    rest = data[whole:].decode("utf-8", "replace")
    if not (rest.startswith(START) or START.startswith(rest)):
        line_number = data.count(b"\n") + 1
        raise InputError(path, f"found {rest[:40]!r}", "a result of a sweep, a line of JSON", line=line_number)
    return found, whole


def _record(line: bytes) -> Record | None:
    """A line's record, None if it is something else."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    parts = [record.get(name) for name in ("job", "run")] + [record.get("result", record.get("error"))]
    if not isinstance(record.get("hash"), str) or not all(isinstance(part, dict) for part in parts):
        return None
    if "result" not in record and not {"type", "message", "exit_code"} <= record["error"].keys():
        return None
    return record
