"""What `caffe64 optimize` does, once its command line is understood."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np

from ..caffe.load import CaffeNet, Difference, Passes, Preparation, load_caffe, optimize, verify
from ..engine.graph.analysis.cost import Cost, cost_of
from ..engine.graph.execution.required_kernels import kernels_of
from ..formats.npy import read_npy
from . import caffe_options as caffe
from . import compiling, files
from .optimize_config import OptimizeRequest
from .optimize_shapes import shapes_of
from .output import Output
from .table import print_table


def run(request: OptimizeRequest, reading: caffe.Reading, check, check_with, limits: caffe.Limits, as_json) -> None:
    """Read, optimise, verify, write, and say what was done."""
    output = Output(quiet=as_json)
    for notice in request.notices:
        output.say(notice)
    inputs = (request.net, request.model, *check_with)
    files.check_inputs(inputs)
    files.check_outputs((request.optimized_net, request.optimized_model), inputs)
    if request.config and not reading.input_shape:
        reading = dataclasses.replace(reading, input_shape=shapes_of(request, reading, output))
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
            inputs = {net.needed_inputs[0]: read_inputs(path)}
            differences += verify(net, smaller, inputs, prepared=prepared, **vars(limits))
    smaller.save(request.optimized_net, request.optimized_model)
    costs = (cost_of(net.graph, net.shapes), cost_of(smaller.graph, smaller.shapes))
    recipe = prepared_by_the_net(net, prepared)
    (print_json if as_json else print_text)(request, reports, costs, differences, recipe)


def load(
    net: Path,
    model: Path | None,
    reading: caffe.Reading,
    output: Output,
    *,
    runs: bool = True,
    gradients: bool = False,
    threads: int | None = None,
    exact: bool = False,
    layers: bool = False,
) -> CaffeNet:
    """`load_caffe` for the command line: notices on stderr; kernels are compiled if the net `runs`, with those for its
    `gradients`, and for `layers` that run one by one, as where nets are compared."""
    loaded = load_caffe(
        net,
        model,
        phase=reading.phase,
        input_shapes=reading.shapes,
        deploy=reading.deploy,
        allow_unknown=reading.allow_unknown,
        threads=threads,
        exact=exact,
    )
    for notice in loaded.notices:
        output.say(notice)
    if runs:
        compiling.prepare(kernels_of(loaded.graph, gradients=gradients, layers=layers), output)
    return loaded


def read_inputs(path: Path) -> np.ndarray:
    """A .npy of inputs [N, C, H, W]."""
    return read_npy(path)


def prepared_by_the_net(net: CaffeNet, prepared: dict[str, Preparation]) -> str:
    """How inputs must be prepared from now on."""
    if not prepared:
        return "inputs are prepared as before"
    name, preparation = next(iter(prepared.items()))
    scale = caffe.numbers_text(preparation.scale)
    done = f"(x - ({caffe.numbers_text(preparation.mean)})) * {scale if len(preparation.scale) == 1 else f'({scale})'}"
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


def difference_line(each: Difference) -> str:
    return f"{each.output!r} differs by at most {each.relative:.2g} relative, {each.absolute:.2g} absolute"


def print_json(request, reports, costs: tuple[Cost, Cost], differences: list[Difference], recipe: str) -> None:
    told = {
        "passes": [vars(report) for report in reports],
        "before": vars(costs[0]),
        "after": vars(costs[1]),
        "inputs": recipe,
        "differences": [vars(each) for each in differences],
        "written": [str(request.optimized_net), str(request.optimized_model)],
    }
    print(json.dumps(told, indent=2))
