"""ONNX models with caffe64 itself, optimised, by a Plan."""

from __future__ import annotations

import numpy as np

from ... import load_onnx, optimize
from ...engine.graph.ir.graph import Graph
from . import caffe64_nets, output_names


class Job(caffe64_nets.Job):
    """That of Caffe's nets, of `files`.onnx, with its outputs in the order of the file."""

    def read(self, files: str) -> Graph:
        return optimize(load_onnx(f"{files}.onnx"))[0].graph

    def outputs(self, files: str, arrays: dict[str, np.ndarray]) -> list[str]:
        return output_names(files)
