"""What data layers give, as real Caffe's gave it: to the bit but for the last places of means and scales."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from reference.solver_cases import SOLVERS, SolverCase
from support import needs_shared

from caffe64.caffe.solver.solver import CaffeTraining

CASES = sorted(path.name for path in SOLVERS.glob("data_*") if path.is_dir())


@needs_shared
def test_there_is_a_case_of_each_kind():
    assert {name.removeprefix("data_") for name in CASES} == {
        "crop", "dummy", "encoded", "float", "gray_resized", "hdf5_files", "image", "leveldb", "lmdb",
    }  # fmt: skip


@needs_shared
@pytest.mark.parametrize("name", CASES)
def test_batches_are_real_caffes(name, tmp_path, monkeypatch):
    if name == "data_leveldb" and not importlib.util.find_spec("plyvel"):
        pytest.skip("plyvel is not installed")
    case = SolverCase(name, tmp_path)
    monkeypatch.chdir(case.path)
    solver = CaffeTraining("solver.prototxt")
    nets = {"train": solver.trainer.fed, **{f"test{number}": fed for number, fed in enumerate(solver.tests)}}
    compared = 0
    for kind, fed in nets.items():
        expected = {key.split("/")[-1]: rows for key, rows in case.arrays.items() if key.startswith(f"{kind}/out/")}
        for number in range(len(case.arrays.get(f"{kind}/loss", ()))):
            fed.forward()
            for blob, rows in expected.items():
                np.testing.assert_allclose(fed.net.blobs[blob].data, rows[number], rtol=0, atol=0)
                compared += 1
    assert compared
