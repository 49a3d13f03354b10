"""caffe64 classify: the most likely classes of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import caffe_options as caffe
from . import options
from . import picture_options as pictures

NAME = "classify"
EXAMPLES = (
    "caffe64 classify deploy.prototxt net.caffemodel cat.jpg --labels synset_words.txt --mean 104,117,123",
    "caffe64 classify train_val.prototxt net.caffemodel *.png --deploy --input-shape data:1x3x32x32 --top 1 --json",
    "caffe64 classify net.onnx cat.jpg --mean 123.7,116.3,103.5 --scale 0.0171,0.0175,0.0174 --channels rgb",
)


def command(
    paths: Annotated[
        list[Path],
        options.input_argument(
            "NET [MODEL] IMAGE...",
            "The net, a .prototxt and its weights, or an .onnx; pictures: PNG, JPEG, BMP, GIF, TIFF, WebP, PPM.",
        ),
    ],
    labels: Annotated[
        Path | None,
        options.input_option(metavar="FILE", help="Names of the classes, one per line, also 'n01440764 tench'."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, metavar="K", help="Number of classes to show.")] = 5,
    blob: Annotated[
        str | None, typer.Option(metavar="NAME", help="The output with the scores, if the net has several.")
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
    """Show the classes with the highest scores, picture by picture.

    Pictures are stretched to the net's input, or to --resize, and cropped; then (x - mean) * scale. Mean and scale are
    the net's own (transform_param) without an option. The steps are shown on stderr.
    """
    from ..caffe.classification import classify, output_of_scores
    from . import files
    from .loading import load
    from .net_files import check_reading, first_net
    from .output import Output
    from .table import print_result

    output, reading = Output(quiet=as_json), caffe.Reading(input_shape, deploy, allow_unknown, phase)
    given, images = first_net(paths)
    check_reading(reading, given.net)
    if not images:
        raise typer.BadParameter("no pictures: NET [MODEL] IMAGE...", param_hint="IMAGE")
    files.check_inputs((*given.paths, labels, *images))
    loaded = load(given.net, given.model, reading, output, threads=threads, exact=exact)
    asked = pictures.read_preparation(loaded, mean, scale, channels, resize, crop, output)
    scores = output_of_scores(loaded, blob, "--blob ")
    print_result(classify(loaded, images, labels=labels, top=top, blob=scores, say=output.say, **asked), as_json)
