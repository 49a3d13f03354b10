"""caffe64 verify: whether two nets give the same outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..arguments import TOLERANCE
from ..errors import UsageError
from . import caffe_options as caffe
from . import options

NAME = "verify"
EXAMPLES = (
    "caffe64 verify a.prototxt a.caffemodel small.prototxt small.caffemodel",
    "caffe64 verify a.prototxt a.caffemodel b.prototxt b.caffemodel --mean 104,117,123 --scale 0.017",
    "caffe64 verify deploy.prototxt net.caffemodel net.onnx --onnxruntime second",
    "caffe64 verify net.onnx",
)


def command(
    files: Annotated[
        list[Path],
        options.input_argument(
            "NET MODEL NET2 MODEL2", "Two nets, each a .prototxt and its weights, or one .onnx; or an .onnx alone."
        ),
    ],
    mean: caffe.Mean = None,
    scale: caffe.Scale = None,
    input_shape: caffe.InputShape = None,
    deploy: caffe.Deploy = False,
    allow_unknown: caffe.AllowUnknown = False,
    phase: caffe.Phase = "test",
    with_inputs: Annotated[
        list[Path] | None,
        options.input_option("--with", metavar="X.npy", help="Compare on these inputs, not on random ones."),
    ] = None,
    onnxruntime: Annotated[
        str | None,
        typer.Option(
            "--onnxruntime",
            metavar="first|second|both",
            help="Run these .onnx in onnxruntime. Of one alone: first.",
        ),
    ] = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="Run NET2 layer by layer by plain code too, as NET is.")
    ] = False,
    tolerance: caffe.Tolerance = TOLERANCE,
    floor: caffe.Floor = None,
    seed: caffe.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Run two nets on the same inputs and compare their outputs.

    NET is run layer by layer by plain code, NET2 by what runs nets fast, so that this is checked as well. If they
    differ, but do not with --reference, the nets are equal and caffe64 runs NET2 wrongly.

    An ONNX model runs in caffe64 as well, or in onnxruntime if caffe64 does not know its operators, or by
    --onnxruntime; a line says where. One .onnx alone is NET in onnxruntime and NET2 in caffe64. Where NET runs in
    onnxruntime the scale of an output is its largest value.

    --mean and --scale: what NET2 does to its input itself; NET is given inputs that are prepared like that. Exit code 4
    if they differ.

    A value may differ by FLOOR + TOLERANCE * scale. The scale is that of its channel: the largest value there, or,
    where large sums cancel, a quarter of how far its values move, for the size of the change, when all values within
    NET are changed a little at random. inf and NaN of finite inputs count as different, with the layer that made them.
    "relative" is the largest difference beyond the floor, divided by its scale; "absolute" the largest of all. If they
    differ, NET runs once more on inputs that are moved by one unit in the last place (ulp): a net that this moves as
    much is too sensitive to be compared on such inputs, and --with takes others.
    """
    from ..caffe.optimize import Preparation
    from ..caffe.sides import verify_sides
    from ..caffe.verify import verify
    from ..formats.npy import read_npy
    from .differences import difference_line
    from .net_files import check_reading
    from .output import Output
    from .verify_sides import compared, sides

    output, reading = Output(quiet=as_json), caffe.Reading(input_shape, deploy, allow_unknown, phase)
    nets, _ = compared(files)
    check_reading(reading, *(each.net for each in nets))
    first, second = sides(files, onnxruntime, reading, output)
    preparation = Preparation(caffe.parse_mean(mean), caffe.parse_scale(scale))
    start = next(iter(first.shapes), "")
    if not start and (preparation or with_inputs):
        raise UsageError("--mean, --scale and --with are of a net's first input, and this one has none")
    prepared = {start: preparation} if preparation else {}
    limits = caffe.Limits(tolerance, floor, seed)
    outside = any(each.graph is None for each in (first, second))
    allowed = limits.beside_onnxruntime(half=first.is_half or second.is_half) if outside else limits.own
    differences = []
    for inputs in [{start: read_npy(path)} for path in with_inputs or []] or [None]:
        if any(each.is_onnx for each in nets):
            differences += verify_sides(first, second, inputs, prepared=prepared, reference=reference, **allowed)
        else:
            differences += verify(first.net, second.net, inputs, prepared=prepared, reference=reference, **allowed)
    if as_json:
        import json

        print(json.dumps([vars(each) for each in differences], indent=2))
        return
    for each in differences:
        print(difference_line(each))
