"""The work of `caffe64 optimize`, after its command line is parsed."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from ..caffe.export import export_onnx
from ..caffe.exported import side_of
from ..caffe.halves import rounded_net
from ..caffe.net import CaffeNet
from ..caffe.optimize import Passes, Preparation, optimize
from ..caffe.pictures import numbers_text
from ..caffe.sides import RuntimeSide, verify_sides
from ..caffe.verify import Difference, verify
from ..caffe.weights import check_sayable
from ..engine.compiler.support import obstacle
from ..engine.graph.analysis.cost import Cost, cost_of
from ..errors import InputError, UsageError
from ..formats.npy import read_npy
from ..formats.onnx import losses
from . import caffe_options as caffe
from . import files
from .config_file import ConfigFile
from .config_shapes import shapes_of
from .differences import difference_line
from .loading import load
from .net_files import is_onnx
from .output import Output
from .table import print_table

ROUNDED = "rounded to float16"
Compared = dict[str, list[Difference]]


@dataclass(frozen=True)
class OptimizeRequest:
    """Files to read and write, and the passes to run; a .onnx has no model. `config`: the file with these settings, if
    any."""

    net: Path
    model: Path | None
    optimized_net: Path
    optimized_model: Path | None
    fold_bn: bool
    drop_dropout: bool
    in_place: bool
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    notices: tuple[str, ...] = ()
    config: ConfigFile | None = None


def run(
    request: OptimizeRequest, reading: caffe.Reading, check, check_with, limits: caffe.Limits, as_json, *, half: bool
) -> None:
    """Read, optimise, verify, write, and print what was done."""
    output = Output(quiet=as_json)
    for notice in request.notices:
        output.say(notice)
    inputs = (request.net, request.model, *check_with)
    files.check_inputs(inputs)
    files.check_outputs((request.optimized_net, request.optimized_model), inputs)
    if request.config and not reading.input_shape:
        reading = dataclasses.replace(
            reading, input_shape=shapes_of(request.net, request.model, request.config, reading, output)
        )
    net = load(request.net, request.model, reading, output, runs=check, layers=check)
    preparation = Preparation(request.mean, request.scale)
    prepared = {net.needed_inputs[0]: preparation} if preparation else {}
    passes = Passes(
        drop_dropout=request.drop_dropout, fold_bn=request.fold_bn, in_place=request.in_place, inputs=prepared
    )
    smaller, reports = optimize(net, passes)
    if request.optimized_model is not None:
        check_sayable(smaller.graph)
    differences = {}
    if check:
        differences = compare(request, net, smaller, check_with, prepared, reading, limits, output)
        if half:
            differences[ROUNDED] = verify(net, rounded_net(smaller), prepared=prepared, **limits.without_end)
    if request.optimized_model is not None:
        smaller.save(request.optimized_net, request.optimized_model, half=half)
    else:
        export_onnx(smaller, request.optimized_net, **limits.beside_onnxruntime(), half=half)
    lost = losses(request.net, request.optimized_net) if is_onnx(request.net) and is_onnx(request.optimized_net) else []
    costs = (cost_of(net.graph, net.shapes), cost_of(smaller.graph, smaller.shapes))
    recipe = prepared_by_the_net(net, prepared)
    (print_json if as_json else print_text)(request, reports, costs, differences, recipe, lost)


def compare(request, net: CaffeNet, smaller: CaffeNet, check_with, prepared, reading, limits, output) -> Compared:
    """Differences by what was compared: both nets, and a model that is read in onnxruntime, where that runs it. The
    model that is written is compared when it is. Raises CheckFailed."""
    if obstacle():
        output.say(f"both nets are compared in onnxruntime, as ONNX models: {obstacle()}")
    differences = verify(net, smaller, prepared=prepared, **limits.own)
    for path in check_with:
        inputs = {net.needed_inputs[0]: read_npy(path)}
        differences += verify(net, smaller, inputs, prepared=prepared, **limits.own)
    found = {"verified": differences}
    if is_onnx(request.net):
        try:
            original = RuntimeSide(request.net, reading.shapes)
        except (InputError, UsageError) as error:
            output.say(f"not compared with onnxruntime: {error}")
            return found
        half = any("float16" in notice for notice in net.notices)
        found["onnxruntime"] = verify_sides(side_of(net), original, **limits.beside_onnxruntime(half=half))
    return found


def prepared_by_the_net(net: CaffeNet, prepared: dict[str, Preparation]) -> str:
    """The preparation that inputs still need."""
    if not prepared:
        return "inputs are prepared as before"
    name, preparation = next(iter(prepared.items()))
    scale = numbers_text(preparation.scale)
    done = f"(x - ({numbers_text(preparation.mean)})) * {scale if len(preparation.scale) == 1 else f'({scale})'}"
    return f"input {name!r}: raw values, same order of channels; the net itself does {done}"


def print_text(request, reports, costs: tuple[Cost, Cost], differences: Compared, recipe: str, lost) -> None:
    for report in reports:
        for change in report.changes:
            print(f"{report.name}: {change}")
        for reason in report.left:
            print(f"{report.name}: left alone: {reason}")
    rows = [[name, *(f"{getattr(cost, name):,}" for cost in costs)] for name in Cost.__annotations__]
    print_table(["", "before", "after"], rows)
    print(recipe)
    for how, found in differences.items():
        for each in found:
            print(f"{how}: {difference_line(each)}")
    for each in lost:
        print(f"not written: {each}")
    print(f"wrote {' and '.join(written(request))}")


def print_json(request, reports, costs: tuple[Cost, Cost], differences: Compared, recipe: str, lost) -> None:
    found = {
        "passes": [vars(report) for report in reports],
        "before": vars(costs[0]),
        "after": vars(costs[1]),
        "inputs": recipe,
        "differences": [vars(each) for each in differences.get("verified", [])],
        "onnxruntime": [vars(each) for each in differences.get("onnxruntime", [])],
        "float16": [vars(each) for each in differences.get(ROUNDED, [])],
        "lost": lost,
        "written": written(request),
    }
    print(json.dumps(found, indent=2))


def written(request: OptimizeRequest) -> list[str]:
    return [str(path) for path in (request.optimized_net, request.optimized_model) if path is not None]
