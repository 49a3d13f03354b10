"""caffe64 optimize: fold, drop and rename for inference, verify that the outputs are equal, write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..arguments import TOLERANCE
from . import caffe_options as caffe
from . import options

if TYPE_CHECKING:
    from .config_ini import OptimizeRequest

NAME = "optimize"
EXAMPLES = (
    "caffe64 optimize deploy.prototxt net.caffemodel -o small",
    "caffe64 optimize deploy.prototxt net.caffemodel -o small --mean 104,117,123 --scale 0.017",
    "caffe64 optimize net.onnx -o small.onnx",
    "caffe64 optimize --config config.ini",
)


def command(
    net: Annotated[Path | None, options.input_argument("[NET]", "The net, a .prototxt, or an .onnx.")] = None,
    model: Annotated[
        Path | None, options.input_argument("[MODEL]", "Its weights, a .caffemodel or .h5; none for an .onnx.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            callback=options.no_stream,
            help="Writes OUT.prototxt and OUT.caffemodel; OUT.onnx, if that is its name.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        options.input_option(metavar="FILE", help="A config.ini with all of it, as for the older tool."),
    ] = None,
    mean: caffe.Mean = None,
    scale: caffe.Scale = None,
    fold_bn: Annotated[bool, typer.Option(help="Fold BatchNorm, Scale and Bias into the layers before them.")] = True,
    drop_dropout: Annotated[bool, typer.Option(help="Drop Dropout.")] = True,
    in_place: Annotated[bool, typer.Option(help="Let ReLU and other activations overwrite their input.")] = True,
    input_shape: caffe.InputShape = None,
    deploy: caffe.Deploy = False,
    allow_unknown: caffe.AllowUnknown = False,
    phase: caffe.Phase = "test",
    check: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Run both nets on random inputs, and compare.")
    ] = True,
    check_with: Annotated[
        list[Path] | None,
        options.input_option("--verify-with", metavar="X.npy", help="Compare on these inputs as well."),
    ] = None,
    tolerance: caffe.Tolerance = TOLERANCE,
    floor: caffe.Floor = None,
    seed: caffe.Seed = 0,
    half: caffe.Half = False,
    as_json: options.Json = False,
) -> None:
    """Make a Caffe net or an ONNX model smaller and faster, with the same outputs.

    BatchNorm, Scale and Bias go into the weights before them, --mean and --scale into the first layer, so that the net
    takes raw pixels. Dropout and layers that change nothing are removed. Then both nets are run and compared: exit code
    4, and no files, if they differ (see `caffe64 verify --help`). Models that are read from ONNX or written as ONNX are
    run in onnxruntime as well, if that is installed. With --half, how far that moves the outputs is said.
    """
    if check_with and not check:
        raise typer.BadParameter("--no-verify compares nothing; leave --verify-with out.")
    request = _request(net, model, output, config, mean, scale, fold_bn, drop_dropout, in_place)
    from .net_files import check_reading
    from .optimize_run import run

    reading = caffe.Reading(input_shape, deploy, allow_unknown, phase)
    check_reading(reading, request.net)
    run(request, reading, check, check_with or [], caffe.Limits(tolerance, floor, seed), as_json, half=half)


def _request(net, model, output, config, mean, scale, fold_bn, drop_dropout, in_place) -> OptimizeRequest:
    from .config_ini import OptimizeRequest, read_config
    from .net_files import is_onnx, net_files

    if config is not None:
        if net or model or output:
            raise typer.BadParameter("--config has the files; leave NET, MODEL and --output out.")
        if mean is not None or scale is not None or not (fold_bn and drop_dropout and in_place):
            raise typer.BadParameter("--config has these settings; leave --mean, --scale and the passes' options out.")
        return read_config(config)
    if net is None or output is None:
        raise typer.BadParameter("needs NET, MODEL and --output OUT, or --config FILE.")
    given, written = net_files(net, model), (output, None)
    if not is_onnx(output):
        written = output.with_name(output.name + ".prototxt"), output.with_name(output.name + ".caffemodel")
    preparation = (caffe.parse_mean(mean), caffe.parse_scale(scale))
    return OptimizeRequest(*given.paths, *written, fold_bn, drop_dropout, in_place, *preparation)
