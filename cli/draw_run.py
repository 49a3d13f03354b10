"""What `caffe64 draw` does, once its command line is understood."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import typer

from ..drawing.compare import Fate, compare_nets
from ..drawing.net import DrawnNet
from ..drawing.page import make_page
from ..drawing.picture import Picture, make_picture
from ..drawing.svg import draw_alone
from ..errors import InputError
from ..formats.atomic import write_atomically
from ..formats.files import open_input
from . import caffe_options as caffe
from .draw_layers import read_net
from .output import Output

MOST_BYTES = 16 << 20  # of a file of times


def run(net: Path, model, output: Path, compare, times, reading: caffe.Reading) -> None:
    """Read, lay out, write."""
    suffix = output.suffix.lower()
    if suffix not in (".html", ".htm", ".svg"):
        raise typer.BadParameter(f"'{output}' ends neither in .html nor in .svg.", param_hint="--output")
    if compare and suffix == ".svg":
        raise typer.BadParameter("draws a page; --output must end in .html.", param_hint="--compare")
    told = Output()
    nets = [read_net(net, model, reading, told)]
    if times:
        nets[0] = with_times(nets[0], times, told)
    if compare:
        nets.append(read_net(compare, None, reading, told))
    pictures = draw_nets(nets)
    with write_atomically(output, "w") as file:
        file.write(draw_alone(pictures[0]) if suffix == ".svg" else make_page(pictures))
    told.say(f"wrote {output}: {' and '.join(f'{len(each.layers)} layers' for each in nets)}")


def draw_nets(nets: list[DrawnNet]) -> list[Picture]:
    """One picture, or of two nets both, with what became of their layers."""
    fates: tuple[list[Fate], ...] = compare_nets(*nets) if len(nets) == 2 else ([],)
    return [make_picture(net, each) for net, each in zip(nets, fates, strict=True)]


def with_times(net: DrawnNet, path: Path, output: Output) -> DrawnNet:
    """The net with the measured times of a JSON {"layers": [{"name": ..., "forward": {"median": seconds}}]}.

    Raises InputError if the file is none.
    """
    seconds = _read_times(path)
    unknown = sorted(set(seconds) - {layer.name for layer in net.layers})
    if unknown:
        output.say(f"{path} has a time for {unknown[0]!r}, which the net does not have")
    layers = tuple(dataclasses.replace(layer, seconds=seconds.get(layer.name)) for layer in net.layers)
    return dataclasses.replace(net, layers=layers)


def _read_times(path: Path) -> dict[str, float]:
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
