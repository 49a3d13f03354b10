"""Caffe's nets in OpenCV's dnn, which reads the files that we write. OpenCV 5 does not read them any more."""

from __future__ import annotations

import cv2
import numpy as np

from . import flat


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
