"""Activations, losses, and layers that move, compare or sum up values: what Caffe refuses, and views of memory."""

from __future__ import annotations

import pytest
from reference.caffe_layers import built, layer_text, net_text
from reference.executor import Executor

from caffe64.errors import InputError

WRONG = [  # type, shapes of the bottoms, parameters, number of tops, message
    ("PReLU", [(3,)], "", 1, "a bottom of shape [3], expected 2 axes or more, of which axis 1 are the channels"),
    ("Clip", [(3,)], "clip_param { min: 1 }", 1, "has not both of clip_param's min and max, expected both"),
    ("Exp", [(3,)], "exp_param { base: 0 }", 1, "base 0, expected a positive number, or -1 for e"),
    ("Exp", [(3,)], "exp_param { base: -2 }", 1, "base -2, expected a positive number, or -1 for e"),
    ("Log", [(3,)], "log_param { base: 1 }", 1, "base 1, expected a positive number other than 1, or -1 for e"),
    ("Log", [(3,)], "log_param { base: 0 }", 1, "base 0, expected a positive number, or -1 for e"),
    ("Dropout", [(3,)], "dropout_param { dropout_ratio: 1 }", 1, "dropout_ratio 1, expected 0 to less than 1"),
    ("Dropout", [(3,)], "dropout_param { dropout_ratio: -0.5 }", 1, "dropout_ratio -0.5, expected 0 to less than 1"),
    ("Softmax", [(2, 3)], "softmax_param { axis: 2 }", 1, "axis 2 of a blob with 2 axes, expected -2 to 1"),
    ("Softmax", [(5,)], "", 1, "axis 1 of a blob with 1 axes, expected -1 to 0"),
    ("Convolution", [(1, 2, 3, 3)], "convolution_param { num_output: 1 kernel_size: 1 }", 2, "has 2 tops, expected 1"),
    ("Tile", [(0, 3)], "tile_param { tiles: 2000000000 }", 1, "gives 't0' the shape [0, 6000000000], expected at most"),
    ("Softmax", [()], "", 1, "axis 1 of a blob with 0 axes, expected a blob that has axes"),
    ("Eltwise", [(2,)], "", 1, "has 1 bottoms, expected at least 2"),
    ("Eltwise", [(2,), (3,)], "", 1, "'b1' has the shape [3], expected [2] like the first bottom"),
    ("Eltwise", [(2,), (2,)], "eltwise_param { coeff: 1 }", 1, "has 1 coeff for 2 bottoms, expected none, or one per"),
    (
        "Eltwise",
        [(2,), (2,)],
        "eltwise_param { operation: PROD coeff: 1 coeff: 1 }",
        1,
        "has coeff for a product, expected coeff with SUM only",
    ),
    ("Concat", [(2, 3), (2,)], "", 1, "'b1' has the shape [2], expected [2, 3] like the first bottom, but for axis 1"),
    ("Concat", [(2, 3), (3, 3)], "", 1, "'b1' has the shape [3, 3], expected [2, 3] like the first"),
    ("Concat", [(2, 3)], "concat_param { axis: 0 concat_dim: 1 }", 1, "has both axis and concat_dim, expected one"),
    ("Concat", [(2, 3)], "concat_param { concat_dim: 2 }", 1, "axis 2 of a blob with 2 axes"),
    ("Slice", [(2, 5)], "", 2, "an axis of 5 for 2 tops, expected a multiple of the number of tops, or slice_point"),
    ("Slice", [(2, 5)], "slice_param { slice_point: 1 slice_point: 3 }", 2, "has 2 slice_point for 2 tops, expected"),
    (
        "Slice",
        [(2, 5)],
        "slice_param { slice_point: 3 slice_point: 3 }",
        3,
        "slice_point [3, 3] of an axis of 5, expected rising numbers from 1 to 4",
    ),
    ("Slice", [(2, 5)], "slice_param { slice_point: 5 }", 2, "slice_point [5] of an axis of 5"),
    ("Slice", [(2, 5)], "slice_param { slice_dim: 0 axis: 1 }", 2, "has both axis and slice_dim"),
    ("Flatten", [(4,)], "", 1, "axis 1 of a blob with 1 axes"),
    ("Flatten", [(1, 2, 3, 4)], "flatten_param { axis: 3 end_axis: 1 }", 1, "axis 3 and end_axis 1, expected end_axis"),
    (
        "Reshape",
        [(2, 3)],
        "reshape_param { shape { dim: 4 dim: -1 } }",
        1,
        "dims [4, -1], which make the shape [4, 1], expected 6",
    ),
    ("Reshape", [(2, 3)], "reshape_param { shape { dim: 7 } }", 1, "dims [7], which make the shape [7], expected 6"),
    ("Reshape", [(2, 3)], "reshape_param { shape { dim: -1 dim: -1 } }", 1, "dims [-1, -1], expected no negative"),
    ("Reshape", [(2, 3)], "reshape_param { shape { dim: -2 dim: -3 } }", 1, "dims [-2, -3], expected no negative"),
    (
        "Reshape",
        [(2, 3)],
        "reshape_param { shape { dim: 2 dim: 3 dim: 0 } }",
        1,
        "dim 0 at position 2, expected an axis",
    ),
    ("Reshape", [(2, 3)], "reshape_param { axis: 1 num_axes: 2 }", 1, "axis 1 and num_axes 2 of a blob with 2 axes"),
    ("Reshape", [(2, 3)], "reshape_param { axis: -4 }", 1, "axis -4 and num_axes -1 of a blob with 2 axes"),
    ("Reshape", [(2, 3)], "reshape_param { num_axes: -2 }", 1, "axis 0 and num_axes -2 of a blob with 2 axes"),
    ("Crop", [(1, 1, 4, 4), (4, 4)], "", 1, "bottoms of shapes [1, 1, 4, 4] and [4, 4], expected as many axes"),
    (
        "Crop",
        [(1, 1, 4, 4), (1, 1, 3, 3)],
        "crop_param { offset: 2 }",
        1,
        "offset 2 and size 3 of an axis of 4, expected a window inside the first bottom (axis 2)",
    ),
    (
        "Crop",
        [(1, 1, 4, 4), (1, 1, 3, 3)],
        "crop_param { axis: 1 offset: 0 offset: 0 }",
        1,
        "has 2 offset for 3 cropped axes, expected none, 1, or one per axis",
    ),
    ("Tile", [(2, 3)], "", 1, "tiles 0, expected 1 or more"),
    ("Tile", [(2, 3)], "tile_param { tiles: 2 axis: -3 }", 1, "axis -3 of a blob with 2 axes"),
    (
        "Tile",
        [(2, 3)],
        "tile_param { tiles: 2000000000 }",
        1,
        "gives 't0' the shape [2, 6000000000], 12000000000 numbers, expected at most 2147483647",
    ),
    ("Permute", [(2, 3)], "permute_param { order: 1 order: 1 }", 1, "order [1, 1] of 2 axes, expected different"),
    (
        "Permute",
        [(2, 3)],
        "permute_param { order: 2 }",
        1,
        "order [2] of 2 axes, expected different numbers from 0 to 1",
    ),
    ("Reduction", [(2, 3)], "reduction_param { axis: 2 }", 1, "axis 2 of a blob with 2 axes"),
    ("ArgMax", [(2, 3)], "argmax_param { top_k: 4 }", 1, "top_k 4 of 3 values, expected 1 to 3"),
    ("ArgMax", [(2, 3)], "argmax_param { axis: 0 top_k: 3 }", 1, "top_k 3 of 2 values, expected 1 to 2"),
    ("Normalize", [(2,)], "", 1, "a bottom of shape [2], expected 2 to 4 axes"),
    ("Normalize", [(1, 1, 1, 1, 2)], "", 1, "'b0' has the shape [1, 1, 1, 1, 2], expected at most 4 axes"),
    ("SoftmaxWithLoss", [(2, 3), (3,)], "", 1, "bottoms of shapes [2, 3] and [3], expected one size of the first axis"),
    ("SoftmaxWithLoss", [(2, 3), (2, 2)], "", 1, "4 labels for scores of shape [2, 3], expected 2, one per prediction"),
    ("SoftmaxWithLoss", [(2, 3), (2,)], "", 2, "has 2 tops, expected 0 to 1"),
    ("EuclideanLoss", [(2, 3), (2, 4)], "", 1, "bottoms of shapes [2, 3] and [2, 4], expected as many values in each"),
    ("HingeLoss", [(2, 1, 1, 1, 3), (2,)], "", 1, "'b0' has the shape [2, 1, 1, 1, 3], expected at most 4 axes"),
    (
        "SigmoidCrossEntropyLoss",
        [(2, 3), (2, 4)],
        "",
        1,
        "bottoms of shapes [2, 3] and [2, 4], expected as many values",
    ),
    ("Accuracy", [(2, 3), (3,)], "", 1, "3 labels for scores of shape [2, 3], expected 2, one per prediction"),
    ("Accuracy", [(2, 3), (2,)], "accuracy_param { top_k: 4 }", 1, "top_k 4 of 3 classes, expected at most 3"),
    ("Silence", [(2,)], "", 1, "has 1 tops, expected 0"),
]


