"""caffe64 export: a Caffe net as ONNX, or its weights as safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..arguments import FLOOR, TOLERANCE
from . import caffe_options as caffe
from . import options
from . import picture_options as pictures

NAME = "export"
EXAMPLES = (
    "caffe64 export deploy.prototxt net.caffemodel net.onnx",
    "caffe64 export ssd.prototxt ssd.caffemodel ssd.onnx --output-blob mbox_loc --output-blob mbox_conf_flatten",
    "caffe64 export deploy.prototxt net.caffemodel weights.safetensors",
    "caffe64 export net.caffemodel weights.safetensors",
)


def _inputs_from_stdin(context: typer.Context, paths):
    """Callback of the files, the last of which is written."""
    return [*options.from_stdin(context, paths[:-1]), *paths[-1:]]


def command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[NET] MODEL OUT",
            help="The net, a .prototxt of any version; its weights, a .caffemodel; the file to write: .onnx, or "
            ".safetensors for the weights, which need no NET.",
            show_default=False,
            callback=_inputs_from_stdin,
        ),
    ],
    output_blob: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Export the net up to this blob. May be repeated. Default: all outputs."),
    ] = None,
    mean: pictures.Mean = None,
    scale: caffe.Scale = None,
    channels: pictures.Channels = None,
    input_shape: caffe.InputShape = None,
    deploy: caffe.Deploy = False,
    allow_unknown: caffe.AllowUnknown = False,
    phase: caffe.Phase = "test",
    tolerance: caffe.Tolerance = TOLERANCE,
    floor: caffe.Floor = FLOOR,
    seed: caffe.Seed = 0,
) -> None:
    """Write a Caffe net as ONNX, or its weights as safetensors.

    The model has the net's inputs, outputs and input shape; the batch is free unless a layer forbids it. It is run in
    onnxruntime, if that is installed, and compared with the net: exit code 4, and no file, if they differ (see
    `caffe64 verify --help`). The preparation of inputs (--mean, --scale, --channels, or the net's own) becomes
    metadata.

    For .safetensors nothing is run, so layers may be of any type. Without NET all weights of MODEL are written.
    """
    from . import files
    from .export_run import check_request, run

    if not 2 <= len(paths) <= 3:
        raise typer.BadParameter(f"needs NET MODEL OUT, or MODEL OUT; found {len(paths)} of them.")
    net, model, result = [None, *paths][-3:]
    reading = caffe.Reading(input_shape, deploy, allow_unknown, phase)
    check_request(net, result, output_blob, reading)
    files.check_inputs((net, model))
    files.check_outputs((result,), (net, model))
    run(net, model, result, output_blob, (mean, scale, channels), reading, caffe.Limits(tolerance, floor, seed))
