"""Sweeps for tests: files, and the grid of sixty small trainings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from .clouds import classes

NETS = ("inp 6 10 / lin 9 -1 / rel / lin 3 -1 / sce", "inp 6 10 / lin 5 -1 / rel / lin 3 -1 / sce")
SIXTY = """\
net = ["inp 6 10 / lin 9 -1 / rel / lin 3 -1 / sce", "inp 6 10 / lin 5 -1 / rel / lin 3 -1 / sce"]
x = "X.npy"
y = "Y.npy"
folds = 5
seed = [0, 1]
epochs = EPOCHS
rate = [0.003, 0.02, 1e9]
momentum = 0.9
"""


def write_sweep(folder: Path, epochs: int = 3) -> Path:
    """X.npy [200, 6], Y.npy and grid.toml, of whose rates the last one diverges; returns the grid."""
    X, Y = classes()
    np.save(folder / "X.npy", X)
    np.save(folder / "Y.npy", Y)
    (folder / "grid.toml").write_text(SIXTY.replace("EPOCHS", str(epochs)))
    return folder / "grid.toml"


def job(folder: Path, **fields) -> dict:
    """One of its jobs."""
    own = {"net": NETS[0], "x": str(folder / "X.npy"), "y": str(folder / "Y.npy"), "rate": 0.02, "epochs": 3}
    return own | fields


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def lasting(path: Path) -> list[str]:
    """The lines of a results file without what depends on the place, sorted."""
    return sorted(json.dumps({name: part for name, part in line.items() if name != "run"}) for line in lines(path))


SOLVER = """
net: "net.prototxt" test_iter: 4 test_interval: 10 base_lr: 0.05 lr_policy: "fixed" momentum: 0.9 max_iter: 15
snapshot_prefix: "snap" random_seed: 3
"""
NET = """
name: "clouds"
layer { name: "data" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "list.txt" batch_size: 20 } }
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  inner_product_param { num_output: 8 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
layer { name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy" include { phase: TEST } }
"""


def write_solver(folder: Path) -> Path:
    """solver.prototxt, its net and its data."""
    import h5py

    X, Y = classes()
    with h5py.File(folder / "data.h5", "w") as file:
        file["data"], file["label"] = X, Y
    (folder / "list.txt").write_text(f"{folder / 'data.h5'}\n")
    (folder / "net.prototxt").write_text(NET.replace("list.txt", str(folder / "list.txt")))
    (folder / "solver.prototxt").write_text(SOLVER.replace("net.prototxt", str(folder / "net.prototxt")))
    return folder / "solver.prototxt"
