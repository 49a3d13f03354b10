"""Suite `onnx`: ONNX models of ten CNNs, batch 1, every participant in a process of its own.

Each participant gets the same file, as an exporter writes it, and prepares it in its own way: caffe64 by `load_onnx`,
`optimize` and a Plan. Before anything is timed, all outputs must be those of the model as it is, run layer by layer
with plain sums. One thread is measured in CPU time, several in wall time. --quick takes the three smallest nets.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ... import load_onnx, optimize
from ...engine.graph.analysis.cost import Cost, cost_of
from ..machine import is_installed
from ..results import Entry
from . import Report, Settings
from .comparison import Jobs, Workload, run_comparison
from .expected import Expected
from .onnx_nets import NETS, OnnxCase

JOB = "caffe64.perf.peers.{}:Job"
PEERS = {  # name -> what is imported, the job
    "ONNX Runtime": ("onnxruntime", JOB.format("onnx_nets")),
    "OpenVINO": ("openvino", JOB.format("openvino_nets")),
    "OpenCV": ("cv2", JOB.format("opencv_onnx")),
}
GOALS = {"ONNX Runtime": 1.0}
QUICK = ("MobileNetV3-small", "ShuffleNetV2", "Face detector")


def run(settings: Settings, report: Report) -> list[Entry]:
    """Verify and time everything. Raises CheckFailed."""
    entries, peers = [], installed_peers(settings.peers)
    for case in NETS.values():
        if settings.quick and case.name not in QUICK:
            continue
        with tempfile.TemporaryDirectory(prefix="caffe64-perf-") as folder:
            for entry in forward(case, Path(folder, "net"), peers, settings):
                entries.append(entry)
                report(entry)
    return entries


def installed_peers(wanted: bool) -> list[str]:
    """The names of the peers that can take part; none if not `wanted`."""
    return [name for name, (package, _) in PEERS.items() if wanted and is_installed(package)]


def forward(case: OnnxCase, files: Path, peers: list[str], settings: Settings) -> Iterator[Entry]:
    """One entry per number of threads; writes `files`, .onnx and .npy. Raises CheckFailed."""
    expected, cost = write_files(case, files)
    arguments = {"files": str(files), "repeats": case.repeats}
    jobs: Jobs = {"caffe64": (JOB.format("caffe64_onnx"), arguments)}
    jobs |= {peer: (PEERS[peer][1], arguments) for peer in peers}
    work = Workload(2.0 * cost.macs, case.repeats)
    comparison = run_comparison("onnx", jobs, work, settings, lambda facts: expected.verify(case.name, facts))
    for threads in settings.threads:
        yield comparison.entry(case.name, "caffe64", threads, peers, goals=GOALS)


def write_files(case: OnnxCase, files: Path) -> tuple[Expected, Cost]:
    """Write the model and a picture of random numbers; what outputs they give, and the cost of the optimised net."""
    model, path = case.model(), files.with_suffix(".onnx")
    path.write_bytes(model.SerializeToString())
    x = np.random.default_rng(1).standard_normal((1, 3, case.size, case.size), np.float32)
    np.save(files.with_suffix(".npy"), x)
    net = load_onnx(path)
    smaller, _ = optimize(net)
    outputs = [output.name for output in model.graph.output]
    return Expected.of(net.graph, {"x": x}, outputs), cost_of(smaller.graph, smaller.shapes)
