"""What a box of a picture says of a layer besides its type."""

from __future__ import annotations

import pytest

from caffe64.caffe.layer_labels import main_parameters
from caffe64.engine.graph.ir.graph import Node
from caffe64.engine.graph.ops.arrangement import Permute
from caffe64.engine.graph.ops.eltwise import ELTWISE_MIN, Eltwise
from caffe64.engine.graph.ops.group_norm import GroupNorm
from caffe64.engine.graph.ops.interp import Interp
from caffe64.engine.graph.ops.padding import Pad
from caffe64.engine.graph.ops.pooling import POOL_AVE, Pooling
from caffe64.engine.graph.ops.resize import Resize
from caffe64.engine.graph.ops.shuffle import Reorg, ShuffleChannel
from caffe64.engine.graph.ops.softmax import LogSoftmax
from caffe64.engine.graph.ops.strided_slice import CropCenter, Reverse, StridedSlice
from caffe64.engine.graph.ops.upsample import Upsample
from caffe64.engine.graph.ops.windows import Convolution


@pytest.mark.parametrize(
    ("kind", "attributes", "text"),
    [
        ("Convolution", Convolution(8, (3,), (2,), (1,), (1,)), "3×3 /2, pad 1 → 8"),
        ("Convolution", Convolution(8, (3, 3), (2, 2), (0, 0), (1, 1)), "3×3 /2, pad 0..1 → 8"),
        ("Convolution", Convolution(8, (3, 3), (1, 1), (0,), (1, 0)), "3×3, pad 0..1×0 → 8"),
        ("Pooling", Pooling(POOL_AVE, (3, 2), (1, 1), (1, 0), (1, 1)), "average 3×2, pad 1×0..1"),
        ("Pooling", Pooling(POOL_AVE), "average, global"),
        ("Eltwise", Eltwise(ELTWISE_MIN), "min"),
        ("Resize", Resize("nearest", scales=(2.0, 2.0)), "nearest ×2"),
        ("Resize", Resize("linear", sizes=(40, 20)), "linear → 40×20"),
        ("Pad", Pad((0, 0, 1, 2), (0, 0, 1, 0), "reflect"), "reflect 1×2..0"),
        ("StridedSlice", StridedSlice((2, 3), (1, -1), (2**63 - 1, -9), (2, -1)), "axis 2: 1::2, axis 3: -1:-9:-1"),
        ("GroupNorm", GroupNorm(4), "4 groups"),
        ("GroupNorm", GroupNorm(), ""),
        ("LogSoftmax", LogSoftmax(-1), "axis -1"),
        ("Interp", Interp(40, 20), "→ 40×20"),
        ("Interp", Interp(40, 20, zoom_factor=8), "×8"),
        ("Interp", Interp(shrink_factor=2, zoom_factor=4), "/2 ×4"),
        ("Upsample", Upsample(2), "×2"),
        ("Upsample", Upsample(scale_h=2, scale_w=3), "×2×3"),
        ("Upsample", Upsample(2, upsample_h=45, upsample_w=60), "→ 45×60"),
        ("Upsample", Upsample(), ""),
        ("ShuffleChannel", ShuffleChannel(3), "3 groups"),
        ("Reorg", Reorg(2), "/2"),
        ("Reorg", Reorg(2, True), "back /2"),
        ("CropCenter", CropCenter((0, 0, 7, 7)), "0×0×7×7"),
        ("Reverse", Reverse(2), "axis 2"),
        ("Transpose", Permute((2, 0, 1)), "2, 0, 1"),
    ],
)
def test_a_label_has_the_main_parameters(kind, attributes, text):
    assert main_parameters(Node("l", kind, [], [], attributes)) == text
