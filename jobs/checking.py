"""Jobs as they are given -> complete, checked, and with whole paths, so that they mean the same in every process.

A job is a dict of plain values. Of a text net:

    net                   its text, or the name of its file: the job then holds the text
    optimizer             an optimizer file; or its numbers by name, which take the place of the file's
    rate, epochs          needed without an optimizer file; step 0, factor 1, decay 0, momentum 0 unless given
    rule, schedule, ...   what the words of an optimizer file say, as the fields of an `Optimizer`
    x, y                  files of inputs and targets; rows: how many, all unless given
    val_x, val_y          files to validate with; or
    folds, fold           cut the rows into so many parts, of which this one (from 0) validates
    seed                  of the initial weights, the order of the rows, and the folds; 0 unless given

Of a Caffe net: `solver`, its file, and other values of the fields of a solver.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arguments import seed_number, whole_number
from ..caffe.solver.keywords import given_settings
from ..errors import FileMissing, InputError, UsageError
from ..formats.caffe.solver import ParsedSolver, read_solver, with_settings
from ..formats.network import GRAMMAR, NetSpec, loss_words, parse_network, read_network
from ..formats.optimizer import (
    MEANINGS,
    MORE_MEANINGS,
    USUAL_WORDS,
    Optimizer,
    checked_field,
    contradiction,
    read_optimizer,
    stated_fields,
)
from ..wording import near_miss

Job = dict[str, Any]

NUMBERS = {"step": 0, "factor": 1.0, "decay": 0.0, "momentum": 0.0}  # of an optimizer, where they are not given
FILES = ("x", "y", "val_x", "val_y")
TEXT_FIELDS = ("net", "optimizer", *MEANINGS, *MORE_MEANINGS, "rows", *FILES, "folds", "fold", "seed")
OF_SWEEPS = ("snapshot", "snapshot_after_train", "snapshot_prefix", "snapshot_format", "snapshot_diff")
FORM = "net, x and y of a text net, or solver"


class WrongField(UsageError):
    """A field of a job is wrong: `field` says which, "" if one is missing."""

    def __init__(self, field: str, message: str):
        self.field = field
        super().__init__(message)


def checked_job(job: Mapping[str, Any], folder: str | os.PathLike[str] = "") -> Job:
    """The whole of a job; names of files count from `folder`. Raises WrongField, and InputError for the files of nets,
    optimizers and solvers, FileMissing for those of data."""
    if "solver" in job:
        if "net" in job:
            raise WrongField("net", f"there are a net and a solver, expected {FORM}")
        return _solver_job(job, folder)
    if "net" not in job:
        raise WrongField("", f"there is no net and no solver, expected {FORM}")
    return _text_job(job, folder)


def _text_job(job: Mapping[str, Any], folder: str | os.PathLike[str]) -> Job:
    for name in job:
        if name not in TEXT_FIELDS:
            hint = near_miss(name, TEXT_FIELDS) or f"fields are {', '.join(TEXT_FIELDS)}"
            raise WrongField(name, f"{name!r} is not a field of a job with a net ({hint})")
    spec = _net(_text("net", job["net"]), folder)
    found: Job = {"net": " / ".join(map(str, spec.layers)), **_optimizer(job, folder)}
    for name in ("x", "y"):
        if name not in job:
            raise WrongField("", f"there is no {name!r}, the file of {'inputs' if name == 'x' else 'targets'}")
    if ("val_x" in job) != ("val_y" in job):
        raise WrongField("val_x" if "val_x" in job else "val_y", "val_x and val_y belong together")
    if "folds" in job and "val_x" in job:
        raise WrongField("folds", "folds and val_x exclude each other: both say which rows validate")
    found |= {name: _file(name, job[name], folder) for name in FILES if name in job}
    if job.get("rows", "all") != "all":
        found["rows"] = _whole("rows", job["rows"], 1)
    if ("folds" in job) != ("fold" in job):
        raise WrongField("folds" if "folds" in job else "fold", "folds and fold belong together: how many, and which")
    if "folds" in job:
        found["folds"] = _whole("folds", job["folds"], 2)
        found["fold"] = _whole("fold", job["fold"], 0, found["folds"] - 1)
    return found | {"seed": _seed(job.get("seed", 0))}


def _solver_job(job: Mapping[str, Any], folder: str | os.PathLike[str]) -> Job:
    path = _file("solver", job["solver"], folder)
    fields = {name: _plain(value) for name, value in job.items() if name != "solver"}
    for name in fields:
        if name in OF_SWEEPS:
            raise WrongField(name, f"{name!r} has no effect: jobs write no snapshots")
        if name == "seed":
            raise WrongField(name, "'seed' is not a field of a solver: random_seed is")
    weights = fields.get("weights")
    if isinstance(weights, str) and os.path.exists(os.path.join(folder, weights)):
        fields["weights"] = _file("weights", weights, folder)
    parsed = _solver(path, os.stat(path).st_mtime_ns)
    for name, value in fields.items():
        try:
            given_settings({name: value})
        except UsageError as error:
            raise WrongField(name, str(error)) from None
    try:
        with_settings(parsed, given_settings(fields))
    except InputError as error:
        if error.line is not None:
            raise
        wrong = next((name for name in fields if error.found.startswith((f"{name}:", f"has {name}"))), "")
        raise WrongField(wrong, f"{error.found}, expected {error.expected}") from None
    return {"solver": path, **fields}


@functools.lru_cache(64)
def _solver(path: str, modified: int) -> ParsedSolver:
    return read_solver(path)


def _net(text: str, folder: str | os.PathLike[str]) -> NetSpec:
    """Of a net's text, its layers separated by line breaks or ' / ', or of its file."""
    words = text.split()
    if not words or (words[0] not in GRAMMAR and not words[0].isdigit()):
        path = os.path.join(folder, text)
        return _trainable(read_network(path), path)
    lines = [line for line in text.replace(" / ", "\n").splitlines() if line.strip()]
    if not words[0].isdigit():
        lines.insert(0, str(len(lines)))
    try:
        spec = parse_network("\n".join(lines))
    except InputError as error:
        layer = f"layer {error.line - 1}: " if error.line and error.line > 1 else ""
        raise WrongField(
            "net", f"{layer}{error.found}" + (f", expected {error.expected}" * bool(error.expected))
        ) from None
    return _trainable(spec, "")


