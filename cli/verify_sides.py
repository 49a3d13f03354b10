"""The sides of `caffe64 verify`: what runs each of the nets."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import typer

from ..caffe.exported import side_of
from ..caffe.sides import NetSide, RuntimeSide
from ..engine.compiler.support import obstacle
from ..errors import InputError
from . import caffe_options as caffe
from .loading import load
from .net_files import NetFiles, two_nets
from .output import Output

SIDES = ("first", "second", "both")


def sides(files: Sequence[Path], onnxruntime: str | None, reading: caffe.Reading, output: Output) -> list[NetSide]:
    """The two nets of `files`, or the one .onnx that is both of them, in onnxruntime and in caffe64. An ONNX model runs
    in caffe64 if that knows its operators, else, or as one of the sides `onnxruntime`, in onnxruntime; a line says
    where. Raises typer.BadParameter, exit code 2; InputError; UsageError."""
    if onnxruntime not in (None, *SIDES):
        raise typer.BadParameter(f"'{onnxruntime}' is none of {', '.join(SIDES)}.", param_hint="--onnxruntime")
    nets, alone = compared(files)
    if alone and onnxruntime == "both":
        raise typer.BadParameter("leaves nothing to compare with one model.", param_hint="--onnxruntime")
    chosen = onnxruntime or ("first" if alone else None)
    return [
        _side(each, chosen in (place, "both"), not alone, reading, output)
        for each, place in zip(nets, SIDES, strict=False)
    ]


def compared(files: Sequence[Path]) -> tuple[tuple[NetFiles, NetFiles], bool]:
    """The two nets of a command line, and whether they are one .onnx that stands alone."""
    if len(files) == 1 and (only := NetFiles(files[0], None)).is_onnx:
        return (only, only), True
    return two_nets(files), False


def _side(files: NetFiles, asked: bool, may_leave: bool, reading: caffe.Reading, output: Output) -> NetSide:
    """`asked`: in onnxruntime; `may_leave`: there as well where caffe64 does not run it."""
    if not files.is_onnx:
        if asked:
            raise typer.BadParameter(f"runs an .onnx, which {files.net} is not.", param_hint="--onnxruntime")
        side = side_of(load(files.net, files.model, reading, output, layers=True))
        if obstacle():
            output.say(f"{files.net}: runs in {side.place}, as an ONNX model: {obstacle()}")
        return side
    asked = asked or bool(may_leave and obstacle())
    side = RuntimeSide(files.net, reading.shapes) if asked else _where_it_can(files, may_leave, reading, output)
    output.say(f"{files.net}: runs in {side.place}")
    return side


def _where_it_can(files: NetFiles, may_leave: bool, reading: caffe.Reading, output: Output) -> NetSide:
    try:
        return side_of(load(files.net, None, reading, output, layers=True))
    except InputError as error:
        if not may_leave or importlib.util.find_spec("onnxruntime") is None:
            raise
        try:
            side = RuntimeSide(files.net, reading.shapes)
        except InputError as other:
            if other.found == error.found:  # about the file itself
                raise
            raise InputError(error.path, error.found, error.expected, other.found) from None
        output.say(str(error))
        return side
