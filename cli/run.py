"""caffe64 run: the outputs of a Caffe net or an ONNX model for pictures or arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import caffe_options as caffe
from . import options
from . import picture_options as pictures

NAME = "run"
EXAMPLES = (
    "caffe64 run deploy.prototxt net.caffemodel --input x.npy --output y.npy",
    "caffe64 run deploy.prototxt net.caffemodel -i a.png -i b.png --mean 104,117,123 -o y.npz",
    "caffe64 run deploy.prototxt net.caffemodel -i data=a.jpg -i im_info=info.npy --blob conv5_3 -o features.npy",
    "caffe64 run net.onnx --input x.npy --output y.npz",
)


def _from_stdin(context: typer.Context, values):
    """Callback of --input: FILE may be -, stdin."""
    parts = [value.rpartition("=") for value in values]
    files = options.from_stdin(context, [file for _, _, file in parts])
    return [name + equals + file for (name, equals, _), file in zip(parts, files, strict=True)]


def command(
    net: caffe.Prototxt,
    model: caffe.Caffemodel = None,
    inputs: Annotated[
        list[str],
        typer.Option(
            "--input",
            "-i",
            metavar="[NAME=]FILE",
            help="A picture, or a .npy, taken as it is. Several: a batch.",
            callback=_from_stdin,
            show_default=False,
        ),
    ] = ...,
    result: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Writes .npy of one output, or .npz of all by name.",
            callback=options.to_stdout,
        ),
    ] = None,
    blob: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Take this blob, not the net's outputs. May be repeated.")
    ] = None,
    mean: pictures.Mean = None,
    scale: caffe.Scale = None,
    channels: pictures.Channels = None,
    resize: pictures.Resize = None,
    crop: pictures.Crop = None,
    threads: options.Threads = None,
    exact: caffe.Exact = False,
    input_shape: caffe.InputShape = None,
    deploy: caffe.Deploy = False,
    allow_unknown: caffe.AllowUnknown = False,
    phase: caffe.Phase = "test",
    as_json: options.Json = False,
) -> None:
    """Run a Caffe net or an ONNX model and show or write its outputs.

    Pictures are stretched to the net's input, or to --resize, and cropped; then (x - mean) * scale. Mean and scale are
    the net's own (transform_param) without an option. The steps are shown on stderr. Arrays [N, C, H, W]
    may have any size that the net takes.
    """
    from .output import Output, is_stdout

    if result is not None and result.suffix.lower() not in (".npy", ".npz") and not is_stdout(result):
        raise typer.BadParameter("the name must end with .npy or .npz, or be - for stdout.", param_hint="--output")
    if as_json and is_stdout(result):
        raise typer.BadParameter("stdout is for --json.", param_hint="--output")
    from ..caffe.pictures import make_recipe
    from . import files
    from .loading import load
    from .net_files import check_reading, net_files
    from .run_run import collect, read_inputs, report, write

    output, reading = Output(quiet=as_json), caffe.Reading(input_shape, deploy, allow_unknown, phase)
    given = net_files(net, model)
    check_reading(reading, net)
    files.check_inputs(given.paths)
    files.check_outputs((result,), given.paths)
    loaded = load(net, model, reading, output, threads=threads, exact=exact)
    recipe = make_recipe(loaded, **pictures.read_preparation(loaded, mean, scale, channels, resize, crop, output))
    asked = any(option is not None for option in (mean, scale, channels, resize, crop))
    arrays, steps = read_inputs(loaded, inputs, recipe, output, for_pictures=asked)
    found = collect(loaded, arrays, blob)
    if result is not None:
        write(result, found)
    if not is_stdout(result):
        report(arrays, steps, found, result, as_json)
