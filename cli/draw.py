"""caffe64 draw: a Caffe net as a page to look at, or as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import caffe_options as caffe
from . import options

NAME = "draw"
EXAMPLES = (
    "caffe64 draw deploy.prototxt -o net.html",
    "caffe64 draw deploy.prototxt net.caffemodel -o net.svg",
    "caffe64 draw deploy.prototxt --compare small.prototxt -o both.html",
    "caffe64 draw net.onnx -o net.html",
)


def command(
    net: caffe.Prototxt,
    model: Annotated[
        Path | None,
        options.input_argument("[MODEL]", "Its weights, to see their shapes."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Writes FILE, a .html or .svg.", show_default=False)
    ] = ...,
    compare: Annotated[
        Path | None,
        options.input_option(metavar="OPT", help="Another net beside it: the fate of each layer."),
    ] = None,
    times: Annotated[
        Path | None,
        options.input_option(metavar="FILE", help="Measured times of NET's layers, as `time --json` prints them."),
    ] = None,
    input_shape: caffe.InputShape = None,
    deploy: caffe.Deploy = False,
    phase: caffe.Phase = "test",
) -> None:
    """Draw a Caffe net, layers of any type, or an ONNX model, operators of any kind.

    A .html is one file that needs nothing else: zoom, search, open units of layers, click a layer for its shapes and
    costs. A .svg is the same picture. Shapes and costs are shown where known.
    """
    suffix = output.suffix.lower()
    if suffix not in (".html", ".htm", ".svg"):
        raise typer.BadParameter(f"'{output}' ends neither in .html nor in .svg.", param_hint="--output")
    if compare and suffix == ".svg":
        raise typer.BadParameter("draws a page; --output must end in .html.", param_hint="--compare")
    from ..caffe.drawing import draw
    from .net_files import check_reading, net_files
    from .output import Output

    reading = caffe.Reading(input_shape, deploy, False, phase)
    net_files(net, model, weights=False)
    check_reading(reading, net, compare)
    stream = Output()
    how = {"phase": reading.phase, "input_shapes": reading.shapes, "deploy": deploy}
    drawing = draw(net, model, compare=compare, times=times, say=stream.say, **how)
    drawing.save(output)
    stream.say(f"wrote {output}: {' and '.join(f'{len(each.layers)} layers' for each in drawing.nets)}")
