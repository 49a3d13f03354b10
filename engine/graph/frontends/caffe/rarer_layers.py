"""Caffe's own rarer layers, and CenterLoss: their readers."""

from __future__ import annotations

from dataclasses import replace

from ...ir.graph import Node
from ...ops.class_losses import CenterLoss, InfogainLoss
from ...ops.contrastive import ContrastiveLoss
from ...ops.losses import NORMALIZE_VALID
from ...ops.pyramid import Pyramid
from .fields import Reader, by_name, filler_of, read_fields, writes
from .windows import IM2COL


def _read_infogain(node: Node, layer) -> InfogainLoss:
    parameter, loss = layer.infogain_loss_param, layer.loss_param
    if loss.HasField("normalize"):
        raise node.error("has loss_param.normalize", "normalization: VALID, FULL, BATCH_SIZE or NONE")
    return InfogainLoss(
        parameter.source,
        parameter.axis,
        loss.ignore_label if loss.HasField("ignore_label") else None,
        loss.normalization if loss.HasField("normalization") else NORMALIZE_VALID,
    )


def _say_infogain(attributes: InfogainLoss) -> InfogainLoss:
    """The matrix is in a file of its own."""
    return replace(attributes, matrix=b"")


READERS = {
    "CenterLoss": Reader(
        lambda node, layer: read_fields(CenterLoss, layer.center_loss_param),
        {name: writes("center_loss_param", name) for name in ("num_output", "axis")},
        lambda layer: (filler_of(layer.center_loss_param, "center_filler", 0.0),),
    ),
    "ContrastiveLoss": by_name(ContrastiveLoss, "contrastive_loss_param"),
    "Im2col": IM2COL,
    "InfogainLoss": Reader(_read_infogain, said=_say_infogain),
    "SPP": by_name(Pyramid, "spp_param"),
}
