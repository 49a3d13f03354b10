"""What `caffe64 export` does, once its command line is understood."""

from __future__ import annotations

from pathlib import Path

from ..caffe_export import export_onnx, export_safetensors, require
from ..caffe_net import CaffeNet
from ..errors import UsageError
from .optimize_run import difference_line, load
from .output import Output
from .picture_options import read_recipe, told_by

PACKAGES = {".onnx": "onnx", ".safetensors": "safetensors"}


def check_request(result: Path, blobs: list[str] | None) -> None:
    """Raises UsageError for another suffix, a package that is missing, or --output-blob where it means nothing."""
    package = PACKAGES.get(result.suffix.lower())
    if package is None:
        raise UsageError(f"{result}: the name must end with .onnx or .safetensors")
    require(package)
    if blobs and package != "onnx":
        raise UsageError("--output-blob is for .onnx: a .safetensors file holds all weights")


def run(net: Path, model: Path, result: Path, blobs, preparation, reading, tolerance, seed) -> None:
    """Read, export, and say what was written and how far it is from the net."""
    output = Output()
    loaded = load(net, model, *reading, output)
    metadata = told_metadata(loaded, *preparation, output)
    if result.suffix.lower() == ".safetensors":
        names = export_safetensors(loaded, result, metadata=metadata)
        print(f"wrote {result}: {len(names)} arrays, {result.stat().st_size:,} bytes")
        return
    differences = export_onnx(loaded, result, outputs=blobs, metadata=metadata, tolerance=tolerance, seed=seed)
    if differences is None:
        output.say("not compared with onnxruntime, which is not installed (pip install onnxruntime)")
    for each in differences or []:
        print(f"onnxruntime: {difference_line(each)}")
    print(f"wrote {result}: {result.stat().st_size:,} bytes")
    for key, value in metadata.items():
        print(f"metadata {key}: {value}")


def told_metadata(net: CaffeNet, mean, scale, channels, output: Output) -> dict[str, str]:
    """How inputs are prepared, as far as the options or the net say it."""
    recipe, told = read_recipe(net, mean, scale, channels, None, None, output), {}
    if any(recipe.mean):
        told["mean"] = ",".join(f"{value:g}" for value in recipe.mean)
    if scale is not None or told_by(net).HasField("scale"):
        told["scale"] = f"{recipe.scale:g}"
    if channels is not None:
        told["channels"] = recipe.channels
    if told:
        told["preparation"] = "(x - mean) * scale for x from 0 to 255, in the order of channels"
    return told
