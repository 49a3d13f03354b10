"""ROIPooling and PSROIPooling: cell by cell, by both ways to run, and regions that are nowhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_layers import built, net_text, run_layer
from reference.executor import Executor
from reference.plans import run_plan, same_bits, ways

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.frontends.caffe.write import graph_message
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.reference import Interpreter, gradients_of
from caffe64.errors import InputError

few = settings(max_examples=25, deadline=None)
single = np.float32
LOWEST = np.finfo(single).min


def half_up(value) -> int:
    """The nearest whole number, halves away from zero; up to 2**30."""
    value = max(-(2.0**30), min(float(value), 2.0**30))
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def inside(first: float, last: float, size: int) -> range:
    return range(min(max(int(first), 0), size), min(max(int(last), 0), size))


def whole_cells(first, last, scale, cells, size) -> list[range]:
    """Of ROIPooling, along one axis; products and quotients in float32."""
    start, stop = half_up(single(first) * single(scale)), half_up(single(last) * single(scale))
    step = single(max(stop - start + 1, 1)) / single(cells)
    begins = [math.floor(single(j) * step) + start for j in range(cells)]
    ends = [math.ceil(single(j + 1) * step) + start for j in range(cells)]
    return [inside(*pair, size) for pair in zip(begins, ends, strict=True)]


def part_cells(first, last, scale, cells, size) -> list[range]:
    """Of PSROIPooling."""
    start = single(half_up(single(first))) * single(scale)
    stop = single(half_up(single(last)) + 1) * single(scale)
    step = max(stop - start, single(0.1)) / single(cells)
    begins = [math.floor(single(single(j) * step) + start) for j in range(cells)]
    ends = [math.ceil(single(single(j + 1) * step) + start) for j in range(cells)]
    return [inside(*pair, size) for pair in zip(begins, ends, strict=True)]


def is_somewhere(region, pictures: int) -> bool:
    return bool(np.isfinite(region).all()) and -1 < region[0] < pictures


def expected_maxima(x, rois, rows, columns, scale) -> np.ndarray:
    top = np.zeros((len(rois), x.shape[1], rows, columns), single)
    for n, region in enumerate(rois):
        if not is_somewhere(region, len(x)):
            continue
        down = whole_cells(region[2], region[4], scale, rows, x.shape[2])
        across = whole_cells(region[1], region[3], scale, columns, x.shape[3])
        for i, j in np.ndindex(rows, columns):
            cell = x[int(region[0])][:, list(down[i])][:, :, list(across[j])].reshape(x.shape[1], -1)
            if cell.shape[1]:
                top[n, :, i, j] = np.fmax(cell, LOWEST).max(axis=1)  # fmax of NaN and a number is the number
    return top


def expected_means(x, rois, outputs, cells, scale) -> np.ndarray:
    top = np.zeros((len(rois), outputs, cells, cells))
    for n, region in enumerate(rois):
        if not is_somewhere(region, len(x)):
            continue
        down = part_cells(region[2], region[4], scale, cells, x.shape[2])
        across = part_cells(region[1], region[3], scale, cells, x.shape[3])
        for d, i, j in np.ndindex(outputs, cells, cells):
            cell = x[int(region[0]), (d * cells + i) * cells + j][list(down[i])][:, list(across[j])]
            top[n, d, i, j] = cell.mean(dtype=np.float64) if cell.size else 0
    return top


def regions(source, number: int, pictures: int, extent: float) -> np.ndarray:
    """Some cross the border, some lie outside, some end before they begin; their corners are whole, half or any."""
    rois = source.uniform(-0.5 * extent, 1.5 * extent, (number, 5))
    rois[::2] = np.round(rois[::2] * 2) / 2
    rois[:, 0] = source.integers(-1, pictures + 1, number)
    return rois.astype(single)


HOSTILE = np.array(
    [
        [0, 0, 0, 9, 9],
        [np.nan, 0, 0, 9, 9],
        [0, np.nan, 0, 9, 9],
        [0, 0, 0, np.inf, 9],
        [0, -np.inf, 0, 9, 9],
        [-1, 0, 0, 9, 9],
        [2, 0, 0, 9, 9],
        [1e30, 0, 0, 9, 9],
        [np.inf, 0, 0, 9, 9],
        [0, -3e38, -3e38, 3e38, 3e38],
        [0, 3e38, 0, -3e38, 9],
        [1.75, 0, 0, 9, 9],
        [-0.75, 5, 5, 2, 2],
        [0, 1e9, 1e9, 1.5e9, 1.5e9],
    ],
    single,
)


def roi_param(rows, columns, scale) -> str:
    return f"roi_pooling_param {{ pooled_h: {rows} pooled_w: {columns} spatial_scale: {scale} }}"


def part_param(outputs, cells, scale) -> str:
    return f"psroi_pooling_param {{ output_dim: {outputs} group_size: {cells} spatial_scale: {scale} }}"


KINDS = {"ROIPooling": roi_param(3, 2, 0.25), "PSROIPooling": part_param(2, 3, 0.25)}
each_kind = pytest.mark.parametrize(("kind", "parameters"), list(KINDS.items()))


def by_plan(kind, bottoms, parameters) -> np.ndarray:
    graph = built(net_text(kind, [bottom.shape for bottom in bottoms], parameters))
    found = [
        run_plan(Plan(graph, threads=threads), dict(zip(graph.inputs, bottoms, strict=True))) for threads in (1, 2)
    ]
    assert same_bits(*found)
    (top,) = found[0].values()
    return top


@few
@given(
    channels=st.sampled_from([1, 3, LANES, 9 * LANES + 1]),
    size=st.tuples(st.integers(1, 13), st.integers(1, 2 * LANES + 1)),
    cells=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    scale=st.sampled_from([1.0, 0.5, 0.0625, 3.0]),
    seed=st.integers(0, 1000),
)
def test_maxima_cell_by_cell(channels, size, cells, scale, seed):
    source = np.random.default_rng(seed)
    x = source.standard_normal((2, channels, *size), single)
    rois = regions(source, 9, 2, max(size) / scale)
    expected = expected_maxima(x, rois, *cells, scale)
    (found,) = run_layer("ROIPooling", [x, rois], roi_param(*cells, scale))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(by_plan("ROIPooling", [x, rois], roi_param(*cells, scale)), expected)


@few
@given(
    outputs=st.integers(1, 4),
    cells=st.integers(1, 4),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    scale=st.sampled_from([1.0, 0.5, 0.0625, 3.0]),
    seed=st.integers(0, 1000),
)
def test_means_cell_by_cell(outputs, cells, size, scale, seed):
    source = np.random.default_rng(seed)
    x = source.standard_normal((2, outputs * cells**2, *size), single)
    rois = regions(source, 9, 2, max(size) / scale)
    (found,) = run_layer("PSROIPooling", [x, rois], part_param(outputs, cells, scale))
    np.testing.assert_allclose(found, expected_means(x, rois, outputs, cells, scale), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["ROIPooling", "PSROIPooling"])
def test_regions_that_are_nowhere_are_zeros(kind):
    x = np.random.default_rng(0).standard_normal((2, 8, 7, 6), single)
    parameters = {"ROIPooling": roi_param(2, 2, 0.5), "PSROIPooling": part_param(2, 2, 0.5)}[kind]
    expected = {
        "ROIPooling": lambda: expected_maxima(x, HOSTILE, 2, 2, 0.5),
        "PSROIPooling": lambda: expected_means(x, HOSTILE, 2, 2, 0.5),
    }[kind]()
    (found,) = run_layer(kind, [x, HOSTILE], parameters)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(by_plan(kind, [x, HOSTILE], parameters), expected, rtol=1e-5, atol=1e-6)
    nowhere = [not is_somewhere(region, 2) for region in HOSTILE]
    assert not found[nowhere].any()
    assert found[[0, 9, 11]].any(axis=(1, 2, 3)).all()


def test_nan_is_never_a_maximum():
    x = np.random.default_rng(0).standard_normal((1, LANES + 1, 4, 4), single)
    x[:, :, :2] = np.nan
    x[:, ::2, 2:, 2:] = np.nan
    rois = np.array([[0, 0, 0, 3, 3], [0, 0, 0, 1, 1]], single)
    expected = expected_maxima(x, rois, 2, 2, 1)
    assert (expected == LOWEST).sum() > 8
    (found,) = run_layer("ROIPooling", [x, rois], roi_param(2, 2, 1))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(by_plan("ROIPooling", [x, rois], roi_param(2, 2, 1)), expected)


@each_kind
def test_without_regions_there_are_no_rows(kind, parameters):
    bottoms = [np.ones((1, 18, 5, 5), single), np.zeros((0, 5), single)]
    assert run_layer(kind, bottoms, parameters)[0].shape[0] == 0
    assert by_plan(kind, bottoms, parameters).shape[0] == 0


def test_roi_pooling_runs_in_a_plan():
    graph = built(net_text("ROIPooling", [(1, 3, 5, 5), (4, 5)], roi_param(2, 2, 1)))
    assert ways(Plan(graph))["it"] is not None


def gradient(kind, x, rois, parameters, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """dy, drawn, and dx."""
    graph = built(net_text(kind, [x.shape, rois.shape], parameters))
    made = Interpreter(graph)
    for blob, values in zip(graph.inputs, (x, rois), strict=True):
        made.arrays[blob][...] = values
    made.forward()
    graph.force_backward = True
    (top,) = graph.nodes[-1].tops
    dy = np.random.default_rng(seed).standard_normal(made.shapes[top]).astype(single)
    return dy, gradients_of(made, {top: dy})[0][graph.inputs[0]]


def test_the_gradient_goes_to_the_first_maximum():
    source = np.random.default_rng(3)
    x = source.integers(0, 4, (2, 3, 7, 8)).astype(single)  # with many equal ones
    x[0, 0, :3] = np.nan
    rois = np.concatenate([regions(source, 8, 2, 8), HOSTILE])
    dy, found = gradient("ROIPooling", x, rois, roi_param(3, 2, 1))
    expected = np.zeros(x.shape)
    for n, region in enumerate(rois):
        if not is_somewhere(region, 2):
            continue
        down, across = whole_cells(region[2], region[4], 1, 3, 7), whole_cells(region[1], region[3], 1, 2, 8)
        for c, i, j in np.ndindex(3, 3, 2):
            plane, best = x[int(region[0]), c], None
            for place in [(h, w) for h in down[i] for w in across[j]]:
                if plane[place] > (LOWEST if best is None else plane[best]):
                    best = place
            if best:
                expected[(int(region[0]), c, *best)] += dy[n, c, i, j]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_gradient_of_a_mean_goes_to_all_its_pixels():
    source = np.random.default_rng(4)
    x, rois = source.standard_normal((2, 8, 7, 6), single), np.concatenate([regions(source, 8, 2, 12), HOSTILE])
    dy, found = gradient("PSROIPooling", x, rois, part_param(2, 2, 0.5))
    step = source.standard_normal(x.shape).astype(single)
    along = (dy * (expected_means(x + step, rois, 2, 2, 0.5) - expected_means(x, rois, 2, 2, 0.5))).sum()
    np.testing.assert_allclose((found * step).sum(), along, rtol=1e-4)  # it is linear


@each_kind
def test_opencv_pools_alike(kind, parameters):
    cv2 = pytest.importorskip("cv2")
    source = np.random.default_rng(5)
    x, rois = source.standard_normal((1, 18, 9, 11), single), np.empty((7, 5), single)
    rois[:, 0] = 0
    rois[:, 1:3] = source.uniform(0, 15, (7, 2))
    rois[:, 3:] = rois[:, 1:3] + source.uniform(4, 25, (7, 2))
    net = cv2.dnn.readNetFromCaffe(np.frombuffer(net_text(kind, [x.shape, rois.shape], parameters).encode(), np.uint8))
    net.setInput(x, "b0")
    net.setInput(rois, "b1")
    np.testing.assert_allclose(run_layer(kind, [x, rois], parameters)[0], net.forward("it"), rtol=1e-5, atol=1e-6)


WRONG = [
    ("ROIPooling", [(1, 8, 5, 5), (4, 5)], "roi_pooling_param { pooled_w: 2 }", "pooled_h 0 and pooled_w 2, expected"),
    ("ROIPooling", [(1, 8, 5, 5), (4, 5)], roi_param(2, 2, 0), "spatial_scale 0, expected a positive number"),
    ("ROIPooling", [(1, 8, 5, 5), (4, 5)], roi_param(2, 2, "nan"), "spatial_scale nan, expected a positive number"),
    ("ROIPooling", [(1, 8, 5, 5), (4, 5)], roi_param(2, 2, "inf"), "spatial_scale inf, expected a positive number"),
    ("ROIPooling", [(1, 8, 5, 5), (4, 4)], roi_param(2, 2, 1), "bottoms of shapes [1, 8, 5, 5] and [4, 4], expected"),
    ("ROIPooling", [(1, 8, 5, 5), (5,)], roi_param(2, 2, 1), "bottoms of shapes [1, 8, 5, 5] and [5], expected"),
    ("ROIPooling", [(1, 8, 5, 5), (4, 5, 1, 2)], roi_param(2, 2, 1), "bottoms of shapes [1, 8, 5, 5] and [4, 5, 1, 2]"),
    ("ROIPooling", [(8, 5, 5), (4, 5)], roi_param(2, 2, 1), "bottoms of shapes [8, 5, 5] and [4, 5], expected"),
    (
        "ROIPooling",
        [(1, 8, 5, 5), (4, 5)],
        roi_param(4294967295, 4294967295, 1),
        "gives 't0' the shape [4, 8, 4294967295, 4294967295]",
    ),
    (
        "ROIPooling",
        [(1, 8, 5, 5), (4, 5)],
        "roi_pooling_param { pooled_h: 2 pooled_w: 2 pad_ratio: 0.5 }",
        "has pad_ratio, by which regions are enlarged: this field of a fork is not supported",
    ),
    (
        "PSROIPooling",
        [(1, 8, 5, 5), (4, 5)],
        part_param(2, 0, 1),
        "output_dim 2 and group_size 0, expected both from 1",
    ),
    ("PSROIPooling", [(1, 8, 5, 5), (4, 5)], part_param(-2, 2, 1), "output_dim -2 and group_size 2, expected both"),
    ("PSROIPooling", [(1, 8, 5, 5), (4, 5)], part_param(3, 2, 1), "8 channels with output_dim 3 and group_size 2,"),
    ("PSROIPooling", [(1, 8, 5, 5), (4, 5)], "", "spatial_scale 0, expected a positive number"),
]


@pytest.mark.parametrize(("kind", "shapes", "parameters", "message"), WRONG)
def test_what_makes_no_sense_is_refused(kind, shapes, parameters, message):
    with pytest.raises(InputError) as raised:
        Executor(built(net_text(kind, shapes, parameters)))
    assert str(raised.value).startswith(f"layer 'it' ({kind}): {message}")


@each_kind
def test_attributes_are_written_back(kind, parameters):
    graph = built(net_text(kind, [(1, 18, 5, 5), (4, 5)], parameters))
    for node in graph.nodes:
        attributes, node.origin = node.attributes, None
    written = graph_message(graph)
    assert built(str(written)).nodes[-1].attributes == attributes
