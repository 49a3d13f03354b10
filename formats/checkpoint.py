"""Checkpoint: the state with which a training continues as if it had never stopped. A zip (.npz) of stored .npy
members:

    header.npy       uint8 [...]   JSON: format, version, and the fields of `Checkpoint` that are not arrays
    parameters.npy   float32 [P]   all layers', in the order of the weights file
    velocity.npy     float32 [P]
    losses.npy       float64 [step], of the unfinished epoch
    second.npy       float32 [P], the second history of adam and adadelta; not there for others
    best.npy         float32 [P], parameters after the epoch `best_epoch`; not there unless the best are kept

`stored_zip.py` says what is checked. Equal checkpoints make equal bytes.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from ..arguments import LARGEST_SEED, file_name, instance
from ..errors import InputError, UsageError
from .network import parse_network
from .npy import npy_array
from .optimizer import WITH_SECOND_HISTORY, Optimizer, stated_fields
from .stored_zip import StoredMembers, open_stored, write_stored
from .text import quote

FORMAT, VERSION = "caffe64 checkpoint", 1
ARRAYS: dict[str, np.dtype] = {
    "parameters": np.dtype("<f4"),
    "velocity": np.dtype("<f4"),
    "losses": np.dtype("<f8"),
    "second": np.dtype("<f4"),
    "best": np.dtype("<f4"),
}
LARGEST_COUNT = 2**53  # each whole number up to there is a float


def _count(value: Any, most: int = LARGEST_COUNT, least: int = 0) -> bool:
    return type(value) is int and least <= value <= most


def _number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) <= LARGEST_COUNT)


def _finite(value: Any, least: float = -math.inf) -> bool:
    return _number(value) and math.isfinite(value) and value >= least


CHECKS: dict[str, Callable[[Any], bool]] = {
    "network": lambda value: type(value) is str,
    "seed": lambda value: _count(value, LARGEST_SEED),
    "shuffle": lambda value: type(value) is bool,
    "rows": lambda value: _count(value, least=1),
    "epoch": _count,
    "step": _count,
    "rate": lambda value: type(value) is float and 0 <= value < math.inf,
    "history": lambda value: type(value) is list,
    "shards": lambda value: _count(value, least=1) and value & (value - 1) == 0,
    "updates": _count,
    "remainder": lambda value: type(value) is bool,
    "row_weights": lambda value: type(value) is str,
    "scheduled": lambda value: type(value) is bool,
    "best_epoch": _count,
}
# Fields that are written only where they are others, so that older versions read the files that they could write.
USUAL: dict[str, Any] = {
    "shards": 1,
    "updates": 0,
    "remainder": False,
    "row_weights": "",
    "scheduled": False,
    "best_epoch": 0,
}
# What every record of the history has; others are numbers or None.
RECORD: dict[str, Callable[[Any], bool]] = {
    "epoch": lambda value: _count(value, least=1),
    "loss": _finite,
    "rate": lambda value: _finite(value, 0),
    "seconds": lambda value: _finite(value, 0),
}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training between two minibatches. `network` is the text of its network file."""

    network: str
    optimizer: Optimizer
    seed: int
    shuffle: bool
    rows: int
    epoch: int  # finished epochs
    step: int  # minibatches done of the next one
    rate: float
    parameters: np.ndarray
    velocity: np.ndarray
    losses: np.ndarray
    history: list[dict[str, Any]]
    shards: int = 1  # parts in which minibatches are summed
    second: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0, np.float32))  # adam and adadelta
    updates: int = 0  # of adam, before the unfinished epoch: its corrections count them
    remainder: bool = False  # whether an epoch has all rows
    row_weights: str = ""  # a fingerprint of the weights of rows, if there are some
    scheduled: bool = False  # whether a function gives the rates
    best_epoch: int = 0  # that with the lowest validation loss, if its parameters are kept, `best`
    best: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0, np.float32))


