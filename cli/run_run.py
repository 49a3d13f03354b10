"""The work of `caffe64 run`: read, run, write, print."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np

from ..caffe.net import CaffeNet
from ..caffe.pictures import PictureInput, stack
from ..errors import InputError, UsageError
from ..formats.atomic import write_atomically
from ..formats.image import Recipe
from ..wording import counted
from .output import Output
from .table import print_table


def read_inputs(
    net: CaffeNet, texts: list[str], recipe: Recipe, output: Output, *, for_pictures: bool = False
) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """Arrays by the name of an input, and the preparation of those that were pictures. Inputs that no output depends
    on need no file. `for_pictures`: an option asked for the recipe; UsageError if there is no picture then."""
    paths: dict[str, list[Path]] = {}
    for text in texts:
        name, path = named_input(net, text)
        paths.setdefault(name, []).append(path)
    if missing := [name for name in net.needed_inputs if name not in paths]:
        raise UsageError(f"nothing for the input {missing[0]!r}: --input {missing[0]}=FILE")
    for name in [name for name in net.inputs if name not in paths]:
        output.say(f"the input {name!r} needs no file: no output depends on it")
    arrays, steps = {}, {}
    for name, files in paths.items():
        picture = PictureInput(net, name, recipe, output.say)
        arrays[name] = stack(name, files, [picture.read(path) for path in files])
        if picture.steps:
            steps[name] = picture.steps
    if for_pictures and not steps:
        options = "--mean, --scale, --channels, --resize and --crop"
        raise UsageError(f"{options} are for pictures; arrays are taken as they are")
    return arrays, steps


def named_input(net: CaffeNet, text: str) -> tuple[str, Path]:
    """The input that NAME=FILE or FILE is for, and the file. Raises UsageError."""
    starts = [name for name in net.inputs if text.startswith(f"{name}=")]
    if starts:
        name = max(starts, key=len)  # names may have any characters
        return name, Path(text[len(name) + 1 :])
    if not net.inputs:
        raise UsageError(f"--input {text}: the net has no inputs")
    needed = net.needed_inputs
    if len(needed) != 1:
        names = ", ".join(net.inputs)
        raise UsageError(f"--input {text}: the net has the inputs {names}; say which: {needed[0]}={text}")
    return needed[0], Path(text)


def collect(net: CaffeNet, arrays: dict[str, np.ndarray], blobs: list[str] | None) -> dict[str, np.ndarray]:
    """The outputs of one run, except inputs without an array; or the blobs of these names."""
    known = {top.name for node in net.graph.nodes for top in node.tops}
    if blobs and (unknown := [name for name in blobs if name not in known]):
        raise InputError(net.path, f"has no blob {unknown[0]!r}", ", ".join(sorted(known)))
    found = net.forward(**arrays)
    if blobs:
        return {name: net.blobs[name].data.copy() for name in blobs}
    idle = set(net.inputs) - set(net.needed_inputs) - set(arrays)
    return {name: values for name, values in found.items() if name not in idle}


def write(path: Path, found: dict[str, np.ndarray]) -> None:
    """.npz: all arrays by name; else .npy of the only one."""
    if path.suffix.lower() == ".npz":
        with write_atomically(path) as file, zipfile.ZipFile(file, "w") as archive:
            for name, array in found.items():
                archive.writestr(f"{name}.npy", _npy(array))
        return
    if len(found) != 1:
        named = f", {', '.join(found)}" if found else ""
        raise UsageError(f"the net has {counted(len(found), 'output')}{named}: write .npz, or choose one with --blob")
    with write_atomically(path) as file:
        file.write(_npy(*found.values()))


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=False)
    return stream.getvalue()


def report(arrays, steps, found: dict[str, np.ndarray], result: Path | None, as_json: bool) -> None:
    """Shapes and a summary of the outputs on stdout."""
    summaries = {name: summary(array) for name, array in found.items()}
    if as_json:
        found_json = {
            "inputs": {name: list(array.shape) for name, array in arrays.items()},
            "preparation": steps,
            "outputs": summaries,
            "written": None if result is None else str(result),
        }
        print(json.dumps(found_json, indent=2))
        return
    rows = [
        [name, "x".join(map(str, each["shape"])) or "1"]
        + [f"{each[key]:.6g}" if each[key] is not None else "-" for key in ("min", "mean", "max")]
        for name, each in summaries.items()
    ]
    print_table(["output", "shape", "min", "mean", "max"], rows, left=2)
    if bad := [name for name, each in summaries.items() if each["not_finite"]]:
        print(f"NaN or infinite values in {', '.join(bad)}: is the preparation of the input right?")


def summary(array: np.ndarray) -> dict:
    """Shape; least, mean and largest of the finite values, None without any; the number of NaN or infinite ones."""
    finite = array[np.isfinite(array)].astype(np.float64)
    values = {name: float(getattr(finite, name)()) if finite.size else None for name in ("min", "mean", "max")}
    return {"shape": list(array.shape), **values, "not_finite": int(array.size - finite.size)}
