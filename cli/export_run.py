"""The work of `caffe64 export`, after its command line is parsed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..caffe.export import export_onnx, export_safetensors, require
from ..caffe.net import CaffeNet
from ..caffe.optimize import Preparation
from ..caffe.pictures import make_recipe, numbers_text, transform_of
from ..caffe.reading import read_weights, weights_alone
from ..engine.graph.analysis.shapes import known_shapes
from ..engine.graph.ir.graph import Blob, Shape
from ..errors import UsageError
from . import caffe_options as caffe
from .differences import difference_line
from .loading import load
from .output import Output
from .picture_options import read_preparation

PACKAGES = {".onnx": "onnx", ".safetensors": "safetensors"}


def check_request(net: Path | None, result: Path, blobs: list[str] | None, reading: caffe.Reading) -> None:
    """Raises UsageError for another suffix, a package that is missing, or an argument that is missing or has no
    effect."""
    package = PACKAGES.get(result.suffix.lower())
    if package is None:
        raise UsageError(f"{result}: the name must end with .onnx or .safetensors")
    require(package)
    if blobs and package != "onnx":
        raise UsageError("--output-blob is for .onnx: a .safetensors file holds all weights")
    if net is None and package == "onnx":
        raise UsageError("a model for ONNX needs the net: caffe64 export NET MODEL OUT.onnx")
    if net is None and reading != caffe.Reading(None, False, False, "test"):
        raise UsageError("--input-shape, --deploy, --allow-unknown and --phase are for a net: NET MODEL OUT")


def run(net: Path | None, model: Path, result: Path, blobs, preparation, reading, limits: caffe.Limits) -> None:
    """Read, export, and print what was written and its difference from the net."""
    output = Output()
    if result.suffix.lower() == ".safetensors":
        loaded = load_weights(net, model, reading, output)
        metadata = input_metadata(loaded, known_shapes(loaded.graph), *preparation, output)
        names = export_safetensors(loaded, result, metadata=metadata)
        print(f"wrote {result}: {len(names)} arrays, {result.stat().st_size:,} bytes")
        return
    loaded = load(net, model, reading, output, layers=True)
    metadata = input_metadata(loaded, loaded.shapes, *preparation, output)
    differences = export_onnx(loaded, result, outputs=blobs, metadata=metadata, **vars(limits))
    if differences is None:
        output.say("not compared with onnxruntime, which is not installed (pip install onnxruntime)")
    for each in differences or []:
        print(f"onnxruntime: {difference_line(each)}")
    print(f"wrote {result}: {result.stat().st_size:,} bytes")
    for key, value in metadata.items():
        print(f"metadata {key}: {value}")


def load_weights(net: Path | None, model: Path, reading: caffe.Reading, output: Output) -> CaffeNet:
    """A net that need not run, with its weights; without `net` all weights of the model."""
    if net is None:
        graph, notices = weights_alone(model)
    else:
        graph, notices = read_weights(
            net, model, reading.phase, reading.shapes, deploy=reading.deploy, allow_unknown=reading.allow_unknown
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
