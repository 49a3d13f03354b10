"""What `caffe64 classify` reads, runs and says."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..caffe.load import CaffeNet
from ..errors import InputError, UsageError
from ..formats.files import open_input
from ..formats.image import Recipe
from .output import Output
from .pictures import PictureInput, stack
from .table import print_table

BATCH = 8  # pictures in one run
LARGEST = 1 << 22  # bytes of a file of labels
SYNSET = re.compile(r"n\d{8}\s+(?=\S)")  # WordNet's number, which ImageNet's labels begin with


@dataclass(frozen=True)
class Guess:
    """A class, its name (the class number if no labels are known) and its score."""

    number: int
    label: str
    score: float


def classify(
    net: CaffeNet, paths: list[Path], recipe: Recipe, blob: str | None, labels: Path | None, top: int, output: Output
) -> list[list[Guess]]:
    """For each picture the `top` classes with the highest scores, the highest first."""
    needed = net.needed_inputs
    if len(needed) != 1:
        raise UsageError(f"the net has the inputs {', '.join(needed)}: caffe64 run takes several")
    name, picture, guesses = _output(net, blob), PictureInput(net, needed[0], recipe, output), []
    names = read_labels(labels) if labels else None
    for start in range(0, len(paths), BATCH):
        part = paths[start : start + BATCH]
        batch = stack(picture.name, part, [picture.read_picture(path) for path in part])
        scores = net.forward(**{picture.name: batch})[name]
        if scores.shape[:1] != (len(batch),) or scores.size != len(batch) * scores.shape[1]:
            raise UsageError(f"the output {name!r} has the shape {list(scores.shape)}, expected [pictures, classes]")
        scores = scores.reshape(len(batch), -1)
        if names is not None and len(names) != scores.shape[1]:
            raise InputError(labels, f"has {len(names)} labels", f"{scores.shape[1]}, one for each class of {name!r}")
        guesses += [_best(row, top, names) for row in scores]
    return guesses


def _output(net: CaffeNet, blob: str | None) -> str:
    outputs = [each.name for each in net.graph.results]
    if blob is not None and blob not in outputs:
        raise UsageError(f"--blob {blob}: the net has the outputs {', '.join(outputs)}")
    if blob is None and len(outputs) != 1:
        raise UsageError(f"the net has the outputs {', '.join(outputs)}: choose one with --blob NAME")
    return blob or outputs[0]


def _best(scores: np.ndarray, top: int, names: list[str] | None) -> list[Guess]:
    best = np.argsort(-scores, kind="stable")[:top]
    return [Guess(int(n), names[n] if names else str(n), float(scores[n])) for n in best]


def read_labels(path: Path) -> list[str]:
    """A name a line; empty lines at the end do not count."""
    with open_input(path) as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise InputError(path, f"is larger than {LARGEST >> 20} MiB", "a file of labels")
    lines = data.decode("utf-8-sig", "replace").rstrip().splitlines()
    return [SYNSET.sub("", _printable(line).strip(), count=1) for line in lines]


def _printable(text: str) -> str:
    """Without control characters, which a terminal would obey."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def report(paths: list[Path], guesses: list[list[Guess]], labelled: bool, as_json: bool) -> None:
    """A line, or an entry of JSON, for each picture and class."""
    if as_json:
        told = [
            {"picture": str(path), "classes": [vars(each) for each in best]}
            for path, best in zip(paths, guesses, strict=True)
        ]
        print(json.dumps(told, indent=2))
        return
    rows = [
        [str(path), *([each.label] if labelled else []), str(each.number), f"{each.score:.4f}"]
        for path, best in zip(paths, guesses, strict=True)
        for each in best
    ]
    print_table(["picture", *(["label"] if labelled else []), "class", "score"], rows, left=1 + labelled)
