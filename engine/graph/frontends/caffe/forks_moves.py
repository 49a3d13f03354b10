"""Layers of forks that resize pictures and move values."""

from __future__ import annotations

from ...ops import arrangement, interp, reverse_time, shuffle, strided_slice, upsample
from .fields import Reader, by_name, writes

READERS = {
    "CropCenter": by_name(strided_slice.CropCenter, "crop_center_param"),
    "Interp": by_name(interp.Interp, "interp_param"),
    "Reorg": by_name(shuffle.Reorg, "reorg_param"),
    "Reverse": by_name(strided_slice.Reverse, "reverse_param"),
    "ReverseTime": by_name(reverse_time.ReverseTime, "reverse_time_param"),
    "ShuffleChannel": by_name(shuffle.ShuffleChannel, "shuffle_channel_param"),
    "Transpose": Reader(
        lambda node, layer: arrangement.Permute(tuple(layer.transpose_param.dim)),
        {"order": writes("transpose_param", "dim")},
    ),
    "Upsample": by_name(upsample.Upsample, "upsample_param"),
}
