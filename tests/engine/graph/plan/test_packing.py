"""What plans make of weights: where each number goes, how exact it is, and when it is made again."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import conv, data, give_weights, graph_of, layer
from reference.packing import filter_points, panels, whole
from reference.plans import draw_inputs, run_again, run_plan, same_bits

from caffe64.caffe.weights import share_weights
from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.ir.graph import Node
from caffe64.engine.graph.ops.windows import Window
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.plan.emitter import Emitter
from caffe64.engine.graph.plan.lowering.filters import (
    ITEM_FLOATS,
    exchanged_layout,
    filter_layout,
    numbers_offset,
    panels_offset,
    phase_offsets,
)
from caffe64.engine.graph.plan.lowering.winograd.filters import POINT_GAP, points_offset
from caffe64.engine.graph.plan.lowering.winograd.tilings import TILINGS
from caffe64.engine.graph.plan.packing import Packing
from caffe64.engine.graph.plan.steps import Scratch
from caffe64.engine.parameters.owner import Held, Parameters, Slice
from caffe64.engine.products.pixel_tile import PANEL

EDGES = st.sampled_from([1, 2, LANES - 1, LANES, LANES + 1, 2 * LANES, 3 * LANES + 5])
KERNELS = st.sampled_from([(1, 1), (3, 3), (1, 5), (2, 7), (5, 5)])


def window_of(groups, outputs, channels, kernel):
    return Window(
        axis=1, outer=1, channels=groups * channels, outputs=groups * outputs, group=groups, size=kernel,
        kernel=kernel, stride=(1, 1), before=(0, 0), after=(0, 0), dilation=(1, 1),
    )  # fmt: skip


def node_of(*shapes, seed=0):
    """A node that holds blobs of N(0, 1), and the blobs. The last one ends with the vector."""
    owner = Parameters([Slice("it", number, shape, 0) for number, shape in enumerate(shapes)])
    for number, shape in enumerate(shapes):
        owner.view(number)[...] = np.random.default_rng((seed, number)).standard_normal(shape)
    held = Held(owner, tuple(range(len(shapes))))
    return Node("it", "Convolution", [], [], None, held.views(), held=held), held.views()


def packed(emit, threads=1):
    """What the steps of emit(emitter) write from the offset on that it returns; and that nothing else is written."""
    emitter = Emitter(threads, Scratch(offset=0, thread=0))
    offset = emit(emitter)
    constants, scratch = emitter.constants()
    before, (size,) = constants.copy(), emitter.packing.sizes
    packing = Packing(emitter.packing, constants, scratch, threads)
    assert packing.refresh() == 1
    before[offset : offset + size] = constants[offset : offset + size]
    before[scratch.offset :] = constants[scratch.offset :]
    np.testing.assert_array_equal(before, constants)
    assert packing.refresh() == 0
    return constants[offset : offset + size].view(np.float32)


def layout_of(groups, outputs, channels, kernel, exchanged):
    """Of filters [groups, outputs, channels, taps] as they are stored, or of those of the adjoint."""
    if exchanged:
        return exchanged_layout(window_of(groups, channels, outputs, kernel))
    return filter_layout(window_of(groups, outputs, channels, kernel))


def draw_filters(groups, outputs, channels, taps, exchanged):
    """A node, and its filters, of which the parameter holds those of the adjoint if they are exchanged."""
    node, (parameter,) = node_of((groups, *((channels, outputs) if exchanged else (outputs, channels)), taps))
    return node, parameter.transpose(0, 2, 1, 3) if exchanged else parameter


@settings(max_examples=60)
@given(
    groups=st.integers(1, 3),
    outputs=EDGES,
    channels=EDGES,
    kernel=KERNELS,
    pixel=st.sampled_from([1, LANES]),
    width=st.sampled_from([1, PANEL]),
    exchanged=st.booleans(),
    threads=st.integers(1, 2),
)
def test_each_filter_is_where_the_kernels_read_it(groups, outputs, channels, kernel, pixel, width, exchanged, threads):
    node, filters = draw_filters(groups, outputs, channels, kernel[0] * kernel[1], exchanged)
    layout = layout_of(groups, outputs, channels, kernel, exchanged)
    found = packed(lambda emitter: panels_offset(emitter, node, 0, layout, pixel, width), threads)
    np.testing.assert_array_equal(found, panels(filters, pixel, width))


@settings(max_examples=60)
@given(
    groups=st.integers(1, 2),
    outputs=EDGES,
    channels=EDGES,
    order=st.permutations(range(10)),
    ends=st.lists(st.integers(0, 10), min_size=2, max_size=5).map(sorted),
    pixel=st.sampled_from([1, 3, LANES]),
    width=st.sampled_from([1, PANEL]),
    exchanged=st.booleans(),
    threads=st.integers(1, 2),
)
def test_taps_in_phases(groups, outputs, channels, order, ends, pixel, width, exchanged, threads):
    """Phases of several taps, of one, of none; taps that are in no phase."""
    phases = [order[first:last] for first, last in itertools.pairwise(ends)]
    node, filters = draw_filters(groups, outputs, channels, 10, exchanged)
    layout, offsets = layout_of(groups, outputs, channels, (2, 5), exchanged), []

    def emit(emitter):
        offsets.extend(phase_offsets(emitter, node, 0, layout, pixel, width, phases))
        return offsets[0]

    if ends[0] == ends[-1]:
        return  # nothing is packed
    found, expected = packed(emit, threads), [panels(filters[..., phase], pixel, width) for phase in phases]
    np.testing.assert_array_equal(found, np.concatenate(expected))
    sizes = [each.nbytes for each in expected]
    assert [each - offsets[0] for each in offsets] == [0, *np.cumsum(sizes)[:-1]]


@settings(max_examples=60)
@given(
    groups=st.integers(1, 2),
    merged=st.integers(2, 5),
    outputs=EDGES,
    channels=EDGES,
    phases=st.sampled_from([[range(6)], [[5, 0], [], [3]]]),
    pixel=st.sampled_from([1, LANES]),
    exchanged=st.booleans(),
    threads=st.integers(1, 2),
)
def test_merged_groups_lie_on_the_diagonal(groups, merged, outputs, channels, phases, pixel, exchanged, threads):
    node, filters = draw_filters(groups * merged, outputs, channels, 6, exchanged)
    sizes = (merged * channels, merged * outputs) if exchanged else (merged * outputs, merged * channels)
    window = replace(window_of(groups, *sizes, (2, 3)), merged=merged)
    layout = exchanged_layout(window) if exchanged else filter_layout(window)
    whole_groups = np.zeros((groups, merged, outputs, merged, channels, 6), np.float32)
    for number in range(merged):
        whole_groups[:, number, :, number] = filters.reshape(groups, merged, outputs, channels, 6)[:, number]
    whole_groups = whole_groups.reshape(groups, merged * outputs, merged * channels, 6)
    found = packed(lambda emitter: phase_offsets(emitter, node, 0, layout, pixel, PANEL, phases)[0], threads)
    expected = [panels(whole_groups[..., list(phase)], pixel, PANEL) for phase in phases]
    np.testing.assert_array_equal(found, np.concatenate(expected))


@pytest.mark.parametrize("exchanged", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_many_filters_are_cut_into_items(exchanged, threads):
    outputs, channels = 2 * PANEL * LANES + 3, ITEM_FLOATS // (PANEL * LANES) + LANES + 1
    node, filters = draw_filters(1, outputs, channels, 9, exchanged)
    layout = layout_of(1, outputs, channels, (3, 3), exchanged)
    found = packed(lambda emitter: panels_offset(emitter, node, 0, layout, LANES), threads)
    np.testing.assert_array_equal(found, panels(filters, LANES, PANEL))


@pytest.mark.parametrize("outputs", [1, LANES + 3, PANEL * LANES, 9 * PANEL * LANES, 9 * PANEL * LANES + LANES - 1])
@pytest.mark.parametrize("channels", [1, LANES, 2 * LANES + 3, 400])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("pixel", [1, LANES])
def test_filters_whose_outputs_lie_side_by_side(outputs, channels, groups, pixel):
    """Those of the gradient of a bottom, of one tap: those of outputs and channels exchanged."""
    node, (parameter,) = node_of((groups, channels, outputs, 1))
    layout = exchanged_layout(window_of(groups, channels, outputs, (1, 1)))
    found = packed(lambda emitter: panels_offset(emitter, node, 0, layout, pixel), 2)
    np.testing.assert_array_equal(found, panels(parameter.transpose(0, 2, 1, 3), pixel, PANEL))


@pytest.mark.parametrize("number", [1, LANES - 1, LANES, LANES + 1, 5 * LANES + 2])
@pytest.mark.parametrize("shared", [False, True])
def test_numbers_a_channel(number, shared):
    node, (_, values) = node_of((7,), (1,) if shared else (number,))
    expected = np.zeros(whole(number), np.float32)
    expected[:number] = values
    np.testing.assert_array_equal(packed(lambda emitter: numbers_offset(emitter, node, 1, number)), expected)


def by_point(found, tiling):
    """The panels of each point, without the gaps between them."""
    return found.reshape(tiling.points, -1)[:, : -POINT_GAP // found.itemsize]


@settings(max_examples=60)
@given(
    tiling=st.sampled_from(TILINGS),
    outputs=EDGES,
    channels=EDGES,
    how=st.sampled_from(["plain", "mirrored", "exchanged"]),
    threads=st.integers(1, 2),
    scale=st.sampled_from([1.0, 1e-30, 1e30]),
)
def test_winograd_filters_are_rounded_once(tiling, outputs, channels, how, threads, scale):
    """Half a unit in the last place, and what float64 may be off, of the largest sum of magnitudes."""
    node, filters = draw_filters(1, outputs, channels, tiling.r**2, how != "plain")
    filters *= np.float32(scale)
    layout = layout_of(1, outputs, channels, (tiling.r, tiling.r), how != "plain")
    if how == "mirrored":
        filters, layout = filters[..., ::-1], layout._replace(mirrored=1)
    filters = filters.reshape(outputs, channels, tiling.r, tiling.r)
    found = packed(lambda emitter: points_offset(emitter, node, layout, tiling), threads)
    found = by_point(found, tiling)
    for point, *both in zip(found, *filter_points(filters, tiling.side), strict=True):
        wanted, size = (panels(each[np.newaxis, :, :, np.newaxis], LANES, PANEL) for each in both)
        unit = np.spacing(np.abs(wanted).astype(np.float32)).astype(np.longdouble)
        assert (np.abs(point - wanted) <= unit / 2 + 2.0**-49 * size).all()


def test_a_filter_of_nan_stays_in_its_channel_and_output():
    tiling = TILINGS[0]
    node, (parameter,) = node_of((1, LANES, LANES, 9))
    parameter[0, 1, LANES - 1, 4] = np.nan
    layout = filter_layout(window_of(1, LANES, LANES, (3, 3)))
    found = packed(lambda emitter: points_offset(emitter, node, layout, tiling))
    found = by_point(found, tiling).reshape(tiling.points, LANES, LANES)
    spoilt = np.isnan(found).any(axis=0)
    assert spoilt[LANES - 1, 1]
    assert spoilt.sum() == 1


def test_the_same_constants_and_the_same_packed_blobs_are_there_once():
    """As of a layer whose steps forward and backward read them."""
    node, _ = node_of((9,))
    emitter = Emitter(1, Scratch(offset=0, thread=0))
    first, *others = (numbers_offset(emitter, node, 0, number) for number in (9, 9, 5))
    assert [other == first for other in others] == [True, False]
    assert len(emitter.packing.steps) == 2
    first, *others = (emitter.constant(values) for values in ([1, 2], np.array([1.0, 2.0]), [1, 2, 0]))
    assert [other == first for other in others] == [True, False]


@pytest.mark.parametrize("factor", [0, 1, 999.98])
@pytest.mark.parametrize("channels", [1, LANES, LANES + 1])
def test_statistics(channels, factor):
    """1 / sqrt(variance + eps) and -mean over it, float64, rounded once; NaN of a negative variance, inf of eps 0."""
    graph = graph_of(data(f"1 {channels} 2 2"), layer("n", "BatchNorm", "data", more="batch_norm_param { eps: 0 }"))
    node = graph.nodes[1]
    mean, variance, count = node.weights
    variance[...], count[...] = np.abs(variance) * max(factor, 1), factor
    variance[-1:] *= -1
    plan = Plan(graph)
    (found,) = run_plan(plan, {graph.inputs[0]: np.zeros((1, channels, 2, 2), np.float32)}).values()
    share = 1 / np.float64(factor) if factor else 0
    with np.errstate(all="ignore"):
        expected = -(mean * share) / np.sqrt(variance * share)
    np.testing.assert_allclose(found[0, :, 0, 0], expected, rtol=2**-23)


# ------------------------------------------------------------------------------------------------- what is made again
def everything():
    """A net of all that is packed; each layer's number of packing steps."""
    size = f"kernel_size: 3 pad: 1 num_output: {2 * LANES}"
    each = f"convolution_param {{ {size} group: {2 * LANES} }}"
    graph = graph_of(
        data(f"1 3 {2 * LANES} {2 * LANES}"),
        conv("direct", "data", outputs=2 * LANES),
        layer("norm", "BatchNorm", "direct"),
        layer("scale", "Scale", "norm", more="scale_param { bias_term: true }"),
        layer("slope", "PReLU", "scale"),
        layer("winograd", "Convolution", "slope", more=f"convolution_param {{ {size} }}"),
        layer("each", "Convolution", "winograd", more=each),
        layer("across", "Convolution", "each", more="convolution_param { num_output: 5 kernel_size: 1 }"),
        layer("product", "InnerProduct", "across", more="inner_product_param { num_output: 7 }"),
    )
    return graph, {
        "direct": (1,), "norm": (1, 1, 1), "scale": (1, 1), "slope": (1,), "winograd": (1, 1), "each": (1, 1),
        "across": (1, 1), "product": (1, 1),
    }  # fmt: skip


