"""`classify(net, pictures)`: the most likely classes of pictures."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arguments import file_name, function, instance, names, whole_number
from ..errors import InputError, UsageError
from ..formats.files import open_input
from ..results import Result, TextTable
from .net import NET, CaffeNet
from .pictures import PictureInput, make_recipe, stack, transform_of

BATCH = 8  # pictures in one run
LARGEST_LABELS = 1 << 22  # bytes of a file of labels
SYNSET = re.compile(r"n\d{8}\s+(?=\S)")  # WordNet's number, which ImageNet's labels begin with


@dataclass(frozen=True)
class Guess:
    """A class: its number, its name (the number as text if no labels are known) and its score, the net's output."""

    number: int
    label: str
    score: float


@dataclass(frozen=True, repr=False)
class Classification(Result):
    """The best `classes` of each of the `pictures`, the one with the highest score first. `preparation` are the
    steps that prepared the pictures, as texts, `notices` the messages, `labelled` whether labels are known."""

    pictures: list[str]
    classes: list[list[Guess]]
    labelled: bool
    preparation: list[str]
    notices: list[str]

    @property
    def parts(self) -> list[TextTable | str]:
        rows = [
            [picture, *([each.label] if self.labelled else []), str(each.number), f"{each.score:.4f}"]
            for picture, best in zip(self.pictures, self.classes, strict=True)
            for each in best
        ]
        header = ["picture", *(["label"] if self.labelled else []), "class", "score"]
        return [TextTable(header, rows, 1 + self.labelled)]

    @property
    def data(self) -> list[dict[str, Any]]:
        return [
            {"picture": picture, "classes": [vars(each) for each in best]}
            for picture, best in zip(self.pictures, self.classes, strict=True)
        ]


def classify(
    net: CaffeNet,
    pictures: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    labels: str | os.PathLike[str] | Sequence[str] | None = None,
    top: int = 5,
    blob: str | None = None,
    mean: float | Sequence[float] | np.ndarray | str | os.PathLike[str] | None = None,
    scale: float | Sequence[float] | None = None,
    channels: str | None = None,
    resize: Sequence[int] | None = None,
    crop: Sequence[int] | None = None,
    say: Callable[[str], object] | None = None,
) -> Classification:
    """The `top` classes of a picture or of several, files that Pillow reads, in batches.

    A picture is stretched to the net's input, or to `resize`, and its centre is cut out, `crop`, both (height, width);
    then (x - mean) * scale of its pixels, 0 to 255, in the order of `channels`, "bgr" or "rgb"; without it bgr, as
    Caffe's are, and rgb of a model that was read from ONNX. `mean` and `scale` are one number or one per channel, or
    `mean` a mean picture [C, H, W] or the name of its file, .binaryproto or .npy, of which the mean of each channel is
    taken; None: the net's own (transform_param).

    `labels`: names of the classes, or a file with one per line, also "n01440764 tench"; `blob`: the output with the
    scores, if the net has several; `say`: called with each notice at once.

    Raises UsageError for a wrong argument, several inputs, and an output that is not one score per class; InputError
    for a file that is not a picture, and labels for another number of classes.
    """
    instance("net", net, CaffeNet, NET)
    paths = _file_names(pictures)
    say, top = function("say", say), whole_number("top", top, 1)
    recipe, notices = make_recipe(net, mean=mean, scale=scale, channels=channels, resize=resize, crop=crop), []

    def tell(notice: str) -> None:
        notices.append(notice)
        if say:
            say(notice)

    if mean is None and (file := transform_of(net).mean_file):
        tell(f"the net's mean file is not read: mean={file!r} would take it")
    output = output_of_scores(net, blob)
    runner, picture = _twin(net), PictureInput(net, net.needed_inputs[0], recipe, tell)
    known = None if labels is None else _Labels(labels)
    found = []
    for start in range(0, len(paths), BATCH):
        part = paths[start : start + BATCH]
        batch = stack(picture.name, part, [picture.read_picture(path) for path in part])
        scores = runner.forward(**{picture.name: batch})[output]
        if scores.shape[:1] != (len(batch),) or scores.size != len(batch) * scores.shape[1]:
            raise UsageError(f"the output {output!r} has the shape {list(scores.shape)}, expected [pictures, classes]")
        words = None if known is None else known.of(scores.shape[1], output)
        found += [_best(row, top, words) for row in scores.reshape(len(batch), -1)]
    return Classification(paths, found, labels is not None, picture.steps, notices)


def output_of_scores(net: CaffeNet, blob: str | None, option: str = "blob=") -> str:
    """The output `blob`, or else the only one; `option` is the option that chooses a blob. Raises UsageError for
    another, for several outputs of which none is chosen, and for several inputs."""
    if len(needed := net.needed_inputs) != 1:
        raise UsageError(f"the net has the inputs {', '.join(needed)}: caffe64 run takes several")
    outputs = [each.name for each in net.graph.results]
    if blob is not None and blob not in outputs:
        raise UsageError(f"{option}{blob}: the net has the outputs {', '.join(outputs)}")
    if blob is None and len(outputs) != 1:
        raise UsageError(f"the net has the outputs {', '.join(outputs)}: choose one with {option}NAME")
    return blob or outputs[0]


def _file_names(pictures: object) -> list[str]:
    if isinstance(pictures, (str, os.PathLike)):
        return [file_name(pictures)]
    if not isinstance(pictures, Iterable) or not (paths := list(pictures)):
        raise UsageError("pictures holds no names of files, expected one or a list of them")
    return [file_name(path) for path in paths]


def _twin(net: CaffeNet) -> CaffeNet:
    """The same net with values of its own, so that `net` keeps its shapes."""
    twin = CaffeNet(net.graph, path=net.path, threads=net.threads, exact=net.exact)
    twin._shapes = net._shapes
    return twin


def _best(scores: np.ndarray, top: int, labels: Sequence[str] | None) -> list[Guess]:
    best = np.argsort(-scores, kind="stable")[:top]
    return [Guess(int(n), labels[n] if labels else str(n), float(scores[n])) for n in best]


class _Labels:
    """The names of the classes, given or in a file."""

    def __init__(self, labels: str | os.PathLike[str] | Sequence[str]):
        self._path = labels if isinstance(labels, (str, os.PathLike)) else None
        self._names = names("labels", labels, "names of classes") if self._path is None else read_labels(self._path)

    def of(self, classes: int, output: str) -> Sequence[str]:
        """All of them, one for each class. Raises InputError of the file, or UsageError, for another number."""
        expected = f"{classes}, one for each class of {output!r}"
        if len(self._names) == classes:
            return self._names
        if self._path is None:
            raise UsageError(f"there are {len(self._names)} labels, expected {expected}")
        raise InputError(self._path, f"has {len(self._names)} labels", expected)


def read_labels(path: str | os.PathLike[str]) -> list[str]:
    """A name per line; empty lines at the end do not count. Raises InputError."""
    with open_input(path) as file:
        data = file.read(LARGEST_LABELS + 1)
    if len(data) > LARGEST_LABELS:
        raise InputError(path, f"is larger than {LARGEST_LABELS >> 20} MiB", "a file of labels")
    lines = data.decode("utf-8-sig", "replace").rstrip().splitlines()
    return [SYNSET.sub("", _printable(line).strip(), count=1) for line in lines]


def _printable(text: str) -> str:
    """Without control characters, which a terminal would execute."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
