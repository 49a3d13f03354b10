"""Caffe nets with a batch of 0: tops of 0 rows, gradients of weights that are 0, and the next batch as ever."""

from __future__ import annotations

import re

import numpy as np
import pytest
from reference.caffe_cases import CASES, read_case
from reference.caffe_layers import run_layer
from reference.caffe_running import runtime_of
from reference.plans import run_plan
from reference.small_caffe_net import write_net

from caffe64.engine.graph.plan import Plan

SHAPE = re.compile(r"shape \{[^}]*\}")
MEAN_OF_NONE = ["euclidean_loss", "hinge_l2"]  # 0 / 0, as in Caffe
NOT_BY_ROWS = ["scale_all", "concat_axis0"]  # weights of the batch's shape; rows of another bottom
BY_ROWS = [name for name in CASES if name not in NOT_BY_ROWS]


def emptied(name):
    """A case without its rows: text, bottoms, weights, phase."""
    text, phase, arrays = read_case(name)
    rows = len(arrays["bottom"][0])
    bottoms = [bottom[:0] if len(bottom) == rows else bottom for bottom in arrays["bottom"]]
    shapes = iter(bottoms)
    text = SHAPE.sub(
        lambda _: f"shape {{ {' '.join(f'dim: {side}' for side in next(shapes).shape)} }}", text, len(bottoms)
    )
    return text, bottoms, arrays.get("param", []), phase


def tops(runtime):
    return [runtime.arrays[top] for top in runtime.graph.nodes[-1].tops]


@pytest.mark.parametrize("name", BY_ROWS)
def test_a_layer_of_no_rows(name):
    runtime = runtime_of(*emptied(name))
    runtime.forward()
    for top, full in zip(tops(runtime), read_case(name)[2]["top"], strict=True):
        if full.ndim:
            assert top.shape == (0, *full.shape[1:])
        else:
            assert np.isnan(top) if name in MEAN_OF_NONE else (top == 0 and not np.signbit(top))
    if runtime.graph.phase == "TEST":
        for fuse in (False, True):
            inputs = dict(zip(runtime.graph.inputs, emptied(name)[1], strict=True))
            found = run_plan(Plan(runtime.graph, fuse=fuse), inputs)
            for blob, values in found.items():
                np.testing.assert_array_equal(values, runtime.arrays[blob])


@pytest.mark.parametrize(
    "name", [name for name in CASES if "top_diff" in read_case(name)[2] and name not in NOT_BY_ROWS]
)
def test_the_gradients_of_no_rows(name):
    runtime = runtime_of(*emptied(name), gradients=True)
    runtime.forward()
    found = runtime.backward({top: np.ones(runtime.shapes[top]) for top in runtime.graph.nodes[-1].tops})
    assert all(np.isfinite(values).all() for values in found.values())
    assert not any(array.any() for arrays in runtime.weights.values() for array in arrays)


OTHERS = [  # type, bottoms, parameters, weights, top
    (
        "Convolution",
        [(2, 0, 3, 5)],
        "convolution_param { num_output: 4 kernel_size: 3 pad: 1 }",
        [(4, 0, 3, 3), (4,)],
        (2, 4, 3, 5),
    ),
    ("Sigmoid", [(0, 3)], "", [], (0, 3)),
    ("Tile", [(0, 3)], "tile_param { tiles: 2 }", [], (0, 6)),
    ("Reshape", [(0, 3, 4)], "reshape_param { shape { dim: 0 dim: -1 } }", [], (0, 12)),
    ("Reshape", [(0, 3, 4)], "reshape_param { shape { dim: 0 dim: 2 dim: -1 } }", [], (0, 2, 6)),
    ("Reshape", [(3, 0, 4)], "reshape_param { axis: 1 shape { dim: 0 dim: 2 dim: -1 } }", [], (3, 0, 2, 2)),
    ("Reshape", [(0, 3, 4)], "reshape_param { shape { dim: -1 dim: 6 } }", [], (0, 6)),
    ("Permute", [(0, 3, 2)], "permute_param { order: 2 order: 0 order: 1 }", [], (2, 0, 3)),
    ("Normalize", [(0, 3, 2, 2)], "norm_param { channel_shared: false }", [(3,)], (0, 3, 2, 2)),
    ("Embed", [(0,)], "embed_param { num_output: 3 input_dim: 4 }", [(4, 3), (3,)], (0, 3)),
    ("ArgMax", [(0, 5, 1, 1)], "argmax_param { top_k: 2 out_max_val: true }", [], (0, 2, 2, 1)),
    ("ContrastiveLoss", [(0, 3), (0, 3), (0,)], "", [], ()),
    ("MultiBoxLoss", [(0, 8), (0, 4), (1, 2, 8), (1, 1, 0, 8)], "multibox_loss_param { num_classes: 2 }", [], ()),
    ("DetectionOutput", [(0, 8), (0, 4), (1, 2, 8)], "detection_output_param { num_classes: 2 }", [], (1, 1, 0, 7)),
]


@pytest.mark.parametrize(("kind", "bottoms", "parameters", "weights", "top"), OTHERS)
def test_other_layers_of_no_rows(kind, bottoms, parameters, weights, top):
    (found,) = run_layer(kind, [np.ones(shape) for shape in bottoms], parameters, [np.ones(shape) for shape in weights])
    assert found.shape == top


def test_a_net_takes_no_rows_and_then_some(tmp_path):
    net, x = write_net(tmp_path), np.random.default_rng(0).standard_normal((2, 3, 8, 6)).astype(np.float32)
    before = net.forward(data=x)["prob"].copy()
    assert net.forward(data=x[:0])["prob"].shape == (0, 3)
    np.testing.assert_array_equal(net.forward(data=x)["prob"], before)
