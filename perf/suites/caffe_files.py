"""The nets of the suite `caffe` as files that every participant reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ... import export_onnx, load_caffe, optimize
from ...engine.graph.analysis.cost import Cost, cost_of
from ..machine import is_installed
from .caffe_nets import CaffeCase, give_weights
from .expected import Expected

# name -> peers/<...>_nets.py
PEERS = {"ONNX Runtime": "onnx", "OpenVINO": "openvino", "PyTorch": "torch", "OpenCV": "opencv"}
NEEDED = {
    "ONNX Runtime": ("onnx", "onnxruntime"),
    "OpenVINO": ("onnx", "openvino"),
    "PyTorch": ("torch",),
    "OpenCV": ("cv2",),
}
READ_ONNX = {name for name, packages in NEEDED.items() if "onnx" in packages}


@dataclass(frozen=True)
class Files:
    """A net on disk as it is and optimised: paths without the suffixes .prototxt, .caffemodel and .npy (the input), and
    .onnx of the optimised one if a participant reads it."""

    naive: Path
    optimised: Path
    expected: Expected
    costs: dict[Path, Cost]


def installed_peers(wanted: bool) -> list[str]:
    """The names of the peers that can take part; none if not `wanted`."""
    if not wanted:
        return []
    found = [name for name, packages in NEEDED.items() if all(map(is_installed, packages))]
    if "OpenCV" in found:
        import cv2

        if not hasattr(cv2.dnn, "readNetFromCaffe"):
            found.remove("OpenCV")
    return found


def peers_of(case: CaffeCase, peers: Iterable[str]) -> list[str]:
    """Those that can read it."""
    return [peer for peer in peers if peer not in case.instead or is_installed("onnx")]


def write_files(case: CaffeCase, folder: Path, peers: Iterable[str]) -> Files:
    """Write a net as it is and optimised, and run it as it is."""
    x, source = case.input(), folder / f"{case.slug}-source.prototxt"
    source.write_text(case.text())
    net = load_caffe(source, deploy=True, input_shapes={"data": case.shape})
    give_weights(net)
    smaller, _ = optimize(net)
    files = {folder / case.slug: net, folder / f"{case.slug}-optimised": smaller}
    for path, each in files.items():
        each.save(f"{path}.prototxt", f"{path}.caffemodel")
        np.save(f"{path}.npy", x)
    if READ_ONNX.union(case.instead).intersection(peers):
        export_onnx(smaller, f"{path}.onnx")
    costs = {path: cost_of(each.graph, each.shapes) for path, each in files.items()}
    return Files(*files, Expected.of(net.graph, {"data": x}, net.outputs), costs)
