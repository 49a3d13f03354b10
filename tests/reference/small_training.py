"""A small training of a Caffe net in files: three classes of 6x6 pictures, in an HDF5 file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

NET = """
name: "small"
layer { name: "rows" type: "HDF5Data" top: "data" top: "label" include { phase: TRAIN }
  hdf5_data_param { source: "rows.txt" batch_size: 8 shuffle: true } }
layer { name: "rows" type: "HDF5Data" top: "data" top: "label" include { phase: TEST }
  hdf5_data_param { source: "rows.txt" batch_size: 10 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" dropout_param { dropout_ratio: 0.2 } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = {
    "net": '"net.prototxt"',
    "type": '"Adam"',
    "base_lr": 0.01,
    "lr_policy": '"fixed"',
    "momentum": 0.9,
    "max_iter": 20,
    "display": 5,
    "test_iter": 5,
    "test_interval": 10,
    "snapshot": 10,
    "snapshot_prefix": '"snap"',
    "solver_mode": "CPU",
}


def write_training(folder: Path, **changes: object) -> None:
    """net.prototxt, solver.prototxt, rows.txt and rows.h5; `changes` are fields of the solver, None for none."""
    import h5py

    random = np.random.default_rng(3)
    labels = random.integers(0, 3, 50)
    data = random.normal(size=(50, 1, 6, 6)) + labels[:, None, None, None]
    with h5py.File(folder / "rows.h5", "w") as file:
        file["data"], file["label"] = data.astype(np.float32), labels.astype(np.float32)
    (folder / "rows.txt").write_text("rows.h5\n")
    (folder / "net.prototxt").write_text(NET)
    write_solver(folder / "solver.prototxt", **changes)


def write_solver(path: Path, **changes: object) -> None:
    fields = {name: value for name, value in (SOLVER | changes).items() if value is not None}
    path.write_text("".join(f"{name}: {value}\n" for name, value in fields.items()))
