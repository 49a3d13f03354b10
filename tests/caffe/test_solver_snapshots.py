"""Snapshots beside real Caffe's of the same training: every field, shape and number; and refused ones."""

from __future__ import annotations

import numpy as np
import pytest
from reference.solver_cases import CASES, SOLVERS, SolverCase, worst
from support import needs_shared

from caffe64.caffe.solver.loop import TrainingLoop
from caffe64.caffe.solver.solver import CaffeTraining
from caffe64.errors import InputError
from caffe64.formats.caffe.schema import MESSAGES

TOLERANCE = 1e-4
BINARY = [name for name in CASES if list((SOLVERS / name).glob("*_iter_*.solverstate"))]
HDF5 = [name for name in CASES if list((SOLVERS / name).glob("*_iter_*.solverstate.h5"))]


def train(case: SolverCase) -> None:
    level, stages = case.options.get("level", 0), [case.options.get("stage", "")]
    weights = [case.options["weights"]] if "weights" in case.options else None
    solver = CaffeTraining("solver.prototxt", level=level, stages=stages, weights=weights)
    if "snapshot" in case.options:
        solver.restore(case.options["snapshot"])
    TrainingLoop(solver).solve()


def read(kind: str, path):
    message = MESSAGES[kind]()
    message.ParseFromString(path.read_bytes())
    return message


def taken(blobs) -> list[list]:
    """[shape, data, diff] of each; what remains of the messages has no numbers."""
    found = [[tuple(blob.shape.dim), np.array(blob.data), np.array(blob.diff)] for blob in blobs]
    for blob in blobs:
        blob.ClearField("data")
        blob.ClearField("diff")
    return found


def check_blobs(mine: list[list], theirs: list[list], largest: float) -> None:
    assert [[shape, data.size, diff.size] for shape, data, diff in mine] == [
        [shape, data.size, diff.size] for shape, data, diff in theirs
    ]
    for number in (1, 2):
        pairs = [(one[number], other[number]) for one, other in zip(mine, theirs, strict=True)]
        assert worst(pairs, largest) <= TOLERANCE


@needs_shared
@pytest.mark.parametrize("name", BINARY)
def test_the_files_are_real_caffes_field_by_field(name, tmp_path, monkeypatch):
    case = SolverCase(name, tmp_path)
    monkeypatch.chdir(case.path)
    train(case)
    for state in sorted((SOLVERS / name).glob("*_iter_*.solverstate")):
        model = state.with_suffix(".caffemodel").name
        mine, theirs = (read("NetParameter", path / model) for path in (case.path, state.parent))
        largest = max(np.abs(np.array(blob.data)).max(initial=0) for layer in theirs.layer for blob in layer.blobs)
        for one, other in zip(mine.layer, theirs.layer, strict=True):
            check_blobs(taken(one.blobs), taken(other.blobs), largest)
            assert str(one) == str(other)
        assert mine == theirs
        mine, theirs = (read("SolverState", path / state.name) for path in (case.path, state.parent))
        check_blobs(taken(mine.history), taken(theirs.history), largest)
        mine.ClearField("caffe64")
        assert mine == theirs


def described(file) -> dict:
    """Name of each group and dataset -> its dtype and shape."""
    found = {}
    file.visititems(
        lambda name, item: found.update({name: (str(getattr(item, "dtype", "")), getattr(item, "shape", ()))})
    )
    return found


@needs_shared
@pytest.mark.parametrize("name", HDF5)
def test_the_hdf5_files_are_real_caffes(name, tmp_path, monkeypatch):
    import h5py

    case = SolverCase(name, tmp_path)
    monkeypatch.chdir(case.path)
    train(case)
    for path in sorted((SOLVERS / name).glob("*_iter_*.h5")):
        with h5py.File(case.path / path.name) as mine, h5py.File(path) as theirs:
            assert described(mine) == described(theirs)
            for key, (kind, _) in described(theirs).items():
                one, other = mine[key][()] if kind else None, theirs[key][()] if kind else None
                if kind == "float32":
                    assert worst([(one, other)], 1.0) <= TOLERANCE
                else:
                    assert one == other


@needs_shared
def test_a_snapshot_of_another_rule_is_refused(tmp_path, monkeypatch):
    case = SolverCase("resume_sgd", tmp_path)
    monkeypatch.chdir(case.path)
    text = (case.path / "solver.prototxt").read_text()
    (case.path / "adam.prototxt").write_text(text + '\ntype: "Adam"\n')
    with pytest.raises(InputError, match=r"holds 6 histories, expected 12, as Adam keeps"):
        CaffeTraining("adam.prototxt").restore(case.options["snapshot"])


@needs_shared
def test_a_snapshot_without_its_model_is_refused(tmp_path, monkeypatch):
    case = SolverCase("resume_sgd", tmp_path)
    monkeypatch.chdir(case.path)
    (case.path.parent / "solver_sgd" / "snap_iter_25.caffemodel").unlink()
    with pytest.raises(InputError, match=r"snap_iter_25.caffemodel', which does not exist"):
        CaffeTraining("solver.prototxt").restore(case.options["snapshot"])
