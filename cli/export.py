"""caffe64 export: a net as ONNX or C, an ONNX model for Caffe, or weights as safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..arguments import TOLERANCE
from . import caffe_options as caffe
from . import options
from . import picture_options as pictures

NAME = "export"
EXAMPLES = (
    "caffe64 export deploy.prototxt net.caffemodel net.onnx",
    "caffe64 export ssd.prototxt ssd.caffemodel ssd.onnx --output-blob mbox_loc --output-blob mbox_conf_flatten",
    "caffe64 export deploy.prototxt net.caffemodel weights.safetensors",
    "caffe64 export net.caffemodel weights.safetensors",
    "caffe64 export net.onnx net.prototxt net.caffemodel",
    "caffe64 export net.txt weights.bin net.onnx",
    "caffe64 export net.txt weights.bin digits.c",
)


def _inputs_from_stdin(context: typer.Context, paths):
    """Callback of the files, the last of which is written."""
    return [*options.from_stdin(context, paths[:-1]), *paths[-1:]]


def command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[NET] MODEL OUT",
            help="The net, a .prototxt of any version or a text net, and its weights, or an .onnx alone; the file to "
            "write: .onnx, .c of a text net, .safetensors for the weights, which need no NET of Caffe's, or a "
            ".prototxt and a .caffemodel.",
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
    floor: caffe.Floor = None,
    seed: caffe.Seed = 0,
    half: caffe.Half = False,
) -> None:
    """Write a net as ONNX, in C or for Caffe, or its weights as safetensors.

    The model has the net's inputs, outputs and input shape; the batch is free unless a layer forbids it. It is run in
    onnxruntime, if that is installed, and compared with the net: exit code 4, and no file, if they differ (see
    `caffe64 verify --help`). The preparation of inputs (--mean, --scale, --channels, or the net's own) becomes
    metadata.

    An ONNX model may be written for Caffe, NAME.prototxt NAME.caffemodel, if Caffe has its layers.

    With --half a model is compared with the net whose weights are rounded so, and how far that moves the outputs is
    said. Every command takes a .safetensors in place of a .caffemodel.

    A text net, NET WEIGHTS or MODEL.c64, becomes ONNX in the same way (x -> y, for any number of rows), or one file of
    C99 without dependencies, whose functions begin with its name: digits_predict of digits.c. The options from
    --output-blob to --phase, and --half, are for Caffe nets.

    For .safetensors nothing is run, so a Caffe net's layers may be of any type. Without NET all weights of MODEL are
    written.
    """
    from ..formats.content import is_bundle
    from . import files
    from .export_run import check_request, export_files, run, save
    from .net_files import check_reading, is_text_net_files

    limits = caffe.Limits(tolerance, floor, seed)
    if is_bundle(paths[0]) or is_text_net_files(paths):
        from .export_text import export_text, refuse_options

        refuse_options(
            {
                "--output-blob": output_blob,
                "--mean": mean,
                "--scale": scale,
                "--channels": channels,
                "--input-shape": input_shape,
                "--deploy": deploy,
                "--allow-unknown": allow_unknown,
                "--phase": phase != "test",
                "--half": half,
            }
        )
        export_text(paths, limits)
        return
    given, results = export_files(paths)
    reading = caffe.Reading(input_shape, deploy, allow_unknown, phase)
    preparation = (mean, scale, channels)
    check_request(given.net, results, output_blob, preparation, reading)
    check_reading(reading, given.net)
    files.check_inputs(given.paths)
    files.check_outputs(results, given.paths)
    if len(results) == 2:
        save(given, results, reading, half=half)
    else:
        run(given, results[0], output_blob, preparation, reading, limits, half=half)
