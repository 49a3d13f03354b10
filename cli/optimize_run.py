"""The work of `caffe64 optimize`, after its command line is parsed."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from ..caffe.net import CaffeNet
from ..caffe.optimize import Passes, Preparation, optimize
from ..caffe.pictures import numbers_text
from ..caffe.verify import Difference, verify
from ..engine.graph.analysis.cost import Cost, cost_of
from ..formats.npy import read_npy
from . import caffe_options as caffe
from . import files
from .config_file import ConfigFile
from .config_shapes import shapes_of
from .differences import difference_line
from .loading import load
from .output import Output
from .table import print_table


@dataclass(frozen=True)
class OptimizeRequest:
    """Files to read and write, and the passes to run. `config`: the file with these settings, if any."""

    net: Path
    model: Path
    optimized_net: Path
    optimized_model: Path
    fold_bn: bool
    drop_dropout: bool
    in_place: bool
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    notices: tuple[str, ...] = ()
    config: ConfigFile | None = None


def run(request: OptimizeRequest, reading: caffe.Reading, check, check_with, limits: caffe.Limits, as_json) -> None:
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
    differences = []
    if check:
        differences = verify(net, smaller, prepared=prepared, **vars(limits))
        for path in check_with:
            inputs = {net.needed_inputs[0]: read_npy(path)}
            differences += verify(net, smaller, inputs, prepared=prepared, **vars(limits))
    smaller.save(request.optimized_net, request.optimized_model)
    costs = (cost_of(net.graph, net.shapes), cost_of(smaller.graph, smaller.shapes))
    recipe = prepared_by_the_net(net, prepared)
    (print_json if as_json else print_text)(request, reports, costs, differences, recipe)


def prepared_by_the_net(net: CaffeNet, prepared: dict[str, Preparation]) -> str:
    """The preparation that inputs still need."""
    if not prepared:
        return "inputs are prepared as before"
    name, preparation = next(iter(prepared.items()))
    scale = numbers_text(preparation.scale)
    done = f"(x - ({numbers_text(preparation.mean)})) * {scale if len(preparation.scale) == 1 else f'({scale})'}"
    return f"input {name!r}: raw values, same order of channels; the net itself does {done}"


def print_text(request, reports, costs: tuple[Cost, Cost], differences: list[Difference], recipe: str) -> None:
    for report in reports:
        for change in report.changes:
            print(f"{report.name}: {change}")
        for reason in report.left:
            print(f"{report.name}: left alone: {reason}")
    rows = [[name, *(f"{getattr(cost, name):,}" for cost in costs)] for name in Cost.__annotations__]
    print_table(["", "before", "after"], rows)
    print(recipe)
    for each in differences:
        print(f"verified: {difference_line(each)}")
    print(f"wrote {request.optimized_net} and {request.optimized_model}")


def print_json(request, reports, costs: tuple[Cost, Cost], differences: list[Difference], recipe: str) -> None:
    found = {
        "passes": [vars(report) for report in reports],
        "before": vars(costs[0]),
        "after": vars(costs[1]),
        "inputs": recipe,
        "differences": [vars(each) for each in differences],
        "written": [str(request.optimized_net), str(request.optimized_model)],
    }
    print(json.dumps(found, indent=2))
