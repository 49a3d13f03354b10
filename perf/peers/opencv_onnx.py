"""ONNX models in OpenCV's dnn."""

from __future__ import annotations

import cv2

from . import opencv_nets, output_names


class Job(opencv_nets.Job):
    """That of Caffe's nets, of `files`.onnx, with its outputs in the order of the file."""

    def read(self, files: str):
        return cv2.dnn.readNetFromONNX(f"{files}.onnx")

    def outputs(self, files: str, net) -> list[str]:
        return output_names(files)
