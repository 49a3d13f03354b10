"""Options for the preparation of pictures for a Caffe net, and the resulting recipe."""

from __future__ import annotations

from typing import Annotated

import typer

from .caffe_options import parse_mean, parse_scale

HELP = "Mean, one or one per channel, in the net's order (mostly B,G,R); or a mean picture, .binaryproto or .npy."


Mean = Annotated[str | None, typer.Option(metavar="M[,M...]|FILE", help=HELP)]
Channels = Annotated[
    str | None,
    typer.Option(metavar="bgr|rgb", help="Order of the net's channels.  [default: bgr, Caffe's; rgb of an .onnx]"),
]
Resize = Annotated[str | None, typer.Option(metavar="WxH", help="Stretch pictures to this size.")]
Crop = Annotated[str | None, typer.Option(metavar="WxH", help="Take the centre of this size, after --resize.")]


def read_preparation(net, mean, scale, channels, resize, crop, output) -> dict:
    """These options as arguments of `classify` and `make_recipe`; mean and scale that are not given are the net's own.

    A mean file that the net names is usually on another machine: `output` prints that it is not read.
    """
    from ..caffe.pictures import MEAN_FILES, mean_values, transform_of

    if channels not in (None, "bgr", "rgb"):
        raise typer.BadParameter(f"'{channels}' is neither bgr nor rgb.", param_hint="--channels")
    own = transform_of(net)
    if own.mean_file and mean is None:
        output.say(f"the net's mean file is not read; --mean {own.mean_file} would take it")
    if mean is None:
        means = own.mean_value
    else:
        means = mean_values(mean) if mean.lower().endswith(MEAN_FILES) else parse_mean(mean)
    return {
        "mean": means,
        "scale": None if scale is None else parse_scale(scale),
        "channels": channels,
        "resize": parse_size(resize, "--resize"),
        "crop": parse_size(crop, "--crop"),
    }


def parse_size(text: str | None, option: str) -> tuple[int, int] | None:
    """WxH as (height, width)."""
    if text is None:
        return None
    from ..caffe.pictures import LARGEST_SIDE

    numbers = text.lower().split("x")
    if len(numbers) != 2 or not all(n.isascii() and n.isdigit() and 1 <= int(n) <= LARGEST_SIDE for n in numbers):
        raise typer.BadParameter(
            f"'{text}' is not a size such as 224x224, of sides up to {LARGEST_SIDE}.", param_hint=option
        )
    return int(numbers[1]), int(numbers[0])