@pytest.mark.parametrize("threads", [1, 2])
def test_only_what_was_edited_is_packed_again(threads):
    graph, steps = everything()
    plan = Plan(graph, threads=threads)
    assert plan.packing.refresh() == 0  # the plan has packed all
    for node in graph.nodes[1:]:
        node.held.expose()
    assert plan.packing.refresh() == 0
    for node in graph.nodes[1:]:
        for blob, number in zip(node.weights, steps[node.name], strict=True):
            blob *= 2
            assert plan.packing.refresh() == number, node.name
            assert plan.packing.refresh() == 0
    owner = graph.nodes[1].held.owner
    owner.written(range(len(owner.slices)))
    assert plan.packing.refresh() == sum(map(sum, steps.values())) - 2  # the statistics' three blobs make one step


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("reported", [True, False])
def test_edited_weights_give_the_bits_of_a_net_that_has_them_from_the_start(threads, reported):
    graph, other = everything()[0], everything()[0]
    give_weights(other, seed=5)
    plan, inputs = Plan(graph, threads=threads), draw_inputs(graph)
    run_plan(plan, inputs)
    owner = graph.nodes[1].held.owner
    if not reported:
        owner.expose(range(len(owner.slices)))
    for node, source in zip(graph.nodes, other.nodes, strict=True):
        for blob, values in zip(node.weights, source.weights, strict=True):
            blob[...] = values
    if reported:
        owner.written(range(len(owner.slices)))
    found = list(run_again(plan, inputs).values())
    expected = list(run_plan(Plan(other, threads=1), dict(zip(other.inputs, inputs.values(), strict=True))).values())
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.view(np.int32), two.view(np.int32))


