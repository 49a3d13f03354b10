"""Convolutions in groups that are not whole blocks of channels, forward and backward by the plan's steps, against
float64 over shapes at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from reference.backward_harness import BackwardRun, run_backward, same_on_all_threads
from reference.caffe_graphs import data, graph_of, layer
from reference.convolutions import convolution_gradients, deconvolution
from reference.plans import check_plan, draw_inputs, run_plan, same_bits, ways
from support import assert_close

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.plan.lowering.merged_groups import MOST_MERGED
from caffe64.engine.products.pixel_tile import PANEL
from caffe64.errors import InputError

TOLERANCE = 5e-6  # of the largest number
OF_GROUP = st.sampled_from([1, 2, 3, 4, LANES // 2, LANES - 1, LANES, LANES + 1, LANES + 4, 2 * LANES + 3])
PLAIN = {"pictures": 2, "stride": (1, 1), "pad": (0, 0), "dilation": (1, 1), "bias": True, "relu": False}
THREE = {**PLAIN, "kernel": (3, 3), "pad": (1, 1), "relu": True}


def pair(values):
    return st.tuples(values, values)


windows = st.fixed_dictionaries(
    {
        "pictures": st.integers(1, 3),
        "size": pair(st.integers(1, 9)),
        "kernel": pair(st.integers(1, 4)),
        "stride": pair(st.integers(1, 3)),
        "pad": pair(st.integers(0, 4)),
        "dilation": pair(st.integers(1, 2)),
        "bias": st.booleans(),
        "relu": st.booleans(),
    }
)


def net(kind, channels, outputs, group, window, addend=False):
    """A layer of `group` groups of so many channels and outputs, a sum and a ReLU behind it."""
    fields = (("kernel_size", "kernel"), *((each, each) for each in ("stride", "pad", "dilation")))
    more = f"num_output: {group * outputs} group: {group} bias_term: {str(window['bias']).lower()}"
    more += "".join(f" {name}: {value}" for name, field in fields for value in window[field])
    shape = f"{window['pictures']} {group * channels} {window['size'][0]} {window['size'][1]}"
    layers = [data(shape), layer("c", kind, "data", more=f"convolution_param {{ {more} }}")]
    if window["relu"]:
        layers.append(layer("r", "ReLU", "s" if addend else "c"))
    try:
        top = infer_shapes(graph_of(*layers[:2]))
    except InputError:
        assume(False)  # the window is larger than the padded picture, or padding leaves no pixels
    if addend:
        (shape,) = (shape for blob, shape in top.items() if blob.name == "c")
        layers[2:2] = [layer("s", "Eltwise", "c other")]
        layers.insert(0, data(" ".join(map(str, shape)), "other"))
    return graph_of(*layers)


def expected(kind, graph, group, window, x, dy, top):
    """dx, dW, db, of a top whose ReLU, if there is one, gave `top`."""
    sizes = {name: window[name] for name in ("stride", "pad", "dilation")}
    filters, bias = (*graph.nodes[1].weights, None)[:2]
    dy = np.where(top > 0, dy, 0) if window["relu"] else dy
    if kind == "Convolution":
        return convolution_gradients(x, filters, dy, group=group, **sizes)
    return deconvolution(x, filters, bias, dy, group=group, **sizes)[1:]


def check(kind, channels, outputs, group, window, run=run_backward, seed=0, **options):
    graph = net(kind, channels, outputs, group, window)
    source, shapes = np.random.default_rng(seed), infer_shapes(graph)
    x, dy = (source.standard_normal(shapes[blob]).astype(np.float32) for blob in (*graph.inputs, *graph.outputs))
    found = run(graph, {"data": x}, [dy], **options)
    (weights,) = found.weights.values()
    wanted = expected(kind, graph, group, window, x, dy, found.tops[0])
    for name, actual, exact in zip(("dx", "dW", "db"), (*found.bottoms, *weights), wanted, strict=False):
        if actual is not None:
            assert_close(name, actual, exact, TOLERANCE * max(np.abs(exact).max(), 1e-6))
    return found


def is_merged(channels, outputs, group):
    """Whether it is neither depthwise nor one group of too many."""
    return max(channels, outputs) > 1 and group <= MOST_MERGED


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
@settings(max_examples=60)
@given(channels=OF_GROUP, outputs=OF_GROUP, group=st.integers(2, LANES + 1), window=windows, seed=st.integers(0, 99))
@example(channels=4, outputs=4, group=2 * LANES, window={**THREE, "size": (7, 5)}, seed=0)
@example(channels=1, outputs=2, group=LANES, window={**THREE, "size": (7, 5)}, seed=0)
@example(channels=LANES // 2, outputs=3, group=2, window={**THREE, "size": (6, 5), "stride": (2, 3)}, seed=0)
@example(channels=20, outputs=80, group=3, window={**PLAIN, "size": (3, 3), "kernel": (1, 1)}, seed=0)
def test_gradients(kind, channels, outputs, group, window, seed):
    assume(is_merged(channels, outputs, group) and (kind == "Convolution" or group * outputs > LANES // 4))
    check(kind, channels, outputs, group, window, seed=seed)


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
@settings(max_examples=60)
@given(
    channels=OF_GROUP, outputs=OF_GROUP, group=st.integers(2, LANES + 1), window=windows, addend=st.booleans(),
    exact=st.booleans(), threads=st.integers(1, 2),
)  # fmt: skip
@example(channels=4, outputs=4, group=2 * LANES, window={**THREE, "size": (7, 5)}, addend=True, exact=True, threads=1)
@example(channels=20, outputs=80, group=3, window={**THREE, "size": (3, 3)}, addend=True, exact=False, threads=2)
def test_values(kind, channels, outputs, group, window, addend, exact, threads):
    """With a sum and a ReLU that are fused, from memory that is NaN."""
    assume(is_merged(channels, outputs, group) and (kind == "Convolution" or group * outputs > LANES // 4))
    graph = net(kind, channels, outputs, group, window, addend)
    plan = check_plan(graph, threads=threads, exact=exact)
    assert len(plan.groups) == 1 + len(graph.inputs)


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
@pytest.mark.parametrize(
    ("channels", "outputs", "group"),
    [(LANES // 2, LANES // 2, 6), (4, 4, 2 * LANES), (1, 2, LANES), (20, 80, 3), (LANES - 1, LANES + 1, LANES)],
)
@pytest.mark.parametrize("size", [(5, 4), (28, 21)])
def test_any_number_of_threads_gives_the_same_bits(kind, channels, outputs, group, size):
    check(kind, channels, outputs, group, {**THREE, "pictures": 3, "size": size}, same_on_all_threads)
    graph = net(kind, channels, outputs, group, {**THREE, "size": size})
    first, *others = (run_plan(Plan(graph, threads=threads), draw_inputs(graph)) for threads in (1, 2, 3, 4))
    assert all(same_bits(first, other) for other in others)


@pytest.mark.parametrize(
    ("wanted", "weights"),
    [([False], [True, True]), ([False], [False, True]), ([False], [True, False]), ([True], [False, False])],
)
def test_what_is_not_wanted_is_not_computed(wanted, weights):
    window = {**THREE, "size": (9, 8)}
    found = check("Convolution", 4, 6, LANES, window, bottoms=wanted, weights=weights)
    assert [each is not None for each in found.bottoms] == wanted
    assert [each is not None for each in found.weights["c"]] == weights


def test_only_the_blocks_of_a_panels_groups_are_read():
    """Steps do not multiply all channels of the merged groups: NaN in others does not spread."""
    group, own = 5, LANES + 1
    graph = net("Convolution", own, own, group, {**PLAIN, "size": (3, 3), "kernel": (1, 1)})
    inputs = draw_inputs(graph)
    (x,) = inputs.values()
    x[:, -own:] = np.nan
    (y,) = run_plan(Plan(graph, threads=1), inputs).values()
    assert np.isnan(y[:, -own:]).all()
    assert not np.isnan(y[:, : PANEL * LANES]).any()


@pytest.mark.parametrize(
    ("channels", "outputs", "group", "how"),
    [
        (4, 4, 32, "direct"),
        (8, 8, 32, "direct"),
        (80, 20, 3, "direct"),
        (1, 2, 64, "direct"),
        (1, 1, 64, "depthwise"),
        (LANES + 1, 3, 2 * MOST_MERGED + 1, ""),
    ],
)
def test_the_algorithm(channels, outputs, group, how):
    """Packed filters of very many groups that are no blocks would be too large."""
    graph = net("Convolution", channels, outputs, group, {**THREE, "size": (4, 4)})
    (lowered,) = (how for name, how in ways(Plan(graph)).items() if name == "c")
    assert (lowered.algorithm if lowered else "") == how
    if how:
        assert BackwardRun(graph, None).how.algorithm == how


def test_a_sum_behind_one_filter_per_channel_is_its_own_step():
    graph = net("Convolution", 1, 1, 2 * LANES, {**THREE, "size": (4, 4)}, addend=True)
    assert ways(Plan(graph))["c"].algorithm == "depthwise"