@pytest.mark.parametrize(("kind", "shapes", "parameters", "tops", "message"), WRONG)
def test_what_caffe_refuses_is_an_error_that_says_why(kind, shapes, parameters, tops, message):
    with pytest.raises(InputError) as raised:
        Executor(built(net_text(kind, shapes, parameters, tops)))
    assert str(raised.value).startswith(f"layer 'it' ({kind}): {message}")


@pytest.mark.parametrize("kind", ["AbsVal", "Flatten", "Reshape", "Split"])
def test_layers_that_caffe_does_not_let_work_in_place(kind):
    text = net_text(kind, [(2, 3)], "reshape_param { shape { dim: 6 } }" if kind == "Reshape" else "", in_place=True)
    with pytest.raises(InputError, match=rf"layer 'it' \({kind}\): works in place on 'c', expected a top of another"):
        Executor(built(text))


def test_what_follows_views_in_place_spares_the_others():
    text = (
        net_text("Split", [(2, 3, 4)], tops=2)
        + layer_text("Flatten", ["t0"], ["flat"], name="flatten")
        + layer_text("ReLU", ["flat"], ["flat"], name="relu")
    )
    graph = built(text)
    made = Executor(graph)
    (data,) = graph.inputs
    made.arrays[data][...] = -1
    split, flatten, relu = graph.nodes[1:]
    assert made.shapes[flatten.tops[0]] == (2, 12)
    made.forward()
    assert (made.arrays[relu.tops[0]] == 0).all()
    assert (made.arrays[split.tops[1]] == -1).all()
