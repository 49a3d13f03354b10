"""Layers of forks that resize pictures and move values: what does not fit is refused, before it is allocated."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_layers import built, layer_text, net_text, run_layer

from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.errors import InputError

P = (1, 4, 4, 6)
WRONG = [  # type, shapes of the bottoms, parameters, message
    ("Interp", [(4, 4)], "interp_param { height: 3 width: 3 }", r"a bottom of shape \[4, 4\], expected 4 axes"),
    ("Interp", [P], "", "has no size, expected height and width, zoom_factor or shrink_factor"),
    ("Interp", [P], "interp_param { height: 3 }", "has no size"),
    ("Interp", [P], "interp_param { height: 0 width: 3 }", "height 0, expected 1 to"),
    ("Interp", [P], "interp_param { height: -1 width: 3 }", "height -1"),
    ("Interp", [P], "interp_param { zoom_factor: 0 }", "zoom_factor 0"),
    ("Interp", [P], "interp_param { shrink_factor: -2 }", "shrink_factor -2"),
    ("Interp", [P], "interp_param { zoom_factor: 2147483647 }", "numbers, expected at most 2147483647"),
    ("Interp", [P], "interp_param { height: 2147483647 width: 2147483647 }", "numbers, expected at most 2147483647"),
    ("Interp", [P], "interp_param { zoom_factor: 2 pad_beg: 1 }", "pad_beg 1 and pad_end 0, expected 0, or negative"),
    ("Interp", [P], "interp_param { zoom_factor: 2 pad_end: -4 }", r"has 0 rows and 2 columns left of \[4, 6\]"),
    ("Interp", [P, P], "interp_param { zoom_factor: 2 }", "has 2 bottoms, expected 1"),
    ("Upsample", [P], "upsample_param { scale: 0 }", "scale 0, expected 1 to"),
    ("Upsample", [P], "upsample_param { scale: -2 }", "scale -2"),
    ("Upsample", [P], "upsample_param { scale: 2000000000 }", "numbers, expected at most 2147483647"),
    ("Upsample", [(4,)], "upsample_param { scale: 2 }", r"a bottom of shape \[4\], expected 2 axes or more"),
    ("Upsample", [P], "upsample_param { upsample_h: 8 upsample_w: 8 }", "has one bottom, and more than a scale"),
    ("Upsample", [P, (1, 4, 4, 5)], "", r"bottoms of shapes \[1, 4, 4, 6\] and \[1, 4, 4, 5\], expected one shape"),
    ("Upsample", [P, P], "upsample_param { upsample_h: 8 }", "has upsample_h, expected upsample_h and upsample_w"),
    ("Upsample", [P, P], "upsample_param { scale_h: 2 }", "has scale_h, expected"),
    ("Upsample", [P, P], "upsample_param { scale: 2 scale_h: 2 scale_w: 2 }", "has scale and scale_h and scale_w"),
    ("Upsample", [P, P], "upsample_param { scale: 3 pad_out_h: true }", "has pad_out_h with a scale of 3"),
    ("ShuffleChannel", [P], "shuffle_channel_param { group: 3 }", "group 3 of 4 channels, expected a divisor"),
    ("ShuffleChannel", [P], "shuffle_channel_param { group: 0 }", "group 0 of 4 channels"),
    ("ShuffleChannel", [(4,)], "", "expected 2 axes or more, channels on axis 1"),
    ("Reorg", [P], "", "has no stride, expected stride, a positive number"),
    ("Reorg", [P], "reorg_param { stride: 0 }", "stride 0"),
    ("Reorg", [P], "reorg_param { stride: 3 }", "stride 3 of 4 channels, expected a multiple of 9"),
    ("Reorg", [P], "reorg_param { stride: 4000000000 }", "stride 4000000000 of 4 channels"),
    ("Reorg", [(1, 4, 3, 6)], "reorg_param { stride: 2 }", "stride 2 of 3 rows and 6 columns, expected multiples"),
    ("Reorg", [(4, 4, 4)], "reorg_param { stride: 2 }", "expected 4 axes"),
    ("CropCenter", [P], "crop_center_param { crop_size: 1 }", "has 1 crop_size for 4 axes, expected one per axis"),
    ("CropCenter", [P], "crop_center_param { " + "crop_size: 2 " * 4 + "}", "crop_size 2 of an axis of 1"),
    ("CropCenter", [(9,)], "crop_center_param { crop_size: -1 }", "crop_size -1 of an axis of 9"),
    ("Reverse", [P], "reverse_param { axis: 4 }", "axis 4 of a blob with 4 axes, expected 0 to 3"),
    ("Reverse", [P], "reverse_param { axis: -1 }", "axis -1"),
    ("ReverseTime", [(5, 3), (5,)], "", r"bottoms of shapes \[5, 3\] and \[5\], expected \[T, N, ...\] and \[N\]"),
    ("ReverseTime", [(5,), (5,)], "", r"expected \[T, N, ...\]"),
    ("Transpose", [P], "transpose_param { dim: 0 dim: 1 }", "has 2 dim for 4 axes, expected one per axis"),
    ("Transpose", [(2, 3)], "transpose_param { dim: 0 dim: 0 }", r"order \[0, 0\] of 2 axes"),
    ("Transpose", [(2, 3)], "transpose_param { dim: 0 dim: -1 }", r"order \[0, -1\] of 2 axes"),
]


@pytest.mark.parametrize(("kind", "shapes", "parameters", "message"), WRONG)
def test_it_is_refused_by_name(kind, shapes, parameters, message):
    with pytest.raises(InputError, match=rf"layer 'it' \({kind}\): .*{message}"):
        infer_shapes(built(net_text(kind, shapes, parameters)))


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("Interp", "interp_param { zoom_factor: 1 }"),
        ("Upsample", ""),
        ("ShuffleChannel", ""),
        ("Reorg", "reorg_param { stride: 1 }"),
        ("Reverse", ""),
        ("CropCenter", "crop_center_param { " + "crop_size: 0 " * 4 + "}"),
        ("Transpose", "transpose_param { dim: 0 dim: 1 dim: 2 dim: 3 }"),
    ],
)
def test_none_works_in_place(kind, parameters):
    text = net_text("Power", [P]) + layer_text(kind, ["t0"], ["t0"], parameters, "in_place")
    with pytest.raises(InputError, match=r"works in place on 't0', expected a top of another name"):
        infer_shapes(built(text))


@pytest.mark.parametrize("length", [-1, 6, np.nan, np.inf, 1e30])
def test_lengths_that_no_stream_has_are_refused(length):
    with pytest.raises(InputError, match=r"'b1' holds .* at position 1, expected a number from 0 to 5"):
        run_layer("ReverseTime", [np.zeros((5, 2), np.float32), np.array([1, length], np.float32)])
