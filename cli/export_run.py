"""The work of `caffe64 export`, after its command line is parsed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from ..caffe.export import export_onnx, export_safetensors, not_in_onnx, require
from ..caffe.halves import rounded_net
from ..caffe.net import CaffeNet
from ..caffe.optimize import Preparation
from ..caffe.pictures import make_recipe, numbers_text, transform_of
from ..caffe.reading import read_weights, weights_alone
from ..caffe.verify import verify
from ..engine.compiler.support import obstacle
from ..engine.graph.analysis.shapes import known_shapes
from ..engine.graph.ir.graph import Blob, Shape
from ..errors import UsageError
from ..formats.onnx import losses
from . import caffe_options as caffe
from .differences import difference_line
from .loading import load
from .net_files import NetFiles, is_onnx
from .output import Output
from .picture_options import read_preparation

PACKAGES = {".onnx": "onnx", ".safetensors": "safetensors"}
CAFFE = [".prototxt", ".caffemodel"]


def export_files(paths: Sequence[Path]) -> tuple[NetFiles, list[Path]]:
    """The net and the files to write: `[NET] MODEL OUT`, or an .onnx and one or two. Raises typer.BadParameter."""
    if is_onnx(paths[0]) and len(paths) in (2, 3):
        return NetFiles(paths[0], None), list(paths[1:])
    if is_onnx(paths[0]) or not 2 <= len(paths) <= 3:
        raise typer.BadParameter(f"needs NET MODEL OUT, or MODEL OUT; found {len(paths)} of them.")
    net, model, result = [None, *paths][-3:]
    return NetFiles(net, model), [result]


def check_request(net: Path | None, results: Sequence[Path], blobs: list[str] | None, preparation, reading) -> None:
    """Raises UsageError for another suffix, a package that is missing, or an argument that is missing or has no
    effect."""
    if len(results) == 2:
        if [result.suffix.lower() for result in results] != CAFFE:
            raise UsageError(f"{results[0]} {results[1]}: expected NAME.prototxt NAME.caffemodel")
        if blobs or preparation != (None, None, None):
            raise UsageError("--output-blob, --mean, --scale and --channels are for one file: OUT.onnx")
        return
    package = PACKAGES.get(results[0].suffix.lower())
    if package is None:
        hint = " (.c is for a text net)" if results[0].suffix.lower() == ".c" else ""
        raise UsageError(f"{results[0]}: the name must end with .onnx or .safetensors{hint}")
    require(package)
    if blobs and package != "onnx":
        raise UsageError("--output-blob is for .onnx: a .safetensors file holds all weights")
    if net is None and package == "onnx":
        raise UsageError("a model for ONNX needs the net: caffe64 export NET MODEL OUT.onnx")
    if net is None and reading != caffe.Reading(None, False, False, "test"):
        raise UsageError("--input-shape, --deploy, --allow-unknown and --phase are for a net: NET MODEL OUT")


def save(given: NetFiles, results: Sequence[Path], reading: caffe.Reading, *, half: bool) -> None:
    """Write an ONNX model for Caffe."""
    loaded = load(given.net, None, reading, Output(), runs=False)
    loaded.save(*results, half=half)
    print(f"wrote {results[0]} and {results[1]}")


def run(given: NetFiles, result: Path, blobs, preparation, reading, limits: caffe.Limits, *, half: bool) -> None:
    """Read, export, and print what was written and its difference from the net."""
    output = Output()
    if result.suffix.lower() == ".safetensors":
        loaded = load_weights(given, reading, output)
        metadata = input_metadata(loaded, known_shapes(loaded.graph), *preparation, output)
        names = export_safetensors(loaded, result, metadata=metadata, half=half)
        print(f"wrote {result}: {len(names)} arrays, {result.stat().st_size:,} bytes")
        return
    loaded = load(given.net, given.model, reading, output, layers=True)
    metadata = input_metadata(loaded, loaded.shapes, *preparation, output)
    options = {"outputs": blobs, "metadata": metadata, "half": half}
    differences = export_onnx(loaded, result, **options, **limits.beside_onnxruntime())
    if obstacle():
        output.say(f"not compared with the net, which caffe64 does not run here: {obstacle()}")
    elif differences is None:
        output.say("not compared with onnxruntime, which is not installed (pip install onnxruntime)")
    for each in differences or []:
        print(f"onnxruntime: {difference_line(each)}")
    if half:
        for each in verify(loaded, rounded_net(loaded), **limits.without_end):
            print(f"rounded to float16: {difference_line(each)}")
    for each in losses(given.net, result) if given.is_onnx else not_in_onnx(loaded, blobs):
        print(f"not written: {each}")
    print(f"wrote {result}: {result.stat().st_size:,} bytes")
    for key, value in metadata.items():
        print(f"metadata {key}: {value}")


def load_weights(given: NetFiles, reading: caffe.Reading, output: Output) -> CaffeNet:
    """A net that need not run, with its weights; without a net all weights of the model."""
    if given.is_onnx:
        return load(given.net, None, reading, output, runs=False)
    if given.net is None:
        graph, notices = weights_alone(given.model)
    else:
        graph, notices = read_weights(
            given.net,
            given.model,
            reading.phase,
            reading.shapes,
            deploy=reading.deploy,
            allow_unknown=reading.allow_unknown,
        )
    for notice in notices:
        output.say(notice)
    return CaffeNet(graph, path=graph.path)


def input_metadata(
    net: CaffeNet, shapes: Mapping[Blob, Shape], mean, scale, channels, output: Output
) -> dict[str, str]:
    """The preparation of inputs, from the options or the net. Raises UsageError for options with numbers of
    other channels than the first input has, where `shapes` has it."""
    recipe = make_recipe(net, **read_preparation(net, mean, scale, channels, None, None, output))
    found: dict[str, str] = {}
    if mean is not None or scale is not None:
        preparation = Preparation(recipe.mean, recipe.scale)
        for blob in shapes.keys() & set(net.graph.needed_inputs[:1]):
            preparation.of_channels(blob.name, shapes[blob])
    if any(recipe.mean):
        found["mean"] = numbers_text(recipe.mean, ",")
    if scale is not None or transform_of(net).scale is not None:
        found["scale"] = numbers_text(recipe.scale, ",")
    if channels is not None:
        found["channels"] = recipe.channels
    if found:
        found["preparation"] = "(x - mean) * scale for x from 0 to 255, in the order of channels"
    return found
