"""Products with the sums and ReLUs behind them, run as one: which are taken in, and that the outputs stay."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import conv, data, graph_of, layer
from reference.plans import check_plan, draw_inputs, run_plan
from support import assert_close

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan import Plan

CHANNELS = 2 * LANES
KEPT = "pad: 1"
PLAIN_SUM, ONES = "", "eltwise_param { coeff: 1 coeff: 1 }"


def product(name, bottom, kind, channels=CHANNELS):
    """A convolution, or its adjoint, that keeps the shape: plain, Winograd's, depthwise."""
    if kind == "depthwise":
        return conv(name, bottom, outputs=channels, more=f"pad: 1 group: {channels}")
    kind, sizes = {
        "direct": ("Convolution", "kernel_size: 1"),
        "winograd": ("Convolution", "kernel_size: 3 pad: 1"),
        "adjoint": ("Deconvolution", "kernel_size: 4 dilation: 2 pad: 3"),
        "adjoint winograd": ("Deconvolution", "kernel_size: 3 pad: 1"),
    }[kind]
    return layer(name, kind, bottom, more=f"convolution_param {{ num_output: {channels} {sizes} }}")


def groups(plan):
    """The names of the layers that run as one, where they are several."""
    owners = dict.fromkeys(each.owner for each in plan.actions if each.owner)
    return ["+".join(node.name for node in owner.nodes) for owner in owners if len(owner.nodes) > 1]


def check_both(*layers, shape=f"2 {CHANNELS} 9 7", **options):
    """Both ways against float64; the groups of the fused one."""
    graph = graph_of(data(shape), *layers)
    plans = [check_fused(graph, fuse=fuse, **options) for fuse in (True, False)]
    assert groups(plans[1]) == []
    return groups(plans[0])


def check_fused(graph, *, exact=True, **options):
    """Plain sums within what float32 may be off; Winograd's within 1e-5 of the largest, beside the plain sums."""
    plan = check_plan(graph, exact=True, **options)
    if exact:
        return plan
    inputs = draw_inputs(graph)
    plain, quick = run_plan(plan, inputs), Plan(graph, **options)
    for blob, values in run_plan(quick, inputs).items():
        assert_close(blob.name, values, plain[blob], 1e-5 * abs(plain[blob]).max())
    return quick


@pytest.mark.parametrize("kind", ["direct", "winograd", "adjoint", "adjoint winograd"])
@pytest.mark.parametrize("order", ["c other", "other c"])
@pytest.mark.parametrize("eltwise", [PLAIN_SUM, ONES])
@pytest.mark.parametrize("relu", ["", "in place", "apart"])
def test_a_sum_with_what_is_there_already(kind, order, eltwise, relu):
    layers = [conv("other", "data", outputs=CHANNELS, more=KEPT), product("c", "data", kind)]
    layers.append(layer("s", "Eltwise", order, more=eltwise))
    if relu:
        layers.append(layer("r", "ReLU", "s", "s" if relu == "in place" else "r"))
    expected = "c+s+r" if relu else "c+s"
    assert check_both(*layers, exact="winograd" not in kind) == [expected]


@pytest.mark.parametrize("kind", ["direct", "winograd", "adjoint", "adjoint winograd"])
@pytest.mark.parametrize("channels", [LANES + 1, 3 * LANES, 20])
@pytest.mark.parametrize("shape", ["1 {} 1 1", "2 {} 5 13"])
def test_the_bottom_itself_is_added(kind, channels, shape):
    layers = [product("c", "data", kind, channels), layer("s", "Eltwise", "data c"), layer("r", "ReLU", "s")]
    assert check_both(*layers, shape=shape.format(channels), exact="winograd" not in kind) == ["c+s+r"]


def test_the_later_of_two_products_takes_the_sum():
    layers = [product("a", "data", "direct"), product("b", "data", "direct"), layer("s", "Eltwise", "b a")]
    assert check_both(*layers, layer("r", "ReLU", "s")) == ["b+s+r"]


def test_a_branch_that_is_computed_later():
    """The product is there first; the sum is the other branch's, whose last layer is not a product."""
    branch = [layer("n", "BatchNorm", "data"), layer("m", "Scale", "n", more="scale_param { bias_term: true }")]
    layers = [product("c", "data", "direct"), *branch, layer("s", "Eltwise", "c m"), layer("r", "ReLU", "s")]
    assert check_both(*layers) == ["s+r"]


def test_a_branch_of_other_readers():
    """What is added is read before, by the same layer, and afterwards, with and without zeros around it."""
    layers = [
        conv("other", "data", outputs=CHANNELS, more=KEPT),
        conv("early", "other", outputs=5, more="pad: 2"),
        product("c", "other", "direct"),
        layer("s", "Eltwise", "other c"),
        conv("late", "other", outputs=3),
        layer("a", "AbsVal", "other"),
    ]
    assert check_both(*layers) == ["c+s"]


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("coefficients", "eltwise_param { coeff: 1 coeff: -1 }"),
        ("product", "eltwise_param { operation: PROD }"),
        ("maximum", "eltwise_param { operation: MAX }"),
    ],
)
def test_other_combinations_are_not_plain_sums(name, more):
    layers = [product("c", "data", "direct"), layer("e", "Eltwise", "data c", more=more), layer("r", "ReLU", "e")]
    assert check_both(*layers) == ["e+r"], name


