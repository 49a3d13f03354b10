"""The nets of the suite `caffe` as files that every participant reads, and what all of them must compute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ... import export_onnx, load_caffe, optimize
from ...arguments import FLOOR
from ...engine.graph.analysis.cost import Cost, cost_of
from ...engine.graph.verification.difference import check_close, difference
from ...engine.graph.verification.finite import check_finite
from ...engine.graph.verification.scale import output_scales
from ...engine.graph.verification.verify import run_graph
from ...errors import CheckFailed
from ..machine import is_installed
from .caffe_nets import CaffeCase, give_weights

# name -> peers/<...>_nets.py
PEERS = {"ONNX Runtime": "onnx", "OpenVINO": "openvino", "PyTorch": "torch", "OpenCV": "opencv"}
NEEDED = {
    "ONNX Runtime": ("onnx", "onnxruntime"),
    "OpenVINO": ("onnx", "openvino"),
    "PyTorch": ("torch",),
    "OpenCV": ("cv2",),
}
READ_ONNX = {name for name, packages in NEEDED.items() if "onnx" in packages}
# Relative to the scales of outputs: float32 with Winograd's algorithm, in caffe64 and in some peers.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Files:
    """A net on disk as it is and optimised: paths without the suffixes .prototxt, .caffemodel and .npy (the input), and
    .onnx of the optimised one if a participant reads it. `expected` float32 are its outputs, flat, and `scales` the
    magnitudes relative to which differences from them are measured."""

    naive: Path
    optimised: Path
    expected: np.ndarray
    scales: np.ndarray
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


def write_files(case: CaffeCase, folder: Path, peers: Iterable[str]) -> Files:
    """Write a net as it is and optimised, and run it as it is, by the reference, as plans are what is measured."""
    x, source = case.input(), folder / f"{case.slug}-source.prototxt"
    source.write_text(case.text())
    net = load_caffe(source, deploy=True, input_shapes={"data": case.shape})
    give_weights(net)
    smaller, _ = optimize(net)
    files = {folder / case.slug: net, folder / f"{case.slug}-optimised": smaller}
    for path, each in files.items():
        each.save(f"{path}.prototxt", f"{path}.caffemodel")
        np.save(f"{path}.npy", x)
    if READ_ONNX.intersection(peers):
        export_onnx(smaller, f"{path}.onnx")
    costs = {path: cost_of(each.graph, each.shapes) for path, each in files.items()}
    (expected,) = run_graph(net.graph, {"data": x}, reference=True).values()
    (scale,) = output_scales(net.graph, {"data": x}).values()
    return Files(*files, expected.ravel(), np.broadcast_to(scale, expected.shape).ravel(), costs)


def verify(name: str, files: Files, facts: Mapping[str, Mapping]) -> None:
    """Raises CheckFailed if the "outputs" of a participant are not the expected ones; nothing is timed then."""
    for participant, found in facts.items():
        values, label = np.array(found["outputs"], np.float32), f"{name}: nothing was timed: {participant} threads"
        if values.shape != files.expected.shape:
            raise CheckFailed(f"{label}: {values.size} outputs, expected {files.expected.size}")
        check_finite({"outputs": values, "expected": files.expected}, {}, label)
        apart = difference("outputs", files.expected, values, files.scales)
        check_close([apart], TOLERANCE, FLOOR, f"{label} differ")
