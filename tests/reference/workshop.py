"""The files that the examples of the help texts name: small ones with all that the examples ask of them."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

import caffe64
from caffe64.caffe.data.mean import write_mean

from .data_nets import datum, write_lmdb
from .optimize_config import BODY, write_config, write_net
from .optimize_config import DATA as PICTURES
from .optimize_config import LOSS as SCORES

TEXT_NET = "4\ninp 49 100\nlin 5 -2\nrel\nsce\n"
OPTIMIZER = "0.001 5 0.1 0.00001 0.9 1\n"
GRID = 'net = "net.txt"\nx = "X.npy"\ny = "Y.npy"\nrows = 1000\nfolds = 2\nrate = [0.001, 0.01]\nepochs = 1\n'
FEATURES, CLASSES, ROWS = 49, 5, 60_000  # so that X.txt can also be cut into rows of 784

LAYERS = """
layer { name: "conv5_3" type: "Convolution" bottom: "data" top: "conv5_3"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv5_3" top: "bn" }
layer { name: "pool" type: "Pooling" bottom: "bn" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
  inner_product_param { num_output: 7 weight_filler { type: "xavier" } } }
"""
SOLVER = 'net: "train_val.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 2 snapshot_prefix: "lenet"\n'
PROB = 'layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }\n'
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }\n'
DATA = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n'
INFO = 'layer { name: "im_info" type: "Input" top: "im_info" input_param { shape { dim: 1 dim: 3 } } }\n'
SOURCE = 'data_param { source: "train_lmdb" backend: LMDB batch_size: 10 }'
DATABASE = f'layer {{ name: "data" type: "Data" top: "data" top: "label" {SOURCE} }}\n'
BOXES = """
layer { name: "mbox_loc" type: "Convolution" bottom: "data" top: "mbox_loc"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "mbox_conf" type: "Convolution" bottom: "data" top: "mbox_conf"
  convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "mbox_conf_flatten" type: "Flatten" bottom: "mbox_conf" top: "mbox_conf_flatten" }
"""


def furnish(folder: Path) -> None:
    """Write all of them."""
    write_numbers(folder)
    write_tables(folder)
    write_caffe_nets(folder)
    (folder / "model").mkdir()
    with contextlib.chdir(folder):
        write_net(PICTURES.replace("TRANSFORM", "") + BODY + SCORES)
        write_config()
    random = np.random.default_rng(3)
    for name in ("a.png", "b.png", "a.jpg", "cat.jpg"):
        Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).save(folder / name)
    for number in range(4):
        kind = folder / "photos" / ("dogs" if number % 2 else "cats")
        kind.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).save(kind / f"{number}.png")
    (folder / "list.txt").write_text("cats/0.png 0\ndogs/1.png 1\n")
    np.save(folder / "labels.npy", np.arange(20) % 7)
    write_lmdb(folder / "train_lmdb", [datum(random.integers(0, 256, (3, 8, 8), np.uint8), n) for n in range(3)])
    write_training(folder)
    write_mean(folder / "mean.binaryproto", np.ones((3, 8, 8), np.float32))
    (folder / "synset_words.txt").write_text("".join(f"n{number:08d} thing {number}\n" for number in range(7)))
    np.save(folder / "x.npy", random.random((1, 3, 8, 8), np.float32))
    np.save(folder / "info.npy", random.random((1, 3), np.float32))


def write_numbers(folder: Path) -> None:
    random = np.random.default_rng(2)
    X = random.integers(0, 10, (ROWS, FEATURES), np.uint8)
    Y = random.integers(0, CLASSES, (ROWS, 1), np.uint8)
    for name, rows in (("X", X), ("Y", Y), ("testX", X[:10_000]), ("testY", Y[:10_000])):
        (folder / f"{name}.txt").write_bytes(as_text(rows))
        np.save(folder / f"{name}.npy", rows[:10_000].astype(np.float32))
    pictures = bytes([0, 0, 8, 3, 0, 0, 0, 20, 0, 0, 0, 7, 0, 0, 0, 7]) + X[:20].tobytes()
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(pictures))
    (folder / "net.txt").write_text(TEXT_NET)
    (folder / "optimizer.txt").write_text(OPTIMIZER)
    net = caffe64.Net(TEXT_NET)
    net.initialise(0)
    net.save(folder / "weights.bin")
    (folder / "grid.toml").write_text(GRID)
    with ThreadPoolExecutor(1) as executor:
        caffe64.sweep(folder / "grid.toml", executor, results=folder / "results.jsonl")


def write_tables(folder: Path) -> None:
    """Flowers with holes, a net for them, and a model that is trained on them."""
    random = np.random.default_rng(4)
    (folder / "table.txt").write_text("5\ninp ? 10\nlin 4 -1\nrel\nlin ? -1\nsce\n")
    for name, rows in (("train", 200), ("test", 50), ("new", 20)):
        sizes = random.normal(size=(rows, 2))
        lines = [
            f"{first:.3f},{second:.3f},{random.choice(['red', 'blue'])},{'rose' if first > second else 'tulip'}"
            for first, second in sizes
        ]
        (folder / f"{name}.csv").write_text("\n".join(["width,length,color,species", *lines]) + "\n")
    table = caffe64.Table(folder / "train.csv", target="species")
    net = table.net((folder / "table.txt").read_text())
    net.initialise(0)
    caffe64.Bundle(net, table.columns).save(folder / "model.c64")


def as_text(digits: np.ndarray) -> bytes:
    """A line for each row of digits."""
    text = np.full((*digits.shape, 2), ord(" "), np.uint8)
    text[:, :, 0] = digits + ord("0")
    text[:, -1, 1] = ord("\n")
    return text.tobytes()


def write_caffe_nets(folder: Path) -> None:
    texts = {
        "deploy": DATA + INFO + LAYERS + PROB,
        "a": DATA + LAYERS + PROB,
        "train_val": DATABASE + LAYERS + LOSS,
        "ssd": DATA + BOXES,
    }
    for name, text in texts.items():
        (folder / f"{name}.prototxt").write_text(text)
    caffe64.load_caffe(folder / "a.prototxt", seed=1).save(folder / "net.caffemodel")
    caffe64.load_caffe(folder / "ssd.prototxt", seed=1).save(folder / "ssd.caffemodel")
    (folder / "a.caffemodel").write_bytes((folder / "net.caffemodel").read_bytes())
    net = caffe64.load_caffe(folder / "a.prototxt", folder / "a.caffemodel")
    caffe64.optimize(net)[0].save(folder / "small.prototxt", folder / "small.caffemodel")
    other, _ = caffe64.optimize(net, mean=(104, 117, 123), scale=0.017)
    other.save(folder / "b.prototxt", folder / "b.caffemodel")
    caffe64.export_onnx(net, folder / "net.onnx")


def write_training(folder: Path) -> None:
    """Solvers, and files of a training under the names of a longer one."""
    for name in ("lenet_solver", "finetune"):
        (folder / f"{name}.prototxt").write_text(SOLVER)
    with contextlib.chdir(folder):
        solver = caffe64.Solver("lenet_solver.prototxt")
        solver.step(1)
        model, state = solver.snapshot()
        os.rename(state, "lenet_iter_5000.solverstate")
        for name in ("lenet_iter_10000", "bvlc_reference"):
            shutil.copy(model, f"{name}.caffemodel")
