"""Snapshots of a training: the weights, and the state from which it goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ...formats.caffe.solver_state import SolverState, read_state, write_hdf5_model, write_state
from ..weights import copy_weights, save_net

if TYPE_CHECKING:
    from .solver import Solver


def prefix_of(solver: Solver) -> str:
    """What the names of snapshots begin with: the solver's own, by default its file's without the extension; in a
    folder, its file's stem."""
    path = Path(solver.parsed.path)
    prefix = solver.parsed.settings.snapshot_prefix
    if prefix is None:
        return str(path.with_suffix(""))
    return os.path.join(prefix, path.stem) if os.path.isdir(prefix) else prefix


def write_snapshot(solver: Solver) -> tuple[str, str]:
    """Write the weights and the state; returns the names of the files. Raises OutputError."""
    trainer, end = solver.trainer, ".h5" if solver.parsed.settings.hdf5 else ""
    name = f"{prefix_of(solver)}_iter_{trainer.iteration}"
    model, state = f"{name}.caffemodel{end}", f"{name}.solverstate{end}"
    graph = trainer.fed.net.graph
    if end:
        first = {number: node for node in reversed(graph.nodes) if node.held for number in reversed(node.held.numbers)}
        owned = [[first[number] is node for number in node.held.numbers] if node.held else [] for node in graph.nodes]
        layers = [(node.name, node.weights) for node in graph.nodes]
        write_hdf5_model(model, layers, owned)
    else:
        save_net(graph, model, None)
    slices = range(len(trainer.owner.slices))
    history = [trainer.owner.view(number, vector) for vector in trainer.histories for number in slices]
    own = {
        "seed": solver.seed,
        "passes": trainer.fed.passes,
        "draws": graph.streams.iteration,
        "tests": [[fed.passes, fed.net.graph.streams.iteration] for fed in solver.tests],
    }
    write_state(state, SolverState(trainer.iteration, model, history, trainer.schedule.current, json.dumps(own)))
    return model, state


def restore(solver: Solver, path: str | os.PathLike[str]) -> None:
    """Go on from a state: of Caffe's, whose data and random numbers begin anew, or of this package, with the same bits
    as if there had been no stop. Raises InputError."""
    found, trainer = read_state(path), solver.trainer
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
    if found.learned_net:
        copy_weights(trainer.fed.net.graph, _model(path, found.learned_net))
    trainer.iteration, trainer.schedule.current = found.iteration, found.current_step
    trainer.begin_smoothing()
    _go_on(solver, path, found.own)


def _model(path: str | os.PathLike[str], name: str) -> str:
    """The file of the weights, by its name in a state: from the working directory, or else beside the state."""
    beside = Path(path).parent / Path(name).name
    if not os.path.exists(name) and not beside.exists():
        raise InputError(path, f"belongs to {name!r}, which does not exist", "the .caffemodel of the same snapshot")
    return name if os.path.exists(name) else str(beside)


def _go_on(solver: Solver, path: str | os.PathLike[str], text: str) -> None:
    if not text:
        return
    try:
        own = json.loads(text)
        feds = [(solver.trainer.fed, own["passes"], own["draws"])]
        feds += [(fed, *each) for fed, each in zip(solver.tests, own["tests"], strict=False)]
        for fed, passes, draws in feds:
            fed.passes, fed.net.graph.streams.iteration = int(passes), int(draws)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(path, f"has a damaged text of caffe64's: {error}") from None
