"""Caffe's nets in OpenCV's dnn, which reads the files that we write. OpenCV 5 does not read them any more."""

from __future__ import annotations

import cv2
import numpy as np


class Job:
    """For `worker`: `repeats` predictions. `files` without their suffixes; `facts` hold the outputs."""

    def __init__(self, files: str, threads: int, repeats: int):
        cv2.setNumThreads(threads)
        net = cv2.dnn.readNetFromCaffe(f"{files}.prototxt", f"{files}.caffemodel")
        x = np.load(f"{files}.npy")

        def run() -> None:
            for _ in range(repeats):
                net.setInput(x)
                self.output = net.forward()

        self.run = run
        self.run()
        self.facts = {"outputs": self.output.ravel().tolist()}
