"""BatchNorm and BN by the statistics of each batch, alone and as one with Scale and ReLU, forward and backward, against
float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference.backward_harness import BackwardRun, run_backward
from reference.caffe_graphs import data, graph_of, layer
from reference.plans import draw_inputs, run_again, run_plan, same_bits, ways

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.ir.ownership import own_parameters
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.plan.groups import find_groups
from caffe64.engine.graph.plan.lowering.lines import PART_VECTORS, STRETCH_VECTORS
from caffe64.engine.graph.plan.storage import NO_HALO

CHANNELS = st.sampled_from([1, LANES - 1, LANES, LANES + 1, 2 * LANES])
SHAPES = st.one_of(
    st.tuples(st.integers(1, 5), CHANNELS),
    st.tuples(st.integers(1, 3), CHANNELS, st.integers(1, 9), st.integers(1, 9)),
)
MANY = (3, LANES + 1, 61, 3 * PART_VECTORS // (3 * 61) + 1)  # parts of several stretches, of lines of one row
WIDE = (2, 3, 1, 4 * PART_VECTORS)  # fewer lines than parts
BATCH = "batch_norm_param { use_global_stats: false moving_average_fraction: 0.9 }"
BETA = "scale_param { bias_term: true }"
KINDS = {
    "BatchNorm": [("BatchNorm", BATCH)],
    "BatchNorm, Scale": [("BatchNorm", BATCH), ("Scale", BETA)],
    "BatchNorm, Scale without beta, ReLU": [("BatchNorm", BATCH), ("Scale", ""), ("ReLU", "")],
    "BatchNorm, Scale, ReLU": [("BatchNorm", BATCH), ("Scale", BETA), ("ReLU", "")],
    "BatchNorm, ReLU": [("BatchNorm", BATCH), ("ReLU", "")],
    "BN": [("BN", "bn_param { momentum: 0.8 }")],
    "BN of SegNet, ReLU": [("BN", "bn_param { bn_mode: LEARN }"), ("ReLU", "")],
}
# Of the largest value: sums of squares have the rounding of some hundred float32 additions at the worst.
TOLERANCE = 1e-5
RIM = (1, 2, 1, 1)  # a halo
few = settings(max_examples=25)


def net(kind, shape, phase="TRAIN"):
    layers = [layer(f"l{n}", *each[:1], "data" if n == 0 else "x", "x", each[1]) for n, each in enumerate(KINDS[kind])]
    return graph_of(data(" ".join(map(str, shape))), *layers, phase=phase)


class Exactly:
    """In float64, from the definition; `dy` is 0 where rounding may decide whether a ReLU passes it on."""

    def __init__(self, graph, x, dy):
        nodes = {node.type: node for node in graph.nodes}
        axes, form = (0, *range(2, x.ndim)), (1, -1, *[1] * (x.ndim - 2))
        x, number = x.astype(np.float64), x.size // x.shape[1]
        self.mean, self.variance = x.mean(axes), x.var(axes)
        eps = 1e-9 if "bn_mode: LEARN" in str(graph.nodes[1].origin) else 1e-5
        deviation = np.sqrt(self.variance + eps).reshape(form)
        normal = (x - self.mean.reshape(form)) / deviation
        affine = nodes.get("Scale") or nodes.get("BN")
        gamma, beta = [*(affine.weights if affine else []), None, None][:2]
        gamma = (np.ones(x.shape[1]) if gamma is None else gamma.astype(np.float64)).reshape(form)
        beta = (np.zeros(x.shape[1]) if beta is None else beta.astype(np.float64)).reshape(form)
        self.y = normal * gamma + beta
        if "ReLU" in nodes:
            dy[np.abs(self.y) < 1e-4] = 0
            passed = np.where(self.y > 0, dy, 0.0)
            self.y = np.maximum(self.y, 0)
        else:
            passed = dy.astype(np.float64)
        self.dgamma, self.dbeta = (passed * normal).sum(axes), passed.sum(axes)
        share = number * deviation / gamma
        sums, products = (each.reshape(form) for each in (self.dbeta, self.dgamma))
        self.dx = (number * passed - sums - normal * products) / share
        self.dx_scale = np.abs(passed / (deviation / gamma)).max()
        self.sum_scale = max(1.0, float(np.abs(passed).sum(axes).max()))
        self.unbiased = self.variance * (number / (number - 1) if number > 1 else 1)


def drawn(shape, location, scale, seed=0):
    source = np.random.default_rng(seed)
    x = (source.standard_normal(shape) * scale + location).astype(np.float32)
    return x, source.standard_normal(shape).astype(np.float32)


def close(found, expected, scale=1.0):
    error = np.abs(found - expected).max()
    assert error <= TOLERANCE * scale, f"{error:.3g} of {scale:.3g}"


@pytest.mark.parametrize("kind", KINDS)
@few
@given(
    shape=SHAPES,
    spread=st.sampled_from([(0, 1), (1e4, 1e-2), (-300, 30), (3, 0)]),
    rim=st.booleans(),
    masked=st.booleans(),
)
@example(shape=MANY, spread=(0, 1), rim=False, masked=False)
@example(shape=MANY, spread=(1e4, 1e-2), rim=True, masked=False)
@example(shape=WIDE, spread=(50, 1), rim=False, masked=True)
@example(shape=(1, 1, 1, 1), spread=(1e4, 1), rim=False, masked=False)
@example(shape=(2, 1, 2, STRETCH_VECTORS + 1), spread=(0, 1), rim=False, masked=False)
def test_against_float64(kind, shape, spread, rim, masked):
    """Of few deviations around a mean that is many of them, of constant channels, with and without a halo."""
    graph, (x, dy) = net(kind, shape), drawn(shape, *spread)
    exactly = Exactly(graph, x, dy)
    found = run_backward(graph, {"data": x}, [dy], threads=2, rim=RIM if rim else NO_HALO, masked=masked)
    close(found.tops[0], exactly.y, max(1.0, np.abs(exactly.y).max()))
    dx = np.where(x > 0, exactly.dx, 0) if masked else exactly.dx
    close(found.bottoms[0], dx, exactly.dx_scale)
    affine = next((node.name for node in graph.nodes if node.type in ("Scale", "BN")), None)
    for gradient, expected in zip(found.weights.get(affine, [])[:2], (exactly.dgamma, exactly.dbeta), strict=False):
        close(gradient.reshape(-1), expected, exactly.sum_scale)


def test_the_first_pixels_may_be_far_from_the_others():
    """The sums are of what is left after a vector has been subtracted that is the mean of some of them."""
    shape = (2, 3, 64, 64)
    graph, (x, dy) = net("BatchNorm, Scale", shape), drawn(shape, 1e4, 1)
    x[0, :, 0, 0] = 0
    exactly, found = Exactly(graph, x, dy), run_backward(graph, {"data": x}, [dy])
    close(found.tops[0], exactly.y, np.abs(exactly.y).max())
    close(found.bottoms[0], exactly.dx, exactly.dx_scale)


@few
@given(shape=SHAPES, kind=st.sampled_from(["BatchNorm", "BN"]))
def test_moving_averages(shape, kind):
    """Each run adds to them, as the layer by itself, and counts as a write to these blobs alone."""
    graph, (x, _) = net(kind, shape), drawn(shape, 2, 1)
    own_parameters(graph)
    node, exactly = graph.nodes[1], Exactly(graph, x, x.copy())
    before = [blob.reshape(-1).astype(np.float64) for blob in node.weights]
    versions = node.held.owner.versions.copy()
    plan = Plan(graph, threads=2)
    assert ways(plan)["l0"]
    for _ in range(2):
        run_plan(plan, {graph.inputs[0]: x})
        if kind == "BatchNorm":
            values = exactly.mean, exactly.unbiased, np.ones(1)
            before = [0.9 * old + new for old, new in zip(before, values, strict=True)]
        else:
            values = exactly.mean, exactly.variance
            before[2:] = [0.8 * old + 0.2 * new for old, new in zip(before[2:], values, strict=True)]
    for found, expected in zip(node.weights, before, strict=True):
        close(found.reshape(-1), expected, max(1.0, np.abs(expected).max()))
    counted = node.held.owner.versions - versions
    assert counted.tolist() == ([2, 2, 2] if kind == "BatchNorm" else [0, 0, 2, 2])


def test_averages_of_another_net_after_its_weights_have_been_taken_over():
    shape = (2, 3, 4, 4)
    one, other = (net("BatchNorm", shape) for _ in range(2))
    x, _ = drawn(shape, 2, 1)
    for graph in (one, other):
        own_parameters(graph)
    plan = Plan(one)
    run_plan(plan, {one.inputs[0]: x})
    kept = [blob.copy() for blob in one.nodes[1].weights]
    mine, theirs = one.nodes[1].weights, other.nodes[1].weights
    other.nodes[1].weights[2][...] = 0
    one.nodes[1].weights, one.nodes[1].held = theirs, other.nodes[1].held
    run_plan(plan, {one.inputs[0]: x})
    assert theirs[2] == 1
    for before, after in zip(kept, mine, strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("shape", [MANY, (100, 2 * LANES + 1, 5, 5), (7, 3 * LANES)])
def test_the_same_bits_for_any_number_of_threads(shape):
    x, dy = drawn(shape, 1, 2)
    runs = []
    for threads in (1, 2, 3, 4):
        graph = net("BatchNorm, Scale, ReLU", shape)
        found = run_backward(graph, {"data": x}, [dy], threads=threads)
        arrays = [found.tops[0], found.bottoms[0], *found.weights["l1"], *graph.nodes[1].weights]
        runs.append(b"".join(array.tobytes() for array in arrays))
    assert len(set(runs)) == 1


@pytest.mark.parametrize(
    ("needed", "learned", "steps"),
    [
        (True, True, ["sum_gradients", "find_slopes", "normalise_back"]),
        (True, False, ["sum_gradients", "find_slopes", "normalise_back"]),
        (False, True, ["sum_gradients", "find_slopes"]),
        (False, False, []),
    ],
)
def test_only_steps_whose_results_are_needed(needed, learned, steps):
    shape = (2, 5, 4, 4)
    graph, (x, dy) = net("BatchNorm, Scale, ReLU", shape), drawn(shape, 1, 2)
    exactly, wanted = Exactly(graph, x, dy), [False] * 3 + [learned] * 2
    run = BackwardRun(graph, {"data": x}, bottoms=[needed], weights=wanted)
    assert [step.kernel.__name__ for step in run.steps[run.middle :]] == steps
    run.forward()
    run.backward([dy])
    gamma, beta = run.found([]).weights["l1"]
    if learned:
        close(gamma, exactly.dgamma, exactly.sum_scale)
        close(beta, exactly.dbeta, exactly.sum_scale)
    if needed:
        close(run.found([]).bottoms[0], exactly.dx, exactly.dx_scale)


def test_nan_stays():
    """In its channel alone."""
    shape = (2, LANES + 1, 4, 4)
    graph, (x, dy) = net("BatchNorm, Scale, ReLU", shape), drawn(shape, 1, 2)
    x[1, 2, 3, 3] = np.nan
    found = run_backward(graph, {"data": x}, [dy])
    for values in (found.tops[0], found.bottoms[0]):
        nan = np.isnan(values).any(axis=(0, 2, 3))
        assert nan.tolist() == [channel == 2 for channel in range(shape[1])]


@few
@given(shape=SHAPES, behind=st.booleans())
def test_in_a_plan(shape, behind):
    """In place where nothing else reads the bottom, and in front of a convolution, with zeros around."""
    layers = [layer("a", "AbsVal", "data"), layer("b", "BatchNorm", "a", more=BATCH)]
    if behind and len(shape) == 4:
        layers.append(layer("c", "Convolution", "b", more="convolution_param { num_output: 3 kernel_size: 3 pad: 2 }"))
    graph = graph_of(data(" ".join(map(str, shape))), *layers)
    inputs = draw_inputs(graph)
    (x,) = inputs.values()
    plans = [Plan(graph, threads=threads, exact=True) for threads in (1, 3)]
    results = [run_plan(plan, inputs) for plan in plans]
    assert same_bits(*results)
    assert same_bits(results[0], run_again(plans[0], inputs))
    if len(layers) == 2:
        close(next(iter(results[0].values())), Exactly(graph, np.abs(x), x.copy()).y, 4.0)


def names(groups):
    return [[node.name for node in group.nodes] for group in groups if group.main.type != "Input"]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([("BatchNorm", BATCH), ("Scale", BETA), ("ReLU", "")], [["l0", "l1", "l2"]]),
        ([("BatchNorm", BATCH), ("ReLU", ""), ("Scale", "")], [["l0", "l1"], ["l2"]]),
        ([("BatchNorm", BATCH), ("Scale", ""), ("Scale", "")], [["l0", "l1"], ["l2"]]),
        ([("BatchNorm", BATCH), ("Scale", "scale_param { axis: 0 }")], [["l0"], ["l1"]]),
        ([("BatchNorm", BATCH), ("Scale", "scale_param { num_axes: 2 }")], [["l0"], ["l1"]]),
        ([("BatchNorm", BATCH), ("Scale", ""), ("ReLU", "relu_param { negative_slope: 0.1 }")], [["l0", "l1"], ["l2"]]),
        ([("BatchNorm", "batch_norm_param { use_global_stats: true }"), ("Scale", "")], [["l0"], ["l1"]]),
        ([("BN", ""), ("Scale", "")], [["l0"], ["l1"]]),
        ([("BN", ""), ("ReLU", "")], [["l0", "l1"]]),
    ],
)
def test_groups(layers, expected):
    texts = [layer(f"l{n}", kind, f"l{n - 1}" if n else "data", more=more) for n, (kind, more) in enumerate(layers)]
    graph = graph_of(data("2 3 4 5"), *texts, phase="TRAIN")
    shapes, (first, *others) = infer_shapes(graph), graph.nodes[1:]
    for backward in ([], [first, *others]):
        assert names(find_groups(graph, shapes, fuse=True, backward=backward)) == expected
    alone = [[f"l{n}"] for n in range(len(layers))]
    assert names(find_groups(graph, shapes, fuse=False, backward=graph.nodes)) == alone
    assert names(find_groups(graph, shapes, fuse=True, backward=others))[0] == alone[0]


def test_no_group_where_another_layer_reads_what_is_inside():
    texts = [layer("b", "BatchNorm", "data", more=BATCH), layer("s", "Scale", "b"), layer("a", "AbsVal", "b")]
    graph = graph_of(data("2 3 4 5"), *texts, phase="TRAIN")
    found = names(find_groups(graph, infer_shapes(graph), fuse=True, backward=graph.nodes))
    assert found == [["b"], ["s"], ["a"]]
