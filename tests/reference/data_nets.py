"""Sources of data layers, by the text of one layer, and files for them."""

from __future__ import annotations

from pathlib import Path

import h5py
import lmdb
import numpy as np
from PIL import Image

from caffe64.caffe.data.places import Places
from caffe64.caffe.data.sources import make_source
from caffe64.caffe.reading import graph_of
from caffe64.formats.caffe import parse_prototxt
from caffe64.proto import caffe_pb2


def source_of(layer: str, *, seed: int = 0, phase: str = "TRAIN", notices: list[str] | None = None, path: str = "net"):
    """The source of the only layer of a net."""
    graph, _, _ = graph_of(parse_prototxt(f"layer {{ name: 'd' {layer} }}", path), phase, {})
    (node,) = graph.nodes
    return make_source(node, seed, Places(path, [] if notices is None else notices))


def data_layer(path: Path | str, batch: int, transform: str = "", backend: str = "LMDB") -> str:
    return (
        f"type: 'Data' top: 'data' top: 'label' transform_param {{ {transform} }} "
        f"data_param {{ source: '{path}' batch_size: {batch} backend: {backend} }}"
    )


def write_lmdb(path: Path, records: list[bytes], names: list[str] | None = None) -> Path:
    """Records under the keys 00000000, ..., by LMDB's own library."""
    with lmdb.open(str(path), map_size=1 << 26) as environment, environment.begin(write=True) as transaction:
        for number, record in enumerate(records):
            transaction.put((names[number] if names else f"{number:08d}").encode(), record)
    return path


def datum(pixels: np.ndarray, label: int = 0) -> bytes:
    """By Caffe's message alone."""
    found = caffe_pb2.Datum(channels=pixels.shape[0], height=pixels.shape[1], width=pixels.shape[2], label=label)
    if pixels.dtype == np.uint8:
        found.data = pixels.tobytes()
    else:
        found.float_data.extend(map(float, pixels.ravel()))
    return found.SerializeToString()


def encoded(file: bytes, label: int = 0) -> bytes:
    return caffe_pb2.Datum(data=file, label=label, encoded=True).SerializeToString()


def random_pictures(count: int, shape: tuple[int, int, int] = (3, 8, 10), seed: int = 0) -> list[np.ndarray]:
    draws = np.random.default_rng(seed)
    return [draws.integers(0, 256, shape, np.uint8) for _ in range(count)]


def save_picture(path: Path, pixels: np.ndarray) -> None:
    """[channels, height, width], blue first, as a lossless file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[::-1].transpose(1, 2, 0) if len(pixels) == 3 else pixels[0]).save(path)


def write_hdf5(path: Path, **arrays: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path
