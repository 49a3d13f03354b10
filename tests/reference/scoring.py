"""Nets with rows to score, in files, and their scores by other ways through the package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

import caffe64
from caffe64.caffe.pictures import make_recipe
from caffe64.jobs.score_nets import CaffeScorer, describe_net, open_net
from caffe64.jobs.scoring import ScoredRows, describe_inputs

from .small_caffe_net import write_net

ROWS = 203  # a last batch that is not full


class Given(NamedTuple):
    """The arguments of `score`, and what the file must hold, but for rounding."""

    net: dict[str, Any]
    inputs: ScoredRows
    expected: np.ndarray


def describe(files: tuple[Path, ...], paths: Mapping[str, Path], threads: int = 1, **options: Any):
    net = describe_net(files[0], *files[1:] or (None,), threads=threads, options=options)
    scorer = open_net(net)
    recipe = make_recipe(scorer.net, mean=(104, 117, 123), scale=0.5) if isinstance(scorer, CaffeScorer) else None
    return net, describe_inputs(scorer, paths, recipe, lambda notice: None)


def caffe_rows(folder: Path, threads: int = 1) -> Given:
    net, x = write_net(folder), folder / "x.npy"
    rows = np.random.default_rng(0).standard_normal((ROWS, 3, 8, 6), np.float32)
    np.save(x, rows)
    files = folder / "small.prototxt", folder / "small.caffemodel"
    return Given(*describe(files, {"data": x}, threads), net.forward(data=rows)["prob"])


def caffe_pictures(folder: Path, threads: int = 1) -> Given:
    """Of two sizes, in folders."""
    net, pixels = write_net(folder), []
    for number in range(60):
        path = folder / "pictures" / f"{number % 3}" / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (8 + number % 2 * 8, 6 + number % 2 * 6, 3), np.uint8)
        Image.fromarray(noise).save(path)
        pixels.append((path, Image.open(path).convert("RGB").resize((6, 8), Image.Resampling.BILINEAR)))
    bgr = np.stack([np.asarray(picture)[:, :, ::-1].transpose(2, 0, 1) for _, picture in sorted(pixels, key=by_path)])
    rows = (bgr.astype(np.float32) - np.float32([[[104]], [[117]], [[123]]])) * np.float32(0.5)
    files = folder / "small.prototxt", folder / "small.caffemodel"
    return Given(*describe(files, {"data": folder / "pictures"}, threads), net.forward(data=rows)["prob"])


def by_path(entry: tuple[Path, object]) -> str:
    return str(entry[0])


def onnx_rows(folder: Path, threads: int = 1) -> Given:
    net, x = write_net(folder), folder / "x.npy"
    caffe64.export_onnx(net, folder / "small.onnx")
    rows = np.random.default_rng(1).standard_normal((ROWS, 3, 8, 6), np.float32)
    np.save(x, rows)
    return Given(*describe((folder / "small.onnx",), {"data": x}, threads), net.forward(data=rows)["prob"])


def text_rows(folder: Path, threads: int = 1) -> Given:
    """Enough rows for several batches."""
    net = caffe64.Net("inp 40 10 / lin 8 -1 / rel / lin 3 -1 / sce")
    net.initialise(1)
    net.write(folder / "net.txt")
    net.save(folder / "weights.bin")
    rows = np.random.default_rng(2).integers(0, 9, (20_011, 5, 8), np.uint8)
    np.save(folder / "x.npy", rows)
    files = folder / "net.txt", folder / "weights.bin"
    expected = net.predict(rows.reshape(len(rows), 40))
    return Given(*describe(files, {"": folder / "x.npy"}, threads), expected)


KINDS = {"caffe": caffe_rows, "pictures": caffe_pictures, "onnx": onnx_rows, "text": text_rows}
