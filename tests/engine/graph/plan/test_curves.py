"""Element-wise functions, behind products and by themselves, against float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import data, graph_of, layer
from reference.plans import check_plan, draw_inputs, run_plan, same_bits, ways

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.plan.storage import StorageKind
from caffe64.engine.graph.reference import Interpreter

FUNCTIONS = {  # by a name: layer type and parameters
    "Sigmoid": ("Sigmoid", ""),
    "Swish": ("Swish", ""),
    "Swish of twice": ("Swish", "swish_param { beta: 2 }"),
    "TanH": ("TanH", ""),
    "ELU": ("ELU", "elu_param { alpha: 0.5 }"),
    "Clip": ("Clip", "clip_param { min: 0 max: 1.5 }"),
    "Clip above 0": ("Clip", "clip_param { min: 0.25 max: 0.75 }"),
    "leaky": ("ReLU", "relu_param { negative_slope: 0.25 }"),
    "PReLU": ("PReLU", ""),
    "PReLU, one slope": ("PReLU", "prelu_param { channel_shared: true }"),
    "Power": ("Power", "power_param { scale: -2 shift: 0.5 }"),
    "Mish": ("Mish", ""),
    "BNLL": ("BNLL", ""),
    "SELU": ("SELU", ""),
    "HardSigmoid": ("HardSigmoid", "hard_sigmoid_param { alpha: 0.25 beta: 0.375 }"),
    "HSwish": ("HSwish", ""),
    "ReLU6": ("ReLU6", ""),
    "leaky ReLU6": ("ReLU6", "relu6_param { negative_slope: 0.25 }"),
}
PRODUCTS = {
    "direct": ("Convolution", "convolution_param { num_output: %d kernel_size: 1 }"),
    "strided": ("Convolution", "convolution_param { num_output: %d kernel_size: 3 pad: 1 stride: 2 }"),
    "winograd": ("Convolution", "convolution_param { num_output: %d kernel_size: 3 pad: 1 }"),
    "depthwise": ("ConvolutionDepthwise", "convolution_param { num_output: %d kernel_size: 3 pad: 1 }"),
    "upsampled": ("Deconvolution", "convolution_param { num_output: %d kernel_size: 4 pad: 1 stride: 2 }"),
    "mirrored": ("Deconvolution", "convolution_param { num_output: %d kernel_size: 3 pad: 1 }"),
    "product": ("InnerProduct", "inner_product_param { num_output: %d }"),
    "eltwise": ("Eltwise", "eltwise_param { operation: PROD }"),
}
SIZES = [1, LANES - 1, LANES, LANES + 1, 2 * LANES, 3 * LANES + 1, 9 * LANES]
PADDED = "convolution_param { num_output: 5 kernel_size: 3 pad: 2 }"  # wants zeros around what it reads
every_function = pytest.mark.parametrize("name", FUNCTIONS)


def function(name, bottom, top="f"):
    kind, more = FUNCTIONS[name]
    return layer(top, kind, bottom, top, more)


def made_by(how, channels, bottom="data"):
    kind, more = PRODUCTS[how]
    return layer(
        "p", kind, f"{bottom} {bottom}" if kind == "Eltwise" else bottom, more=more % channels if "%d" in more else more
    )


def pointwise(name, bottom, outputs):
    return layer(name, "Convolution", bottom, more=PRODUCTS["direct"][1] % outputs)


def grouped(plan):
    return [[node.name for node in group.nodes] for group in plan.groups if len(group.nodes) > 1]


@every_function
@pytest.mark.parametrize("how", PRODUCTS)
def test_a_function_behind_a_product_is_part_of_it(name, how):
    """Also of channels that do not fill their last block, in the plan whose products are Winograd's too."""
    for channels in (2 * LANES, LANES + 3):
        shape = f"2 {channels} 9 7"
        graph = graph_of(data(shape), made_by(how, channels), function(name, "p"))
        plan = check_plan(graph, exact=True)
        assert grouped(plan) == [["p", "f"]]
        inputs = draw_inputs(graph)
        (quick,), (plain,) = (run_plan(Plan(graph, exact=exact), inputs).values() for exact in (False, True))
        np.testing.assert_allclose(quick, plain, atol=2e-5 * abs(plain).max())


@every_function
@pytest.mark.parametrize("how", ["direct", "winograd", "mirrored"])
def test_a_function_behind_a_sum_with_an_earlier_blob(name, how):
    layers = [made_by(how, 2 * LANES), layer("s", "Eltwise", "data p"), function(name, "s")]
    plan = check_plan(graph_of(data(f"1 {2 * LANES} 6 5"), *layers), exact=True)
    assert grouped(plan) == [["p", "s", "f"]]