def write_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Raises OutputError, and UsageError for arrays that are not finite; `path` then is unchanged."""
    instance("checkpoint", checkpoint, Checkpoint, "what Training.checkpoint gives")
    for name in ARRAYS:
        if not np.isfinite(getattr(checkpoint, name)).all():
            raise UsageError(
                f"{file_name(path)} is not written: not all of its {name} is finite (did the training diverge?)"
            )
    plain = {
        field.name: getattr(checkpoint, field.name)
        for field in dataclasses.fields(checkpoint)
        if field.name not in ARRAYS
    }
    plain = {name: value for name, value in plain.items() if name not in USUAL or value != USUAL[name]}
    plain |= {"optimizer": stated_fields(checkpoint.optimizer), "rate": float(checkpoint.rate)}
    text = json.dumps({"format": FORMAT, "version": VERSION, **plain}, default=lambda number: number.item())
    arrays = {"header": np.frombuffer(text.encode(), np.uint8)}
    names = [name for name in ARRAYS if name not in ("second", "best") or getattr(checkpoint, name).size]
    arrays |= {name: np.ascontiguousarray(getattr(checkpoint, name), ARRAYS[name]) for name in names}
    write_stored(path, {f"{name}.npy": _putter(array) for name, array in arrays.items()})


def _putter(array: np.ndarray) -> Callable[[IO[bytes]], object]:
    return lambda member: np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Raises InputError for a file that is damaged or not a checkpoint."""
    name = file_name(path)
    with open_stored(path, "a checkpoint") as members:
        header = _read_header(name, _read_array(members, "header").tobytes())
        there = {"second": header["optimizer"].rule in WITH_SECOND_HISTORY, "best": header["best_epoch"] > 0}
        arrays = {key: _read_array(members, key) for key in ARRAYS if there.get(key, True)}
    for key in arrays:
        dtype = ARRAYS[key]
        length = header["step"] if key == "losses" else arrays["parameters"].size
        if arrays[key].dtype != dtype or arrays[key].shape != (length,) or not np.isfinite(arrays[key]).all():
            raise InputError(path, f"is damaged: its {key} array is wrong", f"{length} finite numbers of {dtype.name}")
    return Checkpoint(**(header | arrays))


def _read_array(members: StoredMembers, name: str) -> np.ndarray:
    with members.member(f"{name}.npy") as source:
        return npy_array(source, mapped=False)


def _read_header(path: str, data: bytes) -> dict[str, Any]:
    """The fields of a Checkpoint that are not arrays, checked."""
    try:
        header: dict[str, Any] = json.loads(data)
        written_by = header.pop("format"), header.pop("version")
        header["optimizer"] = Optimizer(**header["optimizer"])
        for name, value in USUAL.items():
            header.setdefault(name, value)
        net = parse_network(header["network"])
    except (InputError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(path, f"has a damaged header: {quote(repr(error), 200)}") from None
    if written_by != (FORMAT, VERSION):
        raise InputError(path, f"was written by {written_by}", f"{(FORMAT, VERSION)}")
    if header.keys() != CHECKS.keys() | {"optimizer"}:
        raise InputError(path, f"has a damaged header: its fields are {', '.join(header) or 'none'}")
    for name, check in CHECKS.items():
        if not check(header[name]):
            raise InputError(path, f"has a damaged header: {name} is {quote(reprlib.repr(header[name]))}")
    if header["shards"] > net.minibatch:
        found = f"has a damaged header: {header['shards']} shards of a minibatch"
        raise InputError(path, found, f"at most the {net.minibatch} rows that it has")
    steps = -(-header["rows"] // net.minibatch) if header["remainder"] else header["rows"] // net.minibatch
    if header["step"] >= steps:
        found = f"has a damaged header: {header['step']} minibatches of an epoch are done"
        raise InputError(path, found, f"less than the {steps} that it has")
    _check_history(path, header["history"], header["epoch"])
    if header["best_epoch"] and header["best_epoch"] not in (record["epoch"] for record in header["history"]):
        raise InputError(path, f"has a damaged header: epoch {header['best_epoch']}, the best, is not in its history")
    return header


def _check_history(path: str, history: list[Any], epoch: int) -> None:
    """Raises InputError unless these are records of epochs up to `epoch`, in their order."""
    before = 0
    for number, record in enumerate(history, start=1):
        where = f"has a damaged header: record {number} of its history"
        if type(record) is not dict or not RECORD.keys() <= record.keys():
            raise InputError(path, f"{where} is {quote(reprlib.repr(record))}", f"one with {', '.join(RECORD)}")
        for name, value in record.items():
            if not RECORD.get(name, lambda value: value is None or _number(value))(value):
                raise InputError(path, f"{where} has the {quote(name)[1:-1]} {quote(reprlib.repr(value))}")
        if not before < record["epoch"] <= epoch:
            raise InputError(path, f"{where} is of epoch {record['epoch']}", f"one from {before + 1} to {epoch}")
        before = record["epoch"]
