"""The results of a run, and their JSON file.

{"format": 1, "created": "2026-11-22", "settings": {...}, "machine": {...},
 "peaks": {"1": {"fma": GFLOP/s, "L1": GB/s, "L2", "L3", "DRAM"}, ...},       one entry per number of threads
 "compile": {"gemm": {"compile": seconds, "first call": seconds}, ...},
 "entries": [Entry, ...]}                                                      fields that are None are left out
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..formats.atomic import write_atomically
from .sampling import Times, paired, summary

FORMAT = 1
SUITES = ("kernels", "train", "caffe", "solve", "onnx", "reader", "startup")
# Memory of the values between layers: as planned; each on its own; as in Caffe, where some layers overwrite.
ARENA, BLOBS, IN_PLACE = "arena", "blobs", "in place"
DIGITS = 4  # significant ones; the noise is far above


@dataclass
class Entry:
    """One thing that was timed. Entries of two runs are matched by suite, `name` and threads.

    rate is `unit` at the best time. relative is our speed over that of the `yardstick` in the same rounds: the share
    of the machine's peak where both have the same unit (`share`), else just a number in which the machine's speed
    cancels out. (Above 1 is possible: the memory's yardstick only reads, and a kernel also writes.)
    """

    suite: str
    name: str
    threads: int
    seconds: dict[str, float]  # min, median, spread, samples
    rate: float
    unit: str
    relative: float
    yardstick: str
    share: bool = True
    flops: float | None = None
    bytes: float | None = None
    memory: int | None = None  # peak resident bytes of the process
    compile: float | None = None  # seconds, with an empty cache
    first: float | None = None  # seconds of the first call, or epoch
    layers: int | None = None
    # Of a net, the groups of layers that run as one, in order: name, how (the algorithm, or the layer's type), flops,
    # bytes (weights, bottoms and tops, each once), and seconds, the least of some runs. Absent before 0.2.0.
    layer_times: list[dict[str, Any]] = field(default_factory=list)
    footprint: int | None = None  # bytes of a net's weights, activations and scratch; of a training without the weights
    pictures: int | None = None  # of an iteration of training
    activations: dict[str, int] = field(default_factory=dict)  # bytes: ARENA, BLOBS, IN_PLACE
    peers: dict[str, dict[str, float]] = field(default_factory=dict)  # min, median, ratio (theirs over ours)
    goals: dict[str, float] = field(default_factory=dict)  # peer -> the ratio wanted, "memory" -> most bytes wanted

    @property
    def key(self) -> str:
        """The name in full: suite, name, threads."""
        return f"{self.suite}/{self.name}/{self.threads}"


@dataclass
class Results:
    """A run: see the module's docstring."""

    created: str
    settings: dict
    machine: dict
    peaks: dict[str, dict[str, float]]
    compile: dict[str, dict[str, float]]
    entries: list[Entry]


def peer_times(ours: Times, theirs: Mapping[str, Times]) -> dict[str, dict[str, float]]:
    """`Entry.peers` from the rounds in which all alternated."""
    found = {}
    for name, times in theirs.items():
        kept = summary(times)
        found[name] = {"min": kept["min"], "median": kept["median"], "ratio": paired(times, ours)}
    return found


def write_results(path: str | os.PathLike[str], results: Results) -> None:
    """Write the JSON file, one entry per line, to a temporary file that is then renamed. Raises OutputError."""
    head = {"format": FORMAT, **{name: value for name, value in vars(results).items() if name != "entries"}}
    text = json.dumps(_rounded(head), indent=1).removesuffix("\n}")
    lines = [json.dumps(_rounded(_without_empty(vars(entry)))) for entry in results.entries]
    with write_atomically(path, "w") as file:
        file.write(text + ',\n "entries": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n")


def read_results(path: str | os.PathLike[str]) -> Results:
    """Read such a file, also one from before a field of an Entry was added. Raises UsageError for another file, and
    for one with fields or suites of another version, which would be missing in tables without a word."""
    name = os.fspath(path)
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{name}: cannot be read: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}: is not JSON ({error}), expected a file of perf --output") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        version = found.get("format") if isinstance(found, dict) else None
        raise UsageError(f"{name}: format {version!r}, expected {FORMAT} (a file of perf --output of this version)")
    try:
        entries = [_entry(entry) for entry in found["entries"]]
        return Results(entries=entries, **{key.name: found[key.name] for key in fields(Results)[:-1]})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        said = f"{error} is missing" if isinstance(error, KeyError) else error
        raise UsageError(
            f"{name}: not as expected: {said} (written by caffe64 {_writer(found)}); measure again"
        ) from None


def _entry(values: dict) -> Entry:
    if unknown := values.keys() - {each.name for each in fields(Entry)}:
        raise ValueError(f"an entry has fields that this version does not have: {', '.join(sorted(unknown))}")
    if values["suite"] not in SUITES:
        raise ValueError(f"the suite {values['suite']!r} is none of this version's: {', '.join(SUITES)}")
    return Entry(**values)


def _writer(found: dict) -> str:
    """The version that wrote a file, as far as it says so."""
    with contextlib.suppress(KeyError, TypeError):
        return found["machine"]["versions"]["caffe64"]
    return "?"


def _without_empty(values: dict) -> dict:
    return {name: value for name, value in values.items() if value not in (None, {}, [])}


def _rounded(value):
    """`value` with its floats cut to DIGITS significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value