@every_function
@pytest.mark.parametrize("size", ["9 8", "40 40"])
def test_functions_of_a_depthwise_convolution_and_of_the_one_behind_it(name, size):
    """Small pictures go through both at once, large ones by stretches."""
    channels, outputs = 2 * LANES + 1, 3 * LANES
    layers = [made_by("depthwise", channels), function(name, "p", "f")]
    layers += [pointwise("q", "f", outputs), function(name, "q", "g")]
    plan = check_plan(graph_of(data(f"1 {channels} {size}"), *layers), exact=True)
    assert "separable" in plan.groups.values()
    assert grouped(plan) == [["p", "f", "q", "g"]]


@every_function
@settings(max_examples=15)
@given(
    pictures=st.integers(1, 2),
    channels=st.sampled_from(SIZES),
    size=st.lists(st.integers(1, 9), min_size=0, max_size=2),
    behind=st.booleans(),
)
def test_a_function_by_itself(name, pictures, channels, size, behind):
    """Of an input as Caffe stores it, and between layers that want blocks of channels, with zeros around them."""
    layers = [function(name, "data")]
    if behind and len(size) == 2:
        layers = [layer("n", "BatchNorm", "data"), function(name, "n"), layer("c", "Convolution", "f", more=PADDED)]
    plan = check_plan(graph_of(data(" ".join(map(str, (pictures, channels, *size)))), *layers), exact=True)
    assert ways(plan)["f"]


@pytest.mark.parametrize("shape", ["7", f"2 3 2 2 {LANES}"])
@pytest.mark.parametrize("name", ["leaky", "Sigmoid", "Clip"])
def test_a_function_of_one_and_of_five_axes(name, shape):
    assert ways(check_plan(graph_of(data(shape), function(name, "data"))))["f"]


@every_function
def test_a_function_works_where_its_bottom_lies(name):
    """It is not moved: neither to blocks nor from them. Per channel, it wants blocks."""
    shape, more = f"1 {LANES + 1} 5 4", "reshape_param { shape { dim: 0 dim: 0 dim: -1 } }"
    layers = [layer("v", "Reshape", "data", more=more), function(name, "v")]
    plan = Plan(graph_of(data(shape), *layers))
    moves = [action for action in plan.actions if action.is_move]
    assert bool(moves) == (name == "PReLU")
    plan = Plan(graph_of(data(f"1 {LANES} 5 4"), layer("n", "BatchNorm", "data"), function(name, "n")))
    kinds = {action.tops[0].kind for action in plan.actions if action.owner and action.owner.main.name == "f"}
    assert StorageKind.BLOCKED in kinds
    assert len({action.tops[0].memory for action in plan.actions if action.lowered}) == 1


@every_function
@pytest.mark.parametrize("how", [*PRODUCTS, None])
def test_lanes_behind_the_last_channel_stay_zero(name, how):
    """Whatever f(0) is: a product of zero weights and inf there would be NaN in all channels."""
    channels = LANES + 3
    first = made_by(how, channels) if how else layer("p", "BatchNorm", "data")
    graph = graph_of(data(f"1 {channels} 5 4"), first, function(name, "p"), layer("m", "AbsVal", "f"))
    plan = Plan(graph)
    run_plan(plan, draw_inputs(graph))
    storages = [top for action in plan.actions if not action.is_move for top in action.tops]
    (last,) = [top for top in storages if top.kind is StorageKind.BLOCKED][-1:]
    number = next(n for n, action in enumerate(plan.actions) if action.is_move and last in action.bottoms)
    for before in range(number + 1):
        plan.run_action(before)
    raw = plan.arena[last.memory.offset : last.memory.offset + last.size].view(np.float32)
    filled = raw.reshape(1, last.planes, -1, LANES)
    assert not filled[:, -1, :, channels % LANES :].any()
    assert filled.any()


@every_function
@pytest.mark.parametrize("how", ["direct", "winograd", "depthwise", None])
def test_any_number_of_threads_gives_the_same_bits(name, how):
    channels = 5 * LANES + 1
    first = made_by(how, channels) if how else layer("p", "BatchNorm", "data")
    graph = graph_of(data(f"2 {channels} 19 23"), first, function(name, "p"))
    inputs = draw_inputs(graph)
    expected = run_plan(Plan(graph, threads=1), inputs)
    for threads in (2, 3):
        plan = Plan(graph, threads=threads)
        assert all(same_bits(run_plan(plan, inputs), expected) for _ in range(3))


