"""Graphs for tests: from the text of a net, with random weights of a sane scale."""

from __future__ import annotations

import numpy as np

from caffe64.engine.graph.analysis.shapes import infer_shapes, weight_shapes
from caffe64.engine.graph.frontends.caffe.build import build_graph
from caffe64.engine.graph.ir.ownership import assign_weights
from caffe64.engine.graph.passes.optimize import Passes, optimize_graph
from caffe64.engine.graph.verification.verify import compare_graphs, random_inputs
from caffe64.formats.caffe import filter_net, parse_prototxt


def conv(name, bottom, top=None, outputs=4, more=""):
    """A 3 x 3 convolution, without a bias unless `more` says so."""
    text = f"num_output: {outputs} kernel_size: 3 " + (more or "bias_term: false")
    return layer(name, "Convolution", bottom, top, f"convolution_param {{ {text} }}")


def layer(name, kind, bottoms, tops=None, more=""):
    """A layer's text; bottoms and tops are names separated by spaces, the top is the layer's name by default."""
    tops = (name if tops is None else tops).split()
    flow = " ".join([*(f'bottom: "{each}"' for each in bottoms.split()), *(f'top: "{each}"' for each in tops)])
    return f'layer {{ name: "{name}" type: "{kind}" {flow} {more} }}\n'


def data(shape="2 3 7 6", name="data"):
    dims = " ".join(f"dim: {dim}" for dim in shape.split())
    return layer(name, "Input", "", name, f"input_param {{ shape {{ {dims} }} }}")


def graph_of(*layers, phase="TEST", seed=0):
    """The graph of these layers, with weights."""
    message = filter_net(parse_prototxt('name: "net"\n' + "".join(layers), "net.prototxt").message, phase)
    graph = build_graph(message, phase)
    give_weights(graph, seed)
    return graph


def give_weights(graph, seed=0, inputs=None):
    """Weights that keep values at a scale of about 1: N(0, 1 / fan in), BatchNorm sums over a factor of 999.98."""
    source = np.random.default_rng(seed)
    weights = []
    for node, shapes in zip(graph.nodes, weight_shapes(graph, infer_shapes(graph, inputs)), strict=True):
        drawn = [source.standard_normal(shape) for shape in shapes]
        if node.type == "BatchNorm":
            drawn = [0.3 * drawn[0] * 999.98, (0.5 + np.abs(drawn[1])) * 999.98, np.array([999.98])]
        elif node.type == "BN":
            drawn[0] = 1 + 0.3 * drawn[0]
            drawn[2:] = [0.3 * drawn[2], 0.5 + np.abs(drawn[3])] if drawn[2:] else []
        elif drawn and drawn[0].ndim > 1:
            drawn[0] /= np.sqrt(drawn[0].size / len(drawn[0]))
        elif node.type == "Scale" and drawn:
            drawn[0] = 1 + 0.3 * drawn[0]
        weights.append(drawn)
    assign_weights(graph, weights)


def optimised(graph, passes=None, *, prepared=None, inputs=None, tolerance=1e-5):
    """The optimised graph and its reports by name, after a comparison of all outputs on random inputs."""
    if prepared:
        passes = Passes(inputs=prepared)
    smaller, reports = optimize_graph(graph, passes or Passes(), inputs)
    assert_same_outputs(graph, smaller, prepared, inputs, tolerance)
    return smaller, {report.name: report for report in reports}


def assert_same_outputs(graph, other, prepared=None, inputs=None, tolerance=1e-5):
    """Compare all outputs on random inputs; `prepared` is what the other graph does to them itself."""
    values = random_inputs(graph, infer_shapes(graph, inputs), 1, prepared or {})
    for each in compare_graphs(graph, other, values, prepared):
        assert each.relative <= tolerance, each


def types(graph):
    return [node.type for node in graph.nodes]


def names(graph):
    return [node.name for node in graph.nodes]
