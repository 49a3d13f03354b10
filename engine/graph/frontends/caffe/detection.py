"""SSD's own layers: PriorBox, whose fields differ between OpenCV and Caffe, and DetectionOutput's nested message."""

from __future__ import annotations

from ...ir.graph import Node
from ...ops.detection import DetectionOutput, PriorBox
from .fields import Reader, read_fields

ONE_WAY = "one way to say it"


def _read_prior_box(node: Node, layer) -> PriorBox:
    parameter = layer.prior_box_param
    return read_fields(
        PriorBox,
        parameter,
        image=_height_and_width(node, parameter, "img"),
        step=_height_and_width(node, parameter, "step"),
        offsets=_offsets(node, parameter),
    )


def _offsets(node: Node, parameter) -> tuple[tuple[float, float], ...]:
    """The centres of a cell's boxes, from the top and from the left as fractions of the cell:
    `offset` for both, or for each box every pair of OpenCV's offset_h and offset_w."""
    down, right = list(parameter.offset_h), list(parameter.offset_w)
    if not down and not right:
        return ((parameter.offset, parameter.offset),)
    if parameter.HasField("offset"):
        raise node.error("has offset beside offset_h and offset_w", ONE_WAY)
    if len(down) != len(right):
        raise node.error(f"offset_h {down} and offset_w {right}", "as many of both")
    return tuple(zip(down, right, strict=True))


def _height_and_width(node: Node, parameter, name: str) -> tuple[float, float] | None:
    """`name`_h and `name`_w, or `name` (`name`_size) for both, None where none is given."""
    both, sides = "img_size" if name == "img" else name, (f"{name}_h", f"{name}_w")
    if any(map(parameter.HasField, sides)):
        if parameter.HasField(both):
            raise node.error(f"has {both} beside {name}_h and {name}_w", ONE_WAY)
        pair = getattr(parameter, sides[0]), getattr(parameter, sides[1])
    elif parameter.HasField(both):
        pair = (getattr(parameter, both),) * 2
    else:
        return None
    if min(pair) <= 0:
        raise node.error(f"{name}_h {pair[0]:g} and {name}_w {pair[1]:g}", "positive numbers")
    return pair


def _read_detection_output(node: Node, layer) -> DetectionOutput:
    parameter = layer.detection_output_param
    suppression = parameter.nms_param
    limited = suppression.HasField("top_k") and suppression.top_k >= 0
    return read_fields(
        DetectionOutput,
        parameter,
        nms_threshold=suppression.nms_threshold,
        top_k=suppression.top_k if limited else None,
        eta=suppression.eta,
    )


READERS = {"PriorBox": Reader(_read_prior_box), "DetectionOutput": Reader(_read_detection_output)}
