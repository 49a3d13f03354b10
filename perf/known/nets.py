"""The names of the nets, and their files: NAME.prototxt and NAME.caffemodel with random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ... import load_caffe
from ...caffe.net import CaffeNet
from ...errors import UsageError
from ...formats.atomic import write_atomically
from ..suites.caffe_nets import give_weights
from . import classes, faces, pixels, pose, regions, single_shot

PIXEL = 64.0  # the deviation of a picture's values
Texts = Mapping[str, str]  # prototxts by the names of their files
NETS: dict[str, Callable[[], Texts]] = {
    "res10_ssd": lambda: {"res10_ssd": single_shot.res10_ssd()},
    "mobilenet_ssd": lambda: {"mobilenet_ssd": single_shot.mobilenet_ssd()},
    "openpose": lambda: {"openpose": pose.openpose()},
    "age": lambda: {"age": classes.age()},
    "colorization": lambda: {"colorization": pixels.colorization()},
    "hed": lambda: {"hed": pixels.hed()},
    "googlenet": lambda: {"googlenet": classes.googlenet()},
    "segnet": lambda: {"segnet": pixels.segnet()},
    "fcn8s": lambda: {"fcn8s": pixels.fcn8s()},
    "faster_rcnn": lambda: {"faster_rcnn": regions.faster_rcnn()},
    "rfcn": lambda: {"rfcn": regions.rfcn()},
    "mtcnn": faces.mtcnn,
    "retinaface": lambda: {"retinaface": faces.retinaface()},
}


def write_net(name: str, folder: Path, *, model: bool = True) -> list[tuple[Path, int]]:
    """Write the nets of one of NETS, each as FILE.prototxt and, if a `model` is wanted, FILE.caffemodel; returns the
    paths of the former and their numbers of layers. Raises UsageError, OutputError."""
    if name not in NETS:
        raise UsageError(f"there is no net {name!r}; there are {', '.join(NETS)}")
    made = []
    for file, text in NETS[name]().items():
        path = folder / f"{file}.prototxt"
        with write_atomically(path, "w") as stream:
            stream.write(text)
        if model:
            net = load_caffe(path)
            give_weights(net)
            _take_pixels(net)
            net.save(path.with_suffix(".caffemodel"))
        made.append((path, text.count("\nlayer")))
    return made


def _take_pixels(net: CaffeNet) -> None:
    """Let the first layers read pixels up to 255, so that the values behind them are those of numbers about 1."""
    inputs = {*net.graph.inputs}
    for node in net.graph.nodes:
        if node.weights and inputs.intersection(node.bottoms):
            number, factor = (1, PIXEL**2) if node.type == "BatchNorm" else (0, 1 / PIXEL)
            node.weights[number] *= np.float32(factor)
            node.held.written()