def with_one_weight(name, values):
    """A 1 x 1 convolution that copies its one channel, and the function: what it gives for `values`."""
    graph = graph_of(
        data(f"1 1 1 {len(values)}"),
        layer("p", "Convolution", "data", more="convolution_param { num_output: 1 kernel_size: 1 bias_term: false }"),
        function(name, "p"),
    )
    graph.nodes[1].weights[0][...] = 1
    plan = Plan(graph)
    assert grouped(plan) == [["p", "f"]]
    (blob,) = graph.inputs
    ((top, found),) = run_plan(plan, {blob: np.reshape(values, (1, 1, 1, -1))}).items()
    interpreter = Interpreter(graph)
    interpreter.arrays[blob][...] = np.reshape(values, (1, 1, 1, -1))
    interpreter.forward()
    return found.reshape(-1), interpreter.arrays[top].reshape(-1)


@every_function
def test_not_finite_values_inside_a_product(name):
    """As by itself, but that bounds of the product's own do not hide NaN, and make -inf 0."""
    found, reference = with_one_weight(name, np.array([np.nan, np.inf, -np.inf, 0, -100, 100], np.float32))
    if name == "Clip":
        assert np.isnan(found[0])
        assert reference[0] == 0
        reference[0] = np.nan
    if name == "ReLU6":
        assert np.isnan(reference[2])
        reference[2] = 0
    np.testing.assert_allclose(found, reference, rtol=1e-6, atol=1e-44)


@pytest.mark.parametrize("kind", ["Sigmoid", "Swish"])
def test_small_scores_lose_no_digits(kind):
    x = -np.linspace(0, 86, 1000, dtype=np.float32)
    found, _ = with_one_weight(kind, x)
    exact = np.exp(x.astype(np.float64)) / (1 + np.exp(x.astype(np.float64))) * (x if kind == "Swish" else 1)
    np.testing.assert_allclose(found, exact, rtol=4 * 2.0**-23)


def test_functions_that_are_not_taken_in():
    """The value before is read by another layer, is an output, or has a dropout of training behind it."""
    shape = f"1 {LANES} 5 4"
    twice = [made_by("direct", LANES), function("Swish", "p"), layer("e", "Eltwise", "p f")]
    assert grouped(check_plan(graph_of(data(shape), *twice), exact=True)) == []
    second = [made_by("direct", LANES), function("TanH", "p"), function("Sigmoid", "f", "g")]
    assert grouped(check_plan(graph_of(data(shape), *second), exact=True)) == [["p", "f"]]
    dropped = [made_by("direct", LANES), layer("d", "Dropout", "p"), function("Sigmoid", "d")]
    graph = graph_of(data(shape), *dropped)
    graph.nodes[2].phase = "TRAIN"
    assert grouped(Plan(graph)) == []


# ----------------------------------------------------------------------------- one number per picture and channel
@pytest.mark.parametrize("kind", ["Scale", "Bias"])
@settings(max_examples=25)
@given(
    pictures=st.integers(1, 3),
    channels=st.sampled_from(SIZES),
    size=st.lists(st.integers(1, 9), min_size=1, max_size=2),
    behind=st.booleans(),
)
def test_a_second_bottom_with_a_number_per_picture_and_channel(kind, pictures, channels, size, behind):
    more = f"{kind.lower()}_param {{ axis: 0 }}"
    shape = " ".join(map(str, (pictures, channels, *size)))
    layers = [data(shape), data(f"{pictures} {channels}", "s"), layer("it", kind, "data s", more=more)]
    if behind and len(size) == 2:
        layers.append(layer("c", "Convolution", "it", more=PADDED))
    assert ways(check_plan(graph_of(*layers), exact=True))["it"]


def dense(name, bottom, outputs):
    return layer(name, "InnerProduct", bottom, more=PRODUCTS["product"][1] % outputs)


EXCITATIONS = {  # how the factors of the channels are made, and what they do, with an input "data"
    "Scale": (pointwise, [layer("v", "Flatten", "e"), layer("s", "Scale", "f v", more="scale_param { axis: 0 }")]),
    "Axpy": (pointwise, [layer("s", "Axpy", "e f data")]),
    "Axpy, inner products": (dense, [layer("s", "Axpy", "e f data"), layer("w", "ReLU", "s", "s")]),
}


@pytest.mark.parametrize("name", EXCITATIONS)
@pytest.mark.parametrize("channels", [2 * LANES, LANES + 3])
def test_squeeze_and_excitation(name, channels):
    """Nothing of it runs outside the program."""
    product, excitation = EXCITATIONS[name]
    layers = [
        made_by("depthwise", channels),
        function("Swish", "p"),
        layer("m", "Pooling", "f", more="pooling_param { pool: AVE global_pooling: true }"),
        product("q", "m", LANES),
        layer("r", "ReLU", "q", "q"),
        product("e", "q", channels),
        layer("g", "Sigmoid", "e", "e"),
        *excitation,
        pointwise("o", "s", LANES),
    ]
    plan = check_plan(graph_of(data(f"2 {channels} 7 6"), *layers), exact=True)
    assert not any(segment.call for segment in plan.segments)
