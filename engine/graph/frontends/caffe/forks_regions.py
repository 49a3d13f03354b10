"""Layers of forks for regions and detections: R-CNN's and R-FCN's pooling, Proposal, YOLO's outputs, their losses."""

from __future__ import annotations

from ...ops import region_pooling
from .fields import by_name

READERS = {
    "ROIPooling": by_name(region_pooling.ROIPooling, "roi_pooling_param"),
    "PSROIPooling": by_name(region_pooling.PSROIPooling, "psroi_pooling_param"),
}
