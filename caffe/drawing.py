"""`draw(net)`: a Caffe net, or two side by side, as a page to look at and as a picture."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from ..arguments import file_name, flag, function, instance
from ..drawing.compare import Fate, compare_nets
from ..drawing.inline import inline_page
from ..drawing.net import DrawnNet
from ..drawing.page import make_page
from ..drawing.picture import Picture, make_picture
from ..drawing.svg import draw_alone
from ..engine.graph.ir.graph import Shape
from ..errors import InputError, UsageError
from ..formats.atomic import write_atomically
from ..formats.files import open_input
from ..formats.onnx import is_onnx
from .drawn import drawn_files, drawn_graph
from .net import CaffeNet
from .onnx_outline import drawn_onnx
from .timing import Timing

MOST_BYTES = 16 << 20  # of a file of times
PAGES, PICTURES = (".html", ".htm"), (".svg",)


class Drawing:
    """One net, or two beside each other, with the fate of each layer. `html` is a page that needs nothing else,
    `svg` a picture; a notebook shows the page. `notices` are messages about the files."""

    def __init__(self, nets: tuple[DrawnNet, ...], notices: list[str]):
        self.nets, self.notices = nets, notices
        fates: tuple[list[Fate], ...] = compare_nets(*nets) if len(nets) == 2 else ([],)
        self._pictures: list[Picture] = [make_picture(net, each) for net, each in zip(nets, fates, strict=True)]

    @cached_property
    def html(self) -> str:
        """The page: zoom, search, units of layers to open, shapes and costs of the layer that is clicked."""
        return make_page(self._pictures)

    @cached_property
    def svg(self) -> str:
        """The picture, a whole SVG file. Raises UsageError for two nets, which are a page."""
        if len(self.nets) == 2:
            raise UsageError("two nets beside each other are a page, html: a picture, svg, is of one net")
        return draw_alone(self._pictures[0])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page, to a .html, or the picture, to a .svg.

        Raises UsageError for another name, and for a picture of two nets; OutputError where it cannot be written.
        """
        suffix = os.path.splitext(file_name(path))[1].lower()
        if suffix not in PAGES + PICTURES:
            raise UsageError(f"{file_name(path)!r} ends neither in .html nor in .svg")
        content = self.svg if suffix in PICTURES else self.html
        with write_atomically(path, "w") as file:
            file.write(content)

    def __repr__(self) -> str:
        return f"Drawing({', '.join(f'{net.name!r}, {len(net.layers)} layers' for net in self.nets)})"

    def _repr_html_(self) -> str:
        return inline_page(self.html, " and ".join(net.name for net in self.nets))


def draw(
    net: CaffeNet | str | os.PathLike[str],
    caffemodel: str | os.PathLike[str] | None = None,
    *,
    compare: CaffeNet | str | os.PathLike[str] | None = None,
    times: Timing | str | os.PathLike[str] | None = None,
    phase: str | int | None = None,
    input_shapes: Mapping[str, Shape] | Shape | None = None,
    deploy: bool | None = None,
    say: Callable[[str], object] | None = None,
) -> Drawing:
    """Draw a Caffe net: one that is loaded, or the files of one, whose layers and fields may be of any type; or an ONNX
    file (.onnx), with operators of any kind.

    `caffemodel`: the weights of a .prototxt, to see their shapes; `compare`: another net beside it, with the fate of
    each layer; `times`: the result of `time` for it, or a file of `caffe64 time --json`; `phase` ("TEST"),
    `input_shapes` and `deploy` (False) are for nets that are read here, as in `load_caffe`, of an ONNX file only
    `input_shapes`; `say`: called with each
    notice at once. Shapes and costs are shown where known. Nothing is run.

    Raises InputError for a wrong file and weights of another net, UsageError for a wrong argument.
    """
    function("say", say)
    reading: dict[str, Any] = {"phase": phase, "input_shapes": input_shapes, "deploy": deploy}
    if all(isinstance(each, CaffeNet) for each in (net, compare or net)):
        _check_not_given({**reading, "caffemodel": caffemodel})
    elif isinstance(net, CaffeNet):
        _check_not_given({"caffemodel": caffemodel})
    notices: list[str] = []

    def tell(notice: str) -> None:
        notices.append(notice)
        if say:
            say(notice)

    nets = [_drawn("net", net, caffemodel, **reading, say=tell)]
    if times is not None:
        nets[0] = _with_times(nets[0], times, tell)
    if compare is not None:
        nets.append(_drawn("compare", compare, None, **reading, say=tell))
    return Drawing(tuple(nets), notices)


def _check_not_given(options: Mapping[str, object]) -> None:
    for name, value in options.items():
        if value is not None:
            raise UsageError(f"{name} is for a net that is read, but the net is loaded already: expected a .prototxt")


def _drawn(
    name: str,
    net: CaffeNet | str | os.PathLike[str],
    caffemodel: str | os.PathLike[str] | None,
    phase: str | int | None,
    input_shapes: Mapping[str, Shape] | Shape | None,
    deploy: bool | None,
    say: Callable[[str], object],
) -> DrawnNet:
    if isinstance(net, CaffeNet):
        weights = [[blob.shape for blob in node.weights] for node in net.graph.nodes]
        return drawn_graph(net.graph, net.shapes, weights)
    instance(name, net, (str, os.PathLike), "a caffe64.CaffeNet or the name of a .prototxt or .onnx")
    deploy = False if deploy is None else flag("deploy", deploy)
    shapes = {} if input_shapes is None else input_shapes
    if is_onnx(net):
        if caffemodel is not None:
            raise UsageError(f"{file_name(net)} holds its weights itself: leave {file_name(caffemodel)} out")
        return drawn_onnx(net, shapes, say)
    return drawn_files(net, caffemodel, "TEST" if phase is None else phase, shapes, deploy=deploy, say=say)


def _with_times(net: DrawnNet, times: Timing | str | os.PathLike[str], say: Callable[[str], object]) -> DrawnNet:
    """The net with the measured times of its layers. Raises InputError if a file holds none."""
    path: str | os.PathLike[str] = "times"
    if isinstance(times, Timing):
        seconds = {layer.name: layer.forward.median for layer in times.layers}
    else:
        instance("times", times, (str, os.PathLike), "a caffe64.Timing or the name of a file")
        path, seconds = times, _read_times(times)
    unknown = sorted(set(seconds) - {layer.name for layer in net.layers})
    if unknown:
        say(f"{path} has a time for {unknown[0]!r}, which the net does not have")
    layers = tuple(dataclasses.replace(layer, seconds=seconds.get(layer.name)) for layer in net.layers)
    return dataclasses.replace(net, layers=layers)


def _read_times(path: str | os.PathLike[str]) -> dict[str, float]:
    """Seconds by the names of layers, of a JSON {"layers": [{"name": ..., "forward": {"median": seconds}}]}."""
    with open_input(path) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError(path, f"is larger than {MOST_BYTES >> 20} MiB", "times of layers")
    expected = '{"layers": [{"name": "conv1", "forward": {"median": 0.001}}]}, seconds'
    try:
        layers = json.loads(content)["layers"]
        seconds = {str(layer["name"]): float(layer["forward"]["median"]) for layer in layers}
    except (ValueError, TypeError, KeyError, RecursionError, UnicodeDecodeError):
        raise InputError(path, "holds no times of layers", expected) from None
    if wrong := [name for name, value in seconds.items() if not (math.isfinite(value) and value >= 0)]:
        raise InputError(path, f"has the time {seconds[wrong[0]]} for {wrong[0]!r}", "seconds")
    return seconds
