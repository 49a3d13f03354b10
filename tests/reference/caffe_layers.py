"""One Caffe layer, run by the engine: from a few lines of prototxt to its tops."""

from __future__ import annotations

import numpy as np
from reference.executor import Executor
from reference.runners import RUNNERS, assert_agree

from caffe64.engine.graph.analysis.shapes import weight_shapes
from caffe64.engine.graph.frontends.caffe.build import build_graph
from caffe64.engine.graph.ir.graph import Graph
from caffe64.formats.caffe import parse_prototxt


def input_text(name: str, shape) -> str:
    dims = " ".join(f"dim: {size}" for size in shape)
    return f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {dims} }} }} }}\n'


def layer_text(kind: str, bottoms, tops, parameters: str = "", name: str = "it") -> str:
    joined = " ".join([f'bottom: "{bottom}"' for bottom in bottoms] + [f'top: "{top}"' for top in tops])
    return f'layer {{ name: "{name}" type: "{kind}" {joined} {parameters} }}\n'


def net_text(kind: str, shapes, parameters: str = "", tops: int = 1, in_place: bool = False) -> str:
    """Bottoms b0, b1, ...; tops t0, t1, ... An in-place layer works on c, a copy of b0, as inputs are spared."""
    names = [f"b{number}" for number in range(len(shapes))]
    text = "".join(map(input_text, names, shapes))
    if in_place:
        return text + layer_text("Power", ["b0"], ["c"], name="copy") + layer_text(kind, ["c"], ["c"], parameters)
    return text + layer_text(kind, names, [f"t{number}" for number in range(tops)], parameters)


def built(text: str, phase: str = "TEST") -> Graph:
    return build_graph(parse_prototxt(text, "test.prototxt").message, phase)


def runtime(text: str, weights=(), phase: str = "TEST", runner=Executor):
    """The net's last layer gets the weights, which must have the shapes that it asks for."""
    graph = built(text, phase)
    graph.nodes[-1].weights = [np.asarray(blob, np.float32, order="C") for blob in weights]
    made = runner(graph)
    expected = weight_shapes(graph, made.shapes)
    assert [[blob.shape for blob in node.weights] for node in graph.nodes] == expected
    return made


def forward(made, bottoms) -> list[np.ndarray]:
    """Copies of the last layer's tops. The bottoms must still be what they were."""
    for blob, values in zip(made.graph.inputs, bottoms, strict=True):
        made.arrays[blob][...] = values
    made.forward()
    for blob, values in zip(made.graph.inputs, bottoms, strict=True):
        np.testing.assert_array_equal(made.arrays[blob], np.asarray(values, np.float32))
    return [made.arrays[top].copy() for top in made.graph.nodes[-1].tops]


def run_layer(kind, bottoms, parameters="", weights=(), tops=1, phase="TEST", in_place=False) -> list[np.ndarray]:
    """The tops of one layer for float32 bottoms, by the runtime, where it may work in place; the reference agrees."""
    text = net_text(kind, [np.shape(bottom) for bottom in bottoms], parameters, tops, in_place)
    expected, found = (forward(runtime(text, weights, phase, runner), bottoms) for runner in RUNNERS)
    for number, (actual, values) in enumerate(zip(found, expected, strict=True)):
        assert_agree(f"top {number}", actual, values)
    return found
