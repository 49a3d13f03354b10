"""The state of a solver: SolverState messages (.solverstate), and the same as HDF5 (.solverstate.h5).

    iter, current_step    int32            iteration, and the step of a multistep policy
    learned_net           a string         the file of the weights
    history               0, 1, ...        float32 of a blob's shape, one or two per parameter

What caffe64 needs besides to go on with the same bits is a text, which Caffe leaves alone: an unknown field of the
message, an attribute of the HDF5 file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import InputError
from ..atomic import write_atomically
from ..content import A_STATE, CUT_SHORT, HEAD, refuse_others
from ..files import open_input
from ..hdf5_writing import new_hdf5
from .binary import blob_parts, map_file, parse_file, take_array, write_part
from .hdf5 import HDF5_MAGIC, read_hdf5_state
from .hdf5_offsets import OWN_TEXT
from .schema import MESSAGES, BlobProto

SOLVER_STATE = MESSAGES["SolverState"]
HISTORY_FIELD = 3


@dataclass
class SolverState:
    """`own` is the text of caffe64, "" without one."""

    iteration: int
    learned_net: str
    history: list[np.ndarray]
    current_step: int = 0
    own: str = ""


def read_state(path: str | os.PathLike[str]) -> SolverState:
    """Reads a state of either kind. Raises InputError, UsageError for an HDF5 one without the package h5py."""
    path = os.fspath(path)
    with open_input(path) as file:
        mapping = map_file(path, file, "state")
        if mapping[: len(HDF5_MAGIC)] == HDF5_MAGIC:
            numbers, texts, history = read_hdf5_state(path, file, mapping)
            step, name, own = numbers.get("current_step", 0), texts.get("learned_net", ""), texts.get(OWN_TEXT, "")
            return _checked(path, SolverState(numbers["iter"], name, history, step, own))
    message, payloads = parse_file(path, mapping, "state", SOLVER_STATE())
    if not message.HasField("iter"):
        refuse_others(path, mapping[:HEAD], A_STATE, "a binary file")
        raise InputError(path, "is a file without an iteration", A_STATE, CUT_SHORT)
    history = [
        np.array(take_array(path, f"history {number}: ", blob, payloads)) for number, blob in enumerate(message.history)
    ]
    return _checked(
        path, SolverState(message.iter, message.learned_net, history, message.current_step, message.caffe64)
    )


def write_state(path: str | os.PathLike[str], state: SolverState) -> None:
    """Writes a .solverstate, or for a name that ends in .h5 the HDF5 kind. Raises OutputError."""
    if os.fspath(path).endswith(".h5"):
        _write_hdf5(path, state)
        return
    head = SOLVER_STATE(iter=state.iteration, learned_net=state.learned_net, current_step=state.current_step)
    if state.own:
        head.caffe64 = state.own
    with write_atomically(path) as file:
        file.write(head.SerializeToString())
        for array in state.history:
            for part in blob_parts(HISTORY_FIELD, array, BlobProto()):
                write_part(file, part)


def _checked(path: str, state: SolverState) -> SolverState:
    if state.iteration < 0 or state.current_step < 0:
        found = f"is of iteration {state.iteration} and step {state.current_step}"
        raise InputError(path, found, "numbers from 0", CUT_SHORT)
    return state


def _write_hdf5(path: str | os.PathLike[str], state: SolverState) -> None:
    with new_hdf5(path) as target:
        target["iter"] = np.array([state.iteration], np.int32)
        target["current_step"] = np.array([state.current_step], np.int32)
        _write_text(target, "learned_net", state.learned_net)
        group = target.create_group("history")
        for number, array in enumerate(state.history):
            group[str(number)] = array
        if state.own:
            target.attrs[OWN_TEXT] = state.own


def _write_text(target: Any, name: str, text: str) -> None:
    """A string that ends with a zero byte, without which Caffe reads on."""
    import h5py

    content = text.encode() + b"\0"
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(len(content))
    kind.set_strpad(h5py.h5t.STR_NULLTERM)
    space = h5py.h5s.create(h5py.h5s.SCALAR)
    dataset = h5py.h5d.create(target.id, name.encode(), kind, space)
    dataset.write(space, space, np.frombuffer(content, f"S{len(content)}"), mtype=kind)


@dataclass(frozen=True)
class HDF5Layer:
    """The `blobs` of a layer, of which those are written that it has `owned`, not another layer; and the `diffs` of all
    of them, if these are wanted."""

    name: str
    blobs: Sequence[np.ndarray]
    owned: Sequence[bool]
    diffs: Sequence[np.ndarray] | None = None


def write_hdf5_model(path: str | os.PathLike[str], layers: Sequence[HDF5Layer]) -> None:
    """Writes a .caffemodel.h5: a group per layer. Raises OutputError, UsageError without the package h5py."""
    with new_hdf5(path) as target:
        groups: dict[str, Any] = {}
        for layer in layers:
            kinds = [("data", [blob if own else None for blob, own in zip(layer.blobs, layer.owned, strict=True)])]
            kinds += [] if layer.diffs is None else [("diff", list(layer.diffs))]
            for kind, blobs in kinds:
                groups[kind] = groups.get(kind) or target.create_group(kind)
                group = groups[kind].require_group(layer.name)
                for number, blob in enumerate(blobs):
                    if blob is not None:
                        group[str(number)] = blob
