"""Layers of forks for regions and detections: R-CNN's and R-FCN's pooling, Proposal, also as a Python layer, and YOLO's
outputs, the losses of detectors, and a decoder of lines of text."""

from __future__ import annotations

from dataclasses import fields

from .....formats.caffe.param_str import Value, read_param_str
from ...ir.graph import Node
from ...ops import ctc, multibox_loss, part_pooling, proposal, region_pooling, smooth_l1_loss, yolo
from .fields import Reader, by_name, read_fields, writes
from .python_layers import PYTHON

PYTHON_RATIOS, PYTHON_SCALES = (0.5, 1.0, 2.0), [8, 16, 32]  # of py-faster-rcnn's code, as are Proposal's defaults


def _read_proposal(node: Node, layer) -> proposal.Proposal:
    if layer.type == PYTHON:
        return _read_python_proposal(node, layer.python_param.param_str)
    return read_fields(proposal.Proposal, layer.proposal_param, form="c++")


def _read_python_proposal(node: Node, text: str) -> proposal.Proposal:
    try:
        given = read_param_str(text)
    except ValueError as error:
        raise node.error(f"has a param_str with {error}", "'feat_stride': 16, and 'scales': [8, 16, 32]") from None
    stride, scales = given.pop("feat_stride", None), given.pop("scales", PYTHON_SCALES)
    if given:
        raise node.error(f"has a param_str with {', '.join(map(repr, given))}", "feat_stride and scales")
    if not isinstance(stride, int):
        raise node.error(f"has a param_str with feat_stride {stride!r}", "a whole number")
    if not isinstance(scales, list) or not all(map(_is_number, scales)):
        raise node.error(f"has a param_str with scales {scales!r}", "a list of numbers")
    return proposal.Proposal(stride, ratio=PYTHON_RATIOS, scale=tuple(map(float, scales)), form="python")


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float)


def _read_smooth_l1(node: Node, layer) -> smooth_l1_loss.SmoothL1Loss:
    normalization = layer.loss_param.normalization
    return read_fields(smooth_l1_loss.SmoothL1Loss, layer.smooth_l1_loss_param, normalization=normalization)


def _write_sigma(layer, sigma: float | None) -> None:
    """Its presence says which layer this is, also of its default."""
    layer.ClearField("smooth_l1_loss_param")
    if sigma is not None:
        layer.smooth_l1_loss_param.sigma = sigma


def _read_multibox(node: Node, layer) -> multibox_loss.MultiBoxLoss:
    normalization = layer.loss_param.normalization
    return read_fields(multibox_loss.MultiBoxLoss, layer.multibox_loss_param, normalization=normalization)


_NORMALIZATION = writes("loss_param", "normalization")
_MULTIBOX = by_name(multibox_loss.MultiBoxLoss, "multibox_loss_param")
_IN_FILES = [each.name for each in fields(proposal.Proposal) if each.name != "form"]
READERS = {
    "ROIPooling": by_name(region_pooling.ROIPooling, "roi_pooling_param"),
    "PSROIPooling": by_name(part_pooling.PSROIPooling, "psroi_pooling_param"),
    "Proposal": Reader(_read_proposal, {name: writes("proposal_param", name) for name in _IN_FILES}),
    "YoloDetectionOutput": by_name(yolo.YoloDetectionOutput, "yolo_detection_output_param"),
    "Yolov3DetectionOutput": by_name(yolo.Yolov3DetectionOutput, "yolov3_detection_output_param"),
    "SmoothL1Loss": Reader(_read_smooth_l1, {"sigma": _write_sigma, "normalization": _NORMALIZATION}),
    "MultiBoxLoss": Reader(_read_multibox, {**_MULTIBOX.write, "normalization": _NORMALIZATION}),
    "CTCGreedyDecoder": by_name(ctc.CTCGreedyDecoder, "ctc_decoder_param"),
}
