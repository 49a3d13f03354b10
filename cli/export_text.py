"""The work of `caffe64 export` for a text net, after its command line is parsed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from ..arguments import TOLERANCE
from ..caffe.export import require
from ..engine.compiler.support import obstacle
from ..errors import UsageError
from ..formats.content import is_bundle
from . import caffe_options as caffe
from . import files
from .differences import difference_line
from .output import Output

PACKAGES_OF_TEXT = {".onnx": "onnx", ".safetensors": "safetensors", ".c": None}  # what a suffix needs


def refuse_options(given: Mapping[str, Any]) -> None:
    """Raises UsageError that names the options of Caffe nets which are given, by name."""
    if wrong := [option for option, value in given.items() if value]:
        raise UsageError(f"{', '.join(wrong)}: for a Caffe net, and this is a text net")


def export_text(paths: Sequence[Path], limits: caffe.Limits) -> None:
    """Read, export, and print what was written. `paths` are NET WEIGHTS OUT, or MODEL.c64 OUT. Raises
    typer.BadParameter for others, UsageError for another suffix, a package that is missing, and limits where nothing is
    compared."""
    bundled = is_bundle(paths[0])
    if len(paths) != (2 if bundled else 3):
        expected = "MODEL.c64 OUT" if bundled else "NET WEIGHTS OUT"
        raise typer.BadParameter(f"needs {expected} of a text net; found {len(paths)} of them.")
    *inputs, result = paths
    suffix = result.suffix.lower()
    if suffix not in PACKAGES_OF_TEXT:
        raise UsageError(f"{result}: the name must end with {', '.join(PACKAGES_OF_TEXT)}")
    if package := PACKAGES_OF_TEXT[suffix]:
        require(package)
    if suffix != ".onnx" and limits != caffe.Limits(TOLERANCE, None, 0):
        raise UsageError(f"--tolerance, --floor and --seed are for .onnx: {suffix} is not compared")
    files.check_inputs(inputs)
    files.check_outputs((result,), inputs)
    from ..api import Net
    from ..exports import export_c, export_onnx, export_safetensors
    from ..tables.bundle import Bundle

    net = Bundle.read(inputs[0]) if bundled else Net.read(inputs[0]).load(inputs[1])
    what = ""
    if suffix == ".c":
        name = export_c(net, result)
        what = f", {name}_predict and {name}_predict_rows"
    elif suffix == ".safetensors":
        what = f", {len(export_safetensors(net, result))} arrays"
    else:
        for each in _compared(export_onnx(net, result, **limits.beside_onnxruntime())):
            print(f"onnxruntime: {difference_line(each)}")
    print(f"wrote {result}: {result.stat().st_size:,} bytes{what}")


def _compared(differences: Sequence[Any] | None) -> Sequence[Any]:
    """The differences; where there are none, says why."""
    if obstacle():
        Output().say(f"not compared with the net, which caffe64 does not run here: {obstacle()}")
    elif differences is None:
        Output().say("not compared with onnxruntime, which is not installed (pip install onnxruntime)")
    return differences or ()
