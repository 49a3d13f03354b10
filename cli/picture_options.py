"""Options that say how pictures are prepared for a Caffe net, and the recipe that they and the net make."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from .caffe_options import numbers_text, parse_mean, parse_scale

MOST = 1 << 13  # pixels of a side
HELP = "Mean, one or one per channel, in the net's order (mostly B,G,R); or a mean picture, .binaryproto or .npy."


Mean = Annotated[str | None, typer.Option(metavar="M[,M...]|FILE", help=HELP)]
Channels = Annotated[
    str | None, typer.Option(metavar="bgr|rgb", help="Order of the net's channels.  [default: bgr, Caffe's]")
]
Resize = Annotated[str | None, typer.Option(metavar="WxH", help="Stretch pictures to this size.")]
Crop = Annotated[str | None, typer.Option(metavar="WxH", help="Take the centre of this size, after --resize.")]


def read_recipe(net, mean, scale, channels, resize, crop, output):
    """The Recipe of these options; mean and scale that are not given are the net's own (`transform_param`).

    A file that the net names for the mean lies on another machine, mostly: `output` says that it is not read.
    """
    from ..formats.image import Recipe

    if channels not in (None, "bgr", "rgb"):
        raise typer.BadParameter(f"'{channels}' is neither bgr nor rgb.", param_hint="--channels")
    told = told_by(net)
    if told.mean_file and mean is None:
        output.say(f"the net's mean file is not read; --mean {told.mean_file} would take it")
    return Recipe(
        told.mean_value if mean is None else read_mean(mean),
        (1.0 if told.scale is None else told.scale,) if scale is None else parse_scale(scale),
        channels or "bgr",
        parse_size(resize, "--resize"),
        parse_size(crop, "--crop"),
    )


def told_by(net):
    """The transform of the first input of a CaffeNet that has one; one that does nothing where none has."""
    from ..engine.graph.ops.inputs import InputBlobs, Transform

    inputs = [node.attributes for node in net.graph.nodes if isinstance(node.attributes, InputBlobs)]
    return next((each.transform for each in inputs if each.transform), Transform())


def read_mean(text: str) -> tuple[float, ...]:
    """Numbers, or the means of the channels of a mean picture [channels, height, width] in a file."""
    if not text.lower().endswith((".binaryproto", ".npy")):
        return parse_mean(text)
    from ..errors import InputError
    from ..formats.caffe import read_binaryproto
    from ..formats.npy import read_npy

    picture = (read_npy if text.lower().endswith(".npy") else read_binaryproto)(text)
    if picture.ndim not in (1, 3) or not picture.size:
        raise InputError(text, f"holds an array {list(picture.shape)}", "a mean picture [channels, height, width]")
    means = picture if picture.ndim == 1 else picture.mean(axis=(1, 2), dtype="f8")
    if not all(map(math.isfinite, means)):
        raise InputError(text, "holds numbers that are not finite", "a mean picture, or the means of the channels")
    return tuple(map(float, means))


def parse_size(text: str | None, option: str) -> tuple[int, int] | None:
    """224x224 as (width, height)."""
    if text is None:
        return None
    numbers = text.lower().split("x")
    if len(numbers) != 2 or not all(n.isascii() and n.isdigit() and 1 <= int(n) <= MOST for n in numbers):
        raise typer.BadParameter(f"'{text}' is no size such as 224x224, of sides up to {MOST}.", param_hint=option)
    return int(numbers[0]), int(numbers[1])


def recipe_lines(recipe, channels: int, size: tuple[int, int]) -> list[str]:
    """What is done to pictures for an input of so many channels and (width, height), a line each step."""
    steps = []
    if recipe.resize or not recipe.crop:
        steps.append("stretched to {}x{}".format(*(recipe.resize or size)))
    if recipe.crop:
        steps.append("centre crop {}x{}".format(*recipe.crop))
    steps.append(f"channels {' '.join(recipe.channels.upper())}" if channels == 3 else "grey")
    if any(recipe.mean):
        steps.append(f"minus {numbers_text(recipe.mean)}")
    if any(scale != 1 for scale in recipe.scale):
        steps.append(f"times {numbers_text(recipe.scale)}")
    return steps
