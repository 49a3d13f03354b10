"""Snapshots of a training: the weights, and the state from which it goes on."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arguments import seed_number, whole_number
from ...engine.graph.ir.ownership import views_of
from ...errors import InputError, UsageError
from ...formats.caffe import write_caffemodel
from ...formats.caffe.solver_state import HDF5Layer, SolverState, read_state, write_hdf5_model, write_state
from ...formats.text import quote
from ..weights import copy_weights
from .saved import numbered, saved_net

if TYPE_CHECKING:
    from .solver import CaffeTraining


def prefix_of(solver: CaffeTraining) -> str:
    """What the names of snapshots begin with: the solver's own, by default its file's without the extension; in a
    folder, its file's stem."""
    path = Path(solver.parsed.path)
    prefix = solver.parsed.settings.snapshot_prefix
    if prefix is None:
        return str(path.with_suffix(""))
    return os.path.join(prefix, path.stem) if os.path.isdir(prefix) else prefix


def check_prefix(solver: CaffeTraining) -> None:
    """Raises InputError, at the line of snapshot_prefix, where snapshots that are to come could not be written."""
    settings = solver.parsed.settings
    if not settings.snapshot and not settings.snapshot_after_train:
        return
    folder = os.path.dirname(prefix_of(solver)) or "."
    found = "" if settings.snapshot_prefix is None else f"snapshot_prefix: {quote(settings.snapshot_prefix)}: "
    if not os.path.isdir(folder):
        raise solver.parsed.error("snapshot_prefix", f"{found}there is no folder {folder}", hint="mkdir -p makes it")
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise solver.parsed.error("snapshot_prefix", f"{found}cannot write into {folder}: {error.strerror}") from None


def write_snapshot(solver: CaffeTraining) -> tuple[str, str]:
    """Write the weights and the state; returns the names of the files. Raises OutputError."""
    trainer, end = solver.trainer, ".h5" if solver.parsed.settings.hdf5 else ""
    name = f"{prefix_of(solver)}_iter_{trainer.iteration}"
    model, state = f"{name}.caffemodel{end}", f"{name}.solverstate{end}"
    _write_model(solver, model)
    slices = range(len(trainer.owner.slices))
    history = [trainer.owner.view(number, vector) for vector in trainer.histories for number in slices]
    tests = [fed.place for fed in solver.tests] if solver.marks is None else solver.marks
    own = json.dumps(
        {
            "seed": solver.seed,
            "shards": solver.shards,
            "train": trainer.fed.place,
            "tests": tests,
            "weights": zlib.crc32(trainer.owner.vector.data),
        }
    )
    write_state(state, SolverState(trainer.iteration, model, history, trainer.schedule.current, own))
    return model, state


def _write_model(solver: CaffeTraining, path: str) -> None:
    """The weights, and what was subtracted from them last as their diff if snapshot_diff asks for it."""
    graph, settings = solver.net.graph, solver.parsed.settings
    split = saved_net(graph)
    weights = numbered(split, [node.weights for node in graph.nodes])
    updates = [views_of(node, solver.trainer.gradient) if node.held else [] for node in graph.nodes]
    diffs = numbered(split, updates) if settings.snapshot_diff else None
    if not settings.hdf5:
        write_caffemodel(path, split.net, weights, diffs)
        return
    first = {number: node for node in reversed(graph.nodes) if node.held for number in reversed(node.held.numbers)}
    owned = [[first[at] is node for at in node.held.numbers] if node.held else [] for node in graph.nodes]
    layers = [
        HDF5Layer(name, weights[at], () if number is None else owned[number], None if diffs is None else diffs[at])
        for at, (name, number) in enumerate(zip(split.names, split.numbers, strict=True))
    ]
    write_hdf5_model(path, layers)


def restore(solver: CaffeTraining, path: str | os.PathLike[str]) -> None:
    """Go on from a state: of Caffe's, whose data and random numbers begin anew, or of this package, with the same bits
    as if there had been no stop. Raises InputError, also for one of another number of shards."""
    found, trainer = read_state(path), solver.trainer
    if found.own and (shards := _own(path, found.own)[1]) != solver.shards:
        hint = f"--shards {shards}, or Solver(..., shards={shards}), goes on from it"
        raise InputError(path, f"is of a training with {shards} shards", f"one with {solver.shards}", hint)
    parts = trainer.owner.slices
    if len(found.history) != len(parts) * len(trainer.histories):
        expected = f"{len(parts) * len(trainer.histories)}, as {trainer.rule.name} keeps for this net"
        raise InputError(path, f"holds {len(found.history)} histories", expected)
    for number, array in enumerate(found.history):
        vector, part = trainer.histories[number // len(parts)], parts[number % len(parts)]
        if array.size != part.size:
            where = f"{part.layer!r} blob {part.number}"
            raise InputError(path, f"has a history {list(array.shape)} for {where}", f"{list(part.shape)}")
        np.copyto(part.of(vector), array.reshape(part.shape))
    model = _model(path, found.learned_net) if found.learned_net else ""
    if model:
        copy_weights(trainer.fed.net.graph, model)
    trainer.iteration, trainer.schedule.current = found.iteration, found.current_step
    trainer.begin_smoothing()
    _go_on(solver, path, found.own, model)


def shards_of_state(path: str | os.PathLike[str]) -> int:
    """The shards of the training that wrote a state; 1 for one of Caffe's, or of a time before there were any. Raises
    InputError."""
    text = read_state(path).own
    return _own(path, text)[1] if text else 1


def _own(path: str | os.PathLike[str], text: str) -> tuple[dict[str, Any], int]:
    """What a state has of this package's, and the number of shards."""
    try:
        own = json.loads(text)
        shards = whole_number("shards", own.get("shards", 1), 1)
    except (ValueError, AttributeError, UsageError) as error:
        raise InputError(path, f"has a damaged text of caffe64's: {error}") from None
    return own, shards


def _model(path: str | os.PathLike[str], name: str) -> str:
    """The file of the weights, by its name in a state: from the working directory, or else beside the state."""
    beside = Path(path).parent / Path(name).name
    if not os.path.exists(name) and not beside.exists():
        raise InputError(path, f"belongs to {name!r}, which does not exist", "the .caffemodel of the same snapshot")
    return name if os.path.exists(name) else str(beside)


def _go_on(solver: CaffeTraining, path: str | os.PathLike[str], text: str, model: str) -> None:
    """Take data and random numbers where they were; the seed of the state, unless the solver was given one. Warns of
    weights that are not those of the state."""
    if not text:
        return
    own, _ = _own(path, text)
    try:
        seed = seed_number(int(own["seed"])) if solver.seed_is_free else solver.seed
        places = [own["train"], *own["tests"]]
        for fed, place in zip((solver.trainer.fed, *solver.tests), places, strict=False):
            fed.go_to(place, seed)
    except (ValueError, KeyError, TypeError, UsageError) as error:
        raise InputError(path, f"has a damaged text of caffe64's: {error}") from None
    solver.seed = seed
    if own.get("weights") != zlib.crc32(solver.trainer.owner.vector.data):
        what = f"{model} has other weights than when {os.fspath(path)} was written"
        warnings.warn(f"{what}: was it overwritten by another training?", stacklevel=4)
