"""Suite `reader`: text of numbers into arrays and back, CSV tables into X and Y, files in the page cache, every
participant in its own process.

Rates are bytes of text. The yardstick is reading memory that is in no cache. All are confined to as many CPUs as their
entry has threads. Participants that are far slower get a fiftieth of the rows, and their seconds are scaled up.
Of a table the others make their data frame by default options, and no arrays: caffe64 is to have X and Y within 1.3
times the time that polars needs for its frame.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from ... import Table, read_matrix, write_numbers
from ...errors import CheckFailed
from ..machine import is_installed
from ..peak import levels
from ..peers.tables import READERS, TABLE_READERS, WRITERS
from ..processes import Worker, alternate, workers
from ..results import Entry, peer_times
from ..sampling import Effort, paired, summary
from . import Report, Settings
from .texts import (
    KINDS,
    QUICK_ROWS,
    ROWS,
    TABLE_KINDS,
    TableKind,
    TextKind,
    expected_numbers,
    expected_table,
    head,
)

EFFORT, QUICK_EFFORT = Effort(rounds=11, budget=20.0), Effort(rounds=3, budget=2.0, fewest=3)
SLOW_READERS, SLOW_WRITERS = {"np.loadtxt"}, {"np.savetxt", "pandas"}
SHARE = 50  # the slow ones get one row in so many
GOALS = {"polars": 4.0}
TABLE_GOALS = {"polars": 0.77}  # 1 / 1.3
VERIFIED_ROWS = 1000  # of a table
JOBS = "caffe64.perf.peers.tables:"


def run(settings: Settings, report: Report) -> list[Entry]:
    """Verify and time reading each kind of text and of table, and writing. Raises CheckFailed."""
    entries, rows = [], QUICK_ROWS if settings.quick else ROWS
    with tempfile.TemporaryDirectory(prefix="caffe64-perf-") as folder:
        for kind in KINDS:
            path = Path(folder, f"{kind.name}.txt")
            kind.write(path, rows)
            verify_reader(path, kind)
            short = head(path, rows // SHARE)
            for threads in settings.threads:
                entries.append(_reading(kind, path, short, rows, threads, settings))
                report(entries[-1])
            path.unlink()
        for table in _possible_tables():
            path = Path(folder, f"{table.name}.csv")
            table_rows = table.quick_rows if settings.quick else table.rows
            table.write(path, table_rows)
            verify_table(head(path, 1 + VERIFIED_ROWS), table)
            for threads in settings.threads:
                entries.append(_reading_table(table, path, table_rows, threads, settings))
                report(entries[-1])
            path.unlink()
        verify_writer(Path(folder))
        entries.append(_writing(Path(folder), rows, settings))
        report(entries[-1])
    return entries


def verify_reader(path: Path, kind: TextKind) -> None:
    """Raises CheckFailed if one of the numbers differs from C's strtod."""
    found, expected = read_matrix(path, None, kind.columns).ravel(), expected_numbers(path)
    if not np.array_equal(found, expected):
        raise CheckFailed(f"reader {kind.name}: the numbers differ from those of strtod; nothing was timed")


def verify_table(path: Path, kind: TableKind) -> None:
    """Raises CheckFailed if X or Y differ from those of Python's csv."""
    table = Table(path, target=kind.target)
    if not all(map(np.array_equal, (table.X, table.Y), expected_table(path, kind))):
        raise CheckFailed(f"reader table {kind.name}: X or Y differ from those of Python's csv; nothing was timed")


def verify_writer(folder: Path) -> None:
    """Raises CheckFailed if the text is not that of C's printf."""
    values = np.random.default_rng(5).standard_normal((200, 10), np.float32) * np.float32(100)
    write_numbers(folder / "check.txt", values)
    expected = "".join("".join(f"{value:f} " for value in row) + "\n" for row in values.tolist())
    if (folder / "check.txt").read_text() != expected:
        raise CheckFailed("writer: the text differs from that of printf; nothing was timed")


def _reading(kind: TextKind, path: Path, short: Path, rows: int, threads: int, settings: Settings) -> Entry:
    with workers() as running:
        for reader in _participants(READERS, settings):
            slow = reader in SLOW_READERS
            arguments = {"path": str(short if slow else path), "rows": rows // SHARE if slow else rows}
            arguments |= {"reader": reader, "columns": kind.columns}
            running[reader] = Worker(f"{JOBS}ReadJob", threads, arguments)
        entry = _measure(f"read {kind.name}", path.stat().st_size, threads, running, SLOW_READERS, settings)
    entry.goals = GOALS
    return entry


def _possible_tables() -> list[TableKind]:
    """Without polars those of numbers alone."""
    return [kind for kind in TABLE_KINDS if not kind.texts or is_installed("polars")]


def _reading_table(kind: TableKind, path: Path, rows: int, threads: int, settings: Settings) -> Entry:
    with workers() as running:
        for reader in _participants(TABLE_READERS, settings):
            arguments = {"reader": reader, "path": str(path), "rows": rows, "target": kind.target}
            running[reader] = Worker(f"{JOBS}TableJob", threads, arguments)
        entry = _measure(f"read table {kind.name}", path.stat().st_size, threads, running, set(), settings)
    entry.goals = TABLE_GOALS
    return entry


def _writing(folder: Path, rows: int, settings: Settings) -> Entry:
    columns = KINDS[1].columns
    with workers() as running:
        for writer in _participants(WRITERS, settings):
            arguments = {"writer": writer, "path": str(folder / f"{writer}.txt"), "columns": columns}
            arguments["rows"] = rows // SHARE if writer in SLOW_WRITERS else rows
            running[writer] = Worker(f"{JOBS}WriteJob", 1, arguments)
        return _measure("write floats", running["caffe64"].facts["bytes"], 1, running, SLOW_WRITERS, settings)


def _participants(packages: dict[str, str], settings: Settings) -> list[str]:
    installed = [name for name, package in packages.items() if settings.peers and is_installed(package)]
    return ["caffe64", *(name for name in installed if name != "caffe64")]


def _measure(name: str, size: int, threads: int, running: dict, slow: set[str], settings: Settings) -> Entry:
    running["memory"] = Worker("caffe64.perf.peak:Job", threads, {"threads": threads, "size": levels()["DRAM"]})
    rounds = alternate(running, QUICK_EFFORT if settings.quick else EFFORT)
    times = rounds.wall if name.startswith("write") else rounds.fair(threads)  # a writer waits for the disk
    memory, ours = times.pop("memory"), times.pop("caffe64")
    scaled = {peer: [SHARE * t if peer in slow else t for t in taken] for peer, taken in times.items()}
    seconds, peers = summary(ours), peer_times(ours, scaled)
    for peer in peers:
        if peer not in slow:
            peers[peer]["memory"] = running[peer].memory
    return Entry(
        suite="reader",
        name=name,
        threads=threads,
        seconds=seconds,
        rate=size / seconds["min"] / 1e9,
        unit="GB/s",
        relative=size / running["memory"].facts["work"] * paired(memory, ours),
        yardstick="memory",
        bytes=float(size),
        memory=running["caffe64"].memory,
        peers=peers,
    )
