"""A training with random crops, mirrors and orders has the same bits whatever reads its data, and after a resume."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest
from reference.data_nets import datum, random_pictures, save_picture, write_hdf5, write_lmdb

from caffe64.caffe.solver.solver import CaffeTraining
from caffe64.errors import InputError, UsageError

NET = """
layer { name: "data" type: "Data" top: "a" top: "label" transform_param { crop_size: 6 mirror: true scale: 0.004 }
  data_param { source: "db" batch_size: 5 backend: LMDB } }
layer { name: "pictures" type: "ImageData" top: "b" top: "unused"
  transform_param { crop_size: 6 mirror: true scale: 0.004 }
  image_data_param { source: "list.txt" batch_size: 5 shuffle: true rand_skip: 3 } }
layer { name: "rows" type: "HDF5Data" top: "c" hdf5_data_param { source: "rows.txt" batch_size: 5 shuffle: true } }
layer { name: "noise" type: "DummyData" top: "d" dummy_data_param { shape { dim: 5 dim: 4 }
  data_filler { type: "gaussian" } } }
layer { name: "quiet" type: "Silence" bottom: "unused" }
layer { name: "pair" type: "Concat" bottom: "a" bottom: "b" top: "pair" }
layer { name: "ip" type: "InnerProduct" bottom: "pair" top: "ip"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "sum" type: "Eltwise" bottom: "ip" bottom: "c" bottom: "d" top: "sum" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "sum" bottom: "label" top: "loss" }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pictures = random_pictures(7)
    write_lmdb(tmp_path / "db", [datum(picture, number % 4) for number, picture in enumerate(pictures)])
    for number, picture in enumerate(pictures):
        save_picture(tmp_path / f"{number}.png", picture)
    (tmp_path / "list.txt").write_text("".join(f"{number}.png {number}\n" for number in range(7)))
    draws = np.random.default_rng(0)
    for name, rows in (("a.h5", 4), ("b.h5", 3)):
        write_hdf5(tmp_path / name, c=draws.normal(size=(rows, 4)))
    (tmp_path / "rows.txt").write_text("a.h5 b.h5")
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(
        'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 max_iter: 20'
    )
    return tmp_path


def weights(solver, steps):
    for _ in range(steps):
        solver.trainer.step()
    return solver.trainer.owner.vector.copy()


def test_the_same_bits(folder):
    expected = weights(CaffeTraining("solver.prototxt", seed=5), 8)
    assert not np.array_equal(weights(CaffeTraining("solver.prototxt", seed=6), 8), expected)
    for threads in (1, 2):
        np.testing.assert_array_equal(weights(CaffeTraining("solver.prototxt", seed=5, threads=threads), 8), expected)
    direct = CaffeTraining("solver.prototxt", seed=5)
    direct.trainer.fed._ahead.clear()
    np.testing.assert_array_equal(weights(direct, 8), expected)
    first = CaffeTraining("solver.prototxt", seed=5)
    weights(first, 3)
    _, state = first.snapshot()
    again = CaffeTraining("solver.prototxt", seed=5)
    weights(again, 1)  # its thread is elsewhere already
    again.restore(state)
    np.testing.assert_array_equal(weights(again, 5), expected)


def test_a_training_that_is_closed_or_dropped_leaves_no_thread(folder):
    def reading():
        gc.collect()
        return [each for each in threading.enumerate() if each.name == "caffe64 data" and each not in others]

    others = ()
    others = reading()  # of other tests in this process
    solver = CaffeTraining("solver.prototxt")
    weights(solver, 2)
    assert len(reading()) == 3  # not one for DummyData
    solver.trainer.fed.close()
    assert reading() == []
    weights(solver, 1)
    assert len(reading()) == 3
    del solver
    assert reading() == []


def test_memory_data_is_trained_on_the_rows_that_it_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "memory.prototxt").write_text(
        'layer { name: "d" type: "MemoryData" top: "data" top: "label" '
        "memory_data_param { batch_size: 2 channels: 1 height: 2 width: 2 } }"
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" '
        'inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }'
    )
    (tmp_path / "solver.prototxt").write_text('net: "memory.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 9')
    solver = CaffeTraining("solver.prototxt")
    with pytest.raises(UsageError, match=r"'d' \(MemoryData\) has no rows: net.set_input_arrays"):
        solver.trainer.step()
    data = np.arange(16, dtype="f4").reshape(4, 1, 2, 2)
    solver.net.set_input_arrays(data, np.arange(4) % 3)
    for number in (0, 1, 0):
        solver.trainer.step()
        np.testing.assert_array_equal(solver.net.blobs["data"].data, data[2 * number : 2 * number + 2])


def test_a_net_beside_its_solver_is_found_with_a_notice(folder, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    solver = CaffeTraining("../solver.prototxt")
    taken = [notice.split(" is not in the working directory") for notice in solver.net.notices]
    found = [parts[0] for parts in taken if len(parts) == 2]
    assert found == ["net.prototxt", "db", "list.txt", "0.png", "rows.txt", "a.h5", "b.h5"]
    (tmp_path / "net.prototxt").unlink()
    with pytest.raises(
        InputError, match=r"solver.prototxt:1:1: net: names 'net.prototxt', which does not exist \(names count"
    ):
        CaffeTraining("../solver.prototxt")
