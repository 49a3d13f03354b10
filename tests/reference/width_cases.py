"""What test_widths.py runs in processes whose vectors have another width. Prints one line of JSON:

lanes      of the vectors that were compiled for
gemm       worst error of a product, in tolerances (products.py)
exp, tanh, decay, exp_minus_one, sigmoid, sigmoid_slope    worst error in units in the last place
net        worst difference of a training's weights and losses from the float64 reference, relative (norm)
golden     the same of the carried known answer's final weights
caffe      worst error of a Caffe net by a plan, of the largest output
filters    the same of its gradients of filters
"""

from __future__ import annotations

import itertools
import json

import numpy as np


def gemm_error() -> float:
    from caffe64.engine.compiler.cpu import LANES
    from caffe64.engine.products.gemm import KC, MR, NR, gemm

    from .products import product

    source, worst = np.random.default_rng(1), 0.0
    columns = [*range(1, LANES + 2), NR - LANES - 1, NR - 1, NR, NR + 1, 2 * NR + 3]
    shapes = itertools.product([1, MR - 1, MR, 2 * MR + 1], columns, [1, 2, 33, KC + 3])
    flags = itertools.product([False, True], repeat=4)
    for (M, N, K), (transpose_a, transpose_b, accumulate, relu) in zip(shapes, itertools.cycle(flags), strict=False):
        a, b, start, bias = (source.standard_normal(s).astype(np.float32) for s in ((M, K), (K, N), (M, N), N))
        c, low = start.copy(), np.float32(0 if relu else -np.inf)
        stored = [np.ascontiguousarray(x.T) if t else x for x, t in ((a, transpose_a), (b, transpose_b))]
        gemm(*stored, bias[:0] if accumulate else bias, c, transpose_a, transpose_b, accumulate, low)
        expected, tolerance = product(a, b, start if accumulate else bias)
        worst = max(worst, (np.abs(c - np.maximum(expected, low)) / tolerance).max())
    return worst


def elementary_errors() -> dict[str, float]:
    from .elementary import both, exact_sigmoid, exact_sigmoid_slope, others, ulps

    x, y, z, below = (np.linspace(-a, b, 200_001).astype(np.float32) for a, b in ((87, 87), (9, 9), (99, 99), (99, 0)))
    _, _, sigmoids, slopes = others(z)
    powers, less_one, _, _ = others(below)
    errors = {
        "exp": ulps(both(x)[0], np.exp(x.astype(np.float64))),
        "tanh": ulps(both(y)[1], np.tanh(y.astype(np.float64))),
        "decay": ulps(powers, np.exp(below.astype(np.float64))),
        "exp_minus_one": ulps(less_one, np.expm1(below.astype(np.float64))),
        "sigmoid": ulps(sigmoids, exact_sigmoid(z.astype(np.float64))),
        "sigmoid_slope": ulps(slopes, exact_sigmoid_slope(z.astype(np.float64))),
    }
    return {name: float(error.max()) for name, error in errors.items()}


def train(text, initial, X, Y, optimizer):
    """(weights, losses) after training."""
    from caffe64.engine.textnet.model import Model
    from caffe64.engine.textnet.training import Training
    from caffe64.formats.network import parse_network
    from caffe64.formats.optimizer import Optimizer

    model = Model(parse_network(text))
    model.parameters = model.unpack(initial)
    run, losses = Training(model, X, Y, Optimizer(*optimizer), shuffle=False, threads=1), []
    while not run.finished:
        losses.append(run.run_epoch().loss)
    return model.pack(model.parameters), np.array(losses)


def apart(actual, expected) -> float:
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))


def net_error() -> float:
    """All layers, at widths that are not whole vectors."""
    from . import text_net

    worst = 0.0
    for cap, hidden in (
        ("sce", "rel"),
        ("l2l", "rel"),
        ("sft", "lky 0.25"),
        ("bce", "sig"),
        ("hub 0.5", "bnm"),
        ("sce", "drp 0.25"),
    ):
        lines = ["inp 37 13", "lin 51 -0.5", hidden, "lin 18 0", "smx", "lin 17 0", "tnh", "lin 7 0", cap]
        net, source = text_net.parse(" / ".join(lines)), np.random.default_rng(5)
        blobs, X = text_net.draw(net, 6), source.standard_normal((60, 37)).astype(np.float32)
        Y = text_net.draw_targets(net, 60, source)
        Y, optimizer = Y.astype(np.float32), (0.05, 2, 0.5, 0.01, 0.9, 4)
        weights, losses = train("\n".join(["9", *lines]), np.concatenate(blobs), X, Y, optimizer)
        exact, _, curve = text_net.train(net, blobs, X.astype(np.float64), Y.astype(np.float64), optimizer)
        worst = max(worst, apart(weights, np.concatenate(exact)), apart(losses, curve.mean(axis=1)))
    return worst