def test_sums_that_are_not_taken_in():
    layers = [
        product("twice", "data", "direct"),
        layer("s", "Eltwise", "twice twice"),
        product("three", "data", "direct"),
        layer("t", "Eltwise", "s three data"),
        product("read", "data", "direct"),
        layer("u", "Eltwise", "read t"),
        layer("w", "AbsVal", "read"),
    ]
    assert check_both(*layers) == []


def test_activations_that_are_not_taken_in():
    """Another reader, so that the value before is needed; a function that plans do not know; one inside already."""
    layers = [
        product("c", "data", "direct"),
        layer("a", "AbsVal", "c"),
        product("d", "a", "direct"),
        layer("r", "ReLU", "d"),
        layer("b", "AbsVal", "d"),
        product("e", "r", "direct"),
        layer("leaky", "ReLU", "e", more="relu_param { negative_slope: 0.5 }"),
        layer("t", "TanH", "leaky"),
    ]
    assert check_both(*layers) == ["e+leaky"]


def test_a_sum_behind_a_relu_is_another_group():
    layers = [product("c", "data", "direct"), layer("r", "ReLU", "c"), layer("s", "Eltwise", "r data")]
    assert check_both(*layers, layer("t", "ReLU", "s")) == ["c+r", "s+t"]


@pytest.mark.parametrize(("group", "fused"), [(CHANNELS, []), (4, ["c+s+r"])])
def test_one_filter_per_channel_adds_nothing(group, fused):
    layers = [conv("c", "data", outputs=CHANNELS, more=f"pad: 1 group: {group}"), layer("s", "Eltwise", "c data")]
    assert check_both(*layers, layer("r", "ReLU", "s")) == fused


def test_depthwise_and_its_relu():
    assert check_both(product("c", "data", "depthwise"), layer("r", "ReLU", "c", "c")) == ["c+r"]


@pytest.mark.parametrize("outputs", [1, LANES - 1, LANES, 2 * LANES + 1])
def test_inner_products(outputs):
    text = f"inner_product_param {{ num_output: {outputs} }}"
    layers = [layer("p", "InnerProduct", "data", more=text), layer("q", "InnerProduct", "data", more=text)]
    layers += [layer("s", "Eltwise", "p q"), layer("r", "ReLU", "s")]
    assert check_both(*layers, shape="5 3 4 2") == ["q+s+r"]


def test_sums_of_a_split_and_of_a_view():
    """The other branch is known by another name, or lies as Caffe has it."""
    layers = [
        layer("i", "Split", "data", "i1 i2"),
        product("c", "i1", "direct"),
        layer("s", "Eltwise", "i2 c"),
        layer("v", "Reshape", "data", more=f"reshape_param {{ shape {{ dim: 2 dim: {CHANNELS} dim: 9 dim: 7 }} }}"),
        product("d", "s", "direct"),
        layer("t", "Eltwise", "v d"),
        layer("r", "ReLU", "t"),
    ]
    assert check_both(*layers) == ["c+s", "d+t+r"]


kinds = st.sampled_from(["direct", "winograd", "depthwise", "Scale", "ReLU", "AbsVal", "sum", "sum", "sum"])
steps = st.lists(st.tuples(kinds, st.integers(0, 1 << 16), st.integers(0, 1 << 16)), min_size=2, max_size=12)


@settings(max_examples=80)
@given(chosen=steps, channels=st.sampled_from([3, LANES, LANES + 1, CHANNELS]))
def test_random_nets_of_sums(chosen, channels):
    layers, blobs = [], ["data"]
    for number, (kind, first, second) in enumerate(chosen):
        name, bottoms = f"l{number}", [blobs[-1 - first % len(blobs)], blobs[-1 - second % len(blobs)]]
        if kind == "sum":
            layers.append(layer(name, "Eltwise", " ".join(bottoms)))
        elif kind in ("Scale", "ReLU", "AbsVal"):
            layers.append(layer(name, kind, bottoms[0]))
        else:
            layers.append(product(name, bottoms[0], kind, channels))
        blobs.append(name)
    check_both(*layers, shape=f"2 {channels} 5 6")


@pytest.mark.parametrize(
    "fields", ["kernel_size: 2 stride: 2", "kernel_size: 3 stride: 2 pad: 1", "pool: AVE kernel_size: 2"]
)
def test_maxima_with_a_relu_are_one(fields):
    layers = [
        conv("c", "data", outputs=CHANNELS, more=KEPT),
        layer("p", "Pooling", "c", more=f"pooling_param {{ {fields} }}"),
        layer("r", "ReLU", "p"),
    ]
    assert check_both(*layers) == ([] if "AVE" in fields else ["p+r"])
