"""What `caffe64 convert` does with data for Caffe nets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from ..caffe.data.mean import write_mean
from ..caffe.data.samples import ArraySamples, Choices, open_samples
from ..caffe.data.transformer import read_mean
from ..caffe.data.writing import check_folder, write_hdf5, write_lmdb, write_npy
from ..errors import UsageError
from ..formats.caffe.hdf5 import HDF5_MAGIC
from . import files
from .output import Output
from .picture_options import parse_size
from .progress import counting

MEAN_SUFFIX = ".binaryproto"
HDF5_SUFFIXES = (".h5", ".hdf5")


class Asked(NamedTuple):
    """The options of the command."""

    labels: Path | None
    root: str
    resize: str | None
    gray: bool
    encoded: bool
    shuffle: bool
    seed: int
    force: bool


NOTHING = Asked(None, "", None, False, False, False, 0, False)


def kind_of(target: Path) -> str:
    """What is written, by the name."""
    if target.name.lower().endswith("lmdb"):
        return "lmdb"
    return "hdf5" if target.suffix.lower() in HDF5_SUFFIXES else "npy" if target.suffix.lower() == ".npy" else ""


def is_wanted(source: Path, target: Path, asked: Asked) -> bool:
    """Whether these are data of Caffe nets, not files of numbers alone."""
    return asked != NOTHING or kind_of(target) in ("lmdb", "hdf5") or source.is_dir() or _is_hdf5(source)


def _is_hdf5(source: Path) -> bool:
    if not source.is_file():
        return False
    with open(source, "rb") as file:
        return file.read(len(HDF5_MAGIC)) == HDF5_MAGIC


def is_mean(source: Path, target: Path) -> bool:
    """Whether one mean picture is converted."""
    return MEAN_SUFFIX in (source.suffix.lower(), target.suffix.lower())


def convert_mean(source: Path, target: Path, *, plain: bool) -> None:
    """A mean picture as the other of .binaryproto and .npy; `plain`: without any options."""
    if not plain:
        raise UsageError("a mean picture is converted as it is, without options")
    for path, name in ((source, "IN"), (target, "OUT")):
        files.check_suffix(path, name, (MEAN_SUFFIX, ".npy"))
    files.check_outputs((target,), (source,))
    picture = read_mean(source)
    write_mean(target, picture)
    Output().say(f"{target} holds a mean picture [{', '.join(map(str, picture.shape))}]")


def run(source: Path, target: Path, asked: Asked, columns: int | None, add: float, scale: float) -> None:
    kind, output = kind_of(target), Output()
    _check(source, target, kind, asked, columns, scaled=add != 0.0 or scale != 1.0)
    read = asked.labels if kind != "npy" else None
    files.check_inputs((read,))
    written = [target] if kind != "lmdb" else []
    written += [Path(f"{target}.txt")] if kind == "hdf5" else [asked.labels] if kind == "npy" and asked.labels else []
    files.check_outputs(written, (source, read))
    root, size = os.path.join(asked.root, ""), parse_size(asked.resize, "--resize")
    choices = Choices(read, root, size, asked.gray, asked.encoded, asked.shuffle, asked.seed)
    samples = open_samples(source, choices)
    for notice in samples.notices:
        output.say(notice)
    if kind != "npy" and isinstance(samples, ArraySamples) and not samples.has_labels:
        output.say(f"{target} gets no labels: --labels names their file")
    with counting(output, "convert", samples.count, "samples") as progress:
        if kind == "lmdb":
            write_lmdb(target, samples, progress, force=asked.force)
            output.say(f"{target} holds {samples.count} records")
        elif kind == "hdf5":
            listed = write_hdf5(target, samples, progress, add, scale)
            output.say(f"{target} holds {samples.count} rows; {listed} is the source of a layer HDF5Data")
        else:
            shape = write_npy(target, asked.labels, samples, progress, add, scale)
            output.say(f"{target} holds {' x '.join(map(str, shape))} numbers")


def _check(source: Path, target: Path, kind: str, asked: Asked, columns: int | None, *, scaled: bool) -> None:
    """Raises UsageError for options that do not belong to this OUT, OutputError where it cannot be."""
    if not kind:
        raise UsageError(f"{target}: the name of the data must end with lmdb, .h5, .hdf5 or .npy")
    if columns is not None:
        raise UsageError(f"--columns is of text, and {source} is not converted as text: make a .npy of it first")
    if kind == "lmdb" and scaled:
        raise UsageError("an LMDB holds pixels as they are: --add and --scale are mean_value and scale in the layer")
    if kind != "lmdb" and (asked.encoded or asked.force):
        raise UsageError(f"--encoded and --force are of an LMDB, not of {target}")
    if asked.seed and not asked.shuffle:
        raise UsageError("--seed is of --shuffle")
    if kind == "lmdb":
        check_folder(target, force=asked.force)