def golden_error() -> float:
    from .golden import carried_case

    case = carried_case()
    return apart(train(case.net, case.initial, case.X, case.Y, case.optimizer)[0], case.final)


def caffe_net():
    """Convolutions of all kinds, also of channels that are not whole vectors, and what else a plan knows."""
    from .caffe_graphs import conv, data, give_weights, graph_of, layer

    depthwise = "convolution_param { num_output: 48 group: 48 kernel_size: 3 pad: 1 }"
    strided = "kernel_size: 3 pad: 1 stride: 2"
    pool = "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }"
    graph = graph_of(
        data("2 3 25 23"),
        conv("first", "data", outputs=48, more="stride: 2 pad: 1"),
        layer("r1", "ReLU", "first", "first"),
        layer("three", "Convolution", "first", more="convolution_param { num_output: 48 kernel_size: 3 pad: 1 }"),
        layer("five", "Convolution", "first", more="convolution_param { num_output: 48 kernel_size: 5 pad: 2 }"),
        layer("sum", "Eltwise", "three five", "sum"),
        layer("r2", "ReLU", "sum", "sum"),
        layer("deep", "Convolution", "sum", more=depthwise),
        layer("grouped", "Convolution", "deep", more="convolution_param { num_output: 96 group: 3 kernel_size: 1 }"),
        layer("norm", "LRN", "grouped"),
        layer("deeper", "Convolution", "norm", more=f"convolution_param {{ num_output: 96 group: 96 {strided} }}"),
        layer("odd", "Convolution", "deeper", more="convolution_param { num_output: 21 kernel_size: 1 }"),
        layer("pool", "Pooling", "odd", more=pool),
        layer("slope", "PReLU", "pool"),
        layer("product", "InnerProduct", "slope", more="inner_product_param { num_output: 13 }"),
        layer("prob", "Softmax", "product"),
    )
    give_weights(graph)
    return graph


def caffe_error() -> float:
    from caffe64.engine.graph.plan import Plan

    from .exact_net import exact_blobs
    from .plans import draw_inputs, run_plan

    graph, worst = caffe_net(), 0.0
    inputs = draw_inputs(graph)
    (output,) = graph.outputs
    expected = exact_blobs(graph, inputs)[output][0]
    for exact, fuse, threads in itertools.product([False, True], [False, True], [1, 2]):
        found = run_plan(Plan(graph, exact=exact, fuse=fuse, threads=threads), inputs)[output]
        worst = max(worst, np.abs(found - expected).max() / np.abs(expected).max())
    return float(worst)


def filters_error() -> float:
    from caffe64.engine.graph.ops.filter_gradient import prepare_filter_gradient
    from caffe64.engine.graph.ops.windows import window_of

    from .caffe_graphs import data, graph_of, layer

    worst, source = 0.0, np.random.default_rng(3)
    for outputs, size in itertools.product([5, 16, 33], [3, 8, 21]):
        text = f"convolution_param {{ num_output: {outputs} kernel_size: 3 pad: 1 }}"
        node = graph_of(data(f"2 6 {size} {size}"), layer("c", "Convolution", "data", more=text)).nodes[1]
        x, dy = (source.standard_normal((2, n, size, size)).astype(np.float32) for n in (6, outputs))
        found, wide = np.zeros((outputs, 6, 3, 3), np.float32), np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        prepare_filter_gradient(node, window_of(node, [x.shape]), (size, size), 2)([x], [dy], found)
        windows = np.lib.stride_tricks.sliding_window_view(wide.astype(np.float64), (size, size), (2, 3))
        expected = np.einsum("nohw,ncijhw->ocij", dy.astype(np.float64), windows)
        worst = max(worst, np.abs(found - expected).max() / np.abs(expected).max())
    return float(worst)


if __name__ == "__main__":
    from caffe64.engine.compiler.cpu import LANES

    results = {"gemm": gemm_error(), **elementary_errors(), "net": net_error(), "golden": golden_error()}
    results |= {"caffe": caffe_error(), "filters": filters_error()}
    print(json.dumps({"lanes": LANES} | results))
