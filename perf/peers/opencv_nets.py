"""Nets in OpenCV's dnn: ONNX models, and Caffe's from the files that we write, which OpenCV 5 does not read."""

from __future__ import annotations

import cv2
import numpy as np

from . import flat, output_names


class Job:
    """For `worker`: `repeats` predictions. `files` without their suffixes; `facts` hold the outputs."""

    def __init__(self, files: str, threads: int, repeats: int):
        cv2.setNumThreads(threads)
        net, x = self.read(files), np.load(f"{files}.npy")
        outputs = self.outputs(files, net)

        def run() -> None:
            for _ in range(repeats):
                net.setInput(x)
                self.found = net.forward(outputs)

        self.run = run
        self.run()
        self.facts = {"outputs": flat(self.found)}

    def read(self, files: str):
        return cv2.dnn.readNetFromCaffe(f"{files}.prototxt", f"{files}.caffemodel")

    def outputs(self, files: str, net) -> list[str]:
        return list(net.getUnconnectedOutLayersNames())


class OnnxJob(Job):
    """The same of a .onnx, with its outputs in the order of the file."""

    def read(self, files: str):
        return cv2.dnn.readNetFromONNX(f"{files}.onnx")

    def outputs(self, files: str, net) -> list[str]:
        return output_names(files)