def _trainable(spec: NetSpec, path: str) -> NetSpec:
    if spec.loss is None:
        where = f"{path}: " if path else ""
        raise WrongField("net", f"{where}the last layer is not a loss layer, expected {loss_words()}")
    return spec


def _optimizer(job: Mapping[str, Any], folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The six numbers, and what words say where that is not the usual."""
    given = {name: _plain(job[name]) for name in (*MEANINGS, *MORE_MEANINGS) if name in job}
    values: dict[str, Any] = {**NUMBERS}
    if "optimizer" in job:
        read = read_optimizer(os.path.join(folder, _text("optimizer", job["optimizer"])))
        of_rule = () if given.get("rule", read.rule) == read.rule else ("second", "epsilon")
        values = {name: value for name, value in stated_fields(read).items() if name not in of_rule}
    values |= given
    for name, meaning in MEANINGS.items():
        if name not in values:
            raise WrongField("", f"there is no {name!r}, {meaning}; nor an optimizer file")
    for name, meaning in (MEANINGS | MORE_MEANINGS).items():
        if name in values and checked_field(name, values[name]) is None:
            raise WrongField(name, f"{name}: found {values[name]!r}"[:100] + f", expected {meaning}")
    wrong = contradiction(USUAL_WORDS | values)
    if wrong:
        raise WrongField(wrong[0], f"{wrong[1]}, expected {wrong[2]}")
    return stated_fields(Optimizer(**values))


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's, tuples as lists: what JSON gives back."""
    if isinstance(value, np.generic):
        return value.item()
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def _text(name: str, value: Any) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value.strip():
        raise WrongField(name, f"{name} is {value!r}"[:100] + ", expected a text")
    return value


def _file(name: str, value: Any, folder: str | os.PathLike[str]) -> str:
    """The whole path of a file that is there, and that each job can read anew."""
    path = os.path.abspath(os.path.join(folder, _text(name, value)))
    if not os.path.exists(path):
        raise FileMissing(path)
    if not os.path.isfile(path):
        raise InputError(path, f"is {'a directory' if os.path.isdir(path) else 'no regular file'}", "a file")
    return path


def _whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    try:
        return whole_number(name, value, least, most)
    except UsageError as error:
        raise WrongField(name, str(error)) from None


def _seed(value: Any) -> int:
    try:
        return seed_number(value)
    except UsageError as error:
        raise WrongField("seed", str(error)) from None