def test_a_plan_finds_the_weights_of_another_net_that_it_shares_from_now_on():
    graph, other = everything()[0], everything()[0]
    give_weights(other, seed=5)
    plan, inputs = Plan(graph), draw_inputs(graph)
    before = run_plan(plan, inputs)
    share_weights(graph, other)
    shared = run_again(plan, inputs)
    assert not same_bits(shared, before)
    assert same_bits(shared, run_plan(Plan(graph), inputs))
    other.nodes[1].weights[0][...] *= 2
    other.nodes[1].held.written()
    assert plan.packing.refresh() == 1
    assert not same_bits(run_again(plan, inputs), shared)


def test_a_net_of_two_owners():
    """One layer shares another net's weights, the others have their own: each step reads its owner's vector."""
    graph, other = everything()[0], everything()[0]
    plan, inputs = Plan(graph), draw_inputs(graph)
    share_weights(graph, graph_without(other, "winograd"))
    for nodes, scale in ((graph.nodes, 3), (other.nodes, 1)):
        for node in nodes:
            if node.weights:
                node.weights[0][...] *= scale
                node.held.written()
    assert same_bits(run_again(plan, inputs), run_plan(Plan(graph), inputs))


def graph_without(graph, name):
    graph.nodes = [node for node in graph.nodes if node.name != name]
    return graph


def test_a_net_without_weights_packs_nothing():
    graph = graph_of(data(), layer("r", "ReLU", "data"))
    plan = Plan(graph)
    assert plan.packing.refresh() == 0
