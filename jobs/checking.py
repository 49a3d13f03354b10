"""Jobs as they are given -> complete, checked, and with whole paths, so that they mean the same in every process.

A job is a dict of plain values. Of a text net:

    net                   its text, or the name of its file: the job then holds the text
    optimizer             an optimizer file; or its numbers by name, which take the place of the file's
    rate, epochs          needed without an optimizer file; step 0, factor 1, decay 0, momentum 0 unless given
    rule, schedule, ...   what the words of an optimizer file say, as the fields of an `Optimizer`
    x, y                  files of inputs and targets; rows: how many, all unless given
    val_x, val_y          files to validate with; or
    table, target, ...    in place of these a table (`table_jobs.py`); `?` in the net stands for what it has
    folds, fold           cut the rows into so many parts, of which this one (from 0) validates
    seed                  of the initial weights, the order of the rows, and the folds; 0 unless given

Of a Caffe net: `solver`, its file, and other values of the fields of a solver.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any

from ..caffe.solver.keywords import given_settings
from ..errors import InputError, UsageError
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
from .fields import WrongField, file_field, plain_value, seed_field, text_field, whole_field
from .table_jobs import TABLE_FIELDS, check_rows, checked_table

Job = dict[str, Any]

NUMBERS = {"step": 0, "factor": 1.0, "decay": 0.0, "momentum": 0.0}  # of an optimizer, where they are not given
FILES = ("x", "y", "val_x", "val_y")
TEXT_FIELDS = ("net", "optimizer", *MEANINGS, *MORE_MEANINGS, "rows", *FILES, *TABLE_FIELDS, "folds", "fold", "seed")
OF_SWEEPS = ("snapshot", "snapshot_after_train", "snapshot_prefix", "snapshot_format", "snapshot_diff")
FORM = "net, x and y or table of a text net, or solver"


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
    found: Job = {"net": _net(job, folder), **_optimizer(job, folder)}
    found |= checked_table(job, folder) if "table" in job else _two_files(job, folder)
    if job.get("rows", "all") != "all":
        found["rows"] = whole_field("rows", job["rows"], 1)
    if ("folds" in job) != ("fold" in job):
        raise WrongField("folds" if "folds" in job else "fold", "folds and fold belong together: how many, and which")
    if "folds" in job:
        if other := next((name for name in ("val_x", "val_table", "validation") if name in job), None):
            raise WrongField("folds", f"folds and {other} exclude each other: both say which rows validate")
        found["folds"] = whole_field("folds", job["folds"], 2)
        found["fold"] = whole_field("fold", job["fold"], 0, found["folds"] - 1)
    found["seed"] = seed_field(job.get("seed", 0))
    if "table" in found:
        check_rows(found)
    return found


def _two_files(job: Mapping[str, Any], folder: str | os.PathLike[str]) -> Job:
    """The files of a job without a table."""
    for name in ("x", "y"):
        if name not in job:
            raise WrongField("", f"there is no {name!r}, the file of {'inputs' if name == 'x' else 'targets'}")
    if ("val_x" in job) != ("val_y" in job):
        raise WrongField("val_x" if "val_x" in job else "val_y", "val_x and val_y belong together")
    if other := next((name for name in TABLE_FIELDS if name in job), None):
        raise WrongField(other, f"{other!r} belongs to a table, and there is none, only x and y")
    return {name: file_field(name, job[name], folder) for name in FILES if name in job}


def _solver_job(job: Mapping[str, Any], folder: str | os.PathLike[str]) -> Job:
    path = file_field("solver", job["solver"], folder)
    fields = {name: plain_value(value) for name, value in job.items() if name != "solver"}
    for name in fields:
        if name in OF_SWEEPS:
            raise WrongField(name, f"{name!r} has no effect: jobs write no snapshots")
        if name == "seed":
            raise WrongField(name, "'seed' is not a field of a solver: random_seed is")
    weights = fields.get("weights")
    if isinstance(weights, str) and os.path.exists(os.path.join(folder, weights)):
        fields["weights"] = file_field("weights", weights, folder)
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


def _net(job: Mapping[str, Any], folder: str | os.PathLike[str]) -> str:
    """The text of a net in one line. `?` stays what it is in a job with a table."""
    text = text_field("net", job["net"])
    if "table" not in job:
        return " / ".join(map(str, _spec(text, folder, None).layers))
    one, two = (_spec(text, folder, size).layers for size in (1, 2))
    lines = (str(layer) if layer == other else _unsized(str(layer)) for layer, other in zip(one, two, strict=True))
    return " / ".join(lines)


def _unsized(layer: str) -> str:
    """With `?` for its first number."""
    word, _, *rest = layer.split()
    return " ".join((word, "?", *rest))


def _spec(text: str, folder: str | os.PathLike[str], size: int | None) -> NetSpec:
    """Of a net's text, its layers separated by line breaks or ' / ', or of its file, with `size` for each `?`."""
    words = text.split()
    if not words or (words[0] not in GRAMMAR and not words[0].isdigit()):
        path = os.path.join(folder, text)
        return _trainable(read_network(path, features=size, outputs=size), path)
    lines = [line for line in text.replace(" / ", "\n").splitlines() if line.strip()]
    if not words[0].isdigit():
        lines.insert(0, str(len(lines)))
    try:
        spec = parse_network("\n".join(lines), features=size, outputs=size)
    except InputError as error:
        layer = f"layer {error.line - 1}: " if error.line and error.line > 1 else ""
        if size is None and error.found == "found '?'":
            raise WrongField("net", f"{layer}'?' stands for what a table has, and there is none") from None
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
    given = {name: plain_value(job[name]) for name in (*MEANINGS, *MORE_MEANINGS) if name in job}
    values: dict[str, Any] = {**NUMBERS}
    if "optimizer" in job:
        read = read_optimizer(os.path.join(folder, text_field("optimizer", job["optimizer"])))
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
