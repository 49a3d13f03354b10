"""Forward and backward of the CIFAR net in the TRAIN phase: gradients of all weights, no step of an optimiser.

They are verified with the Dropout at ratio 0, so that nothing is random: ours against differences of the loss, then
those of all participants against ours, layer by layer.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ... import CaffeNet, load_caffe
from ...engine.graph.analysis.shapes import macs
from ...errors import CheckFailed
from ..results import Entry
from . import Settings, caffe_nets
from .caffe_files import Files
from .caffe_nets import CaffeCase
from .comparison import Workload, run_comparison

JOB = "caffe64.perf.peers.{}_gradients:Job"
# A unit along the gradient g raises the loss by |g|. With steps from 3e-5 to 1e-3 both agree within 0.3 %; with
# shorter ones the rounding of the loss dominates, with longer ones its curvature.
STEP, SLOPE_TOLERANCE = 3e-4, 0.01
# Of a gradient's norm. Rounding alone makes 1e-5; but where a ReLU's input is almost 0, it decides whether a gradient
# passes: one such value, in conv3, made 3e-3 in PyTorch (against float64; ours was 5e-6 off).
NORM_TOLERANCE = 5e-3
REPEATS = 2


def backward(case: CaffeCase, files: Files, folder: Path, peers: list[str], settings: Settings) -> list[Entry]:
    """One entry per number of threads, for a net whose text takes a dropout ratio. Raises CheckFailed."""
    train, check = folder / "train.prototxt", folder / "check.prototxt"
    train.write_text(caffe_nets.cifar())
    check.write_text(caffe_nets.cifar(dropout=0))
    batch, model = folder / "batch.npz", f"{files.naive}.caffemodel"
    labels = np.random.default_rng(10).integers(0, 10, case.shape[0]).astype(np.float32)
    inputs = {"data": case.input(), "label": labels}
    np.savez(batch, **inputs)
    shapes = {name: values.shape for name, values in inputs.items()}
    net = load_caffe(check, model, phase="TRAIN", input_shapes=shapes, exact=True)
    expected = expected_gradients(net, inputs)
    arguments = {"check": str(check), "train": str(train), "model": model, "batch": str(batch), "repeats": REPEATS}
    modules = {"caffe64": "caffe64", **({"PyTorch": "torch"} if "PyTorch" in peers else {})}
    jobs = {name: (JOB.format(module), arguments) for name, module in modules.items()}
    products = [count for node in net.graph.nodes if (count := macs(node, net.shapes))]
    work = Workload(2.0 * (3 * sum(products) - products[0]), REPEATS)  # the gradient of the input is not needed
    comparison = run_comparison(
        "caffe", jobs, work, settings, lambda facts: verify_gradients(case.name, expected, facts)
    )
    name, others = f"{case.name} forward+backward", [each for each in modules if each in peers]
    return [comparison.entry(name, "caffe64", n, others, goals={"PyTorch": 1.0}) for n in settings.threads]


def expected_gradients(net: CaffeNet, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """By layer, all its weights' in one axis. Raises CheckFailed where differences of the loss disagree."""
    net.forward(**batch)
    net.clear_param_diffs()
    net.backward()
    learned = [node.name for node in net.graph.nodes if node.weights and node.type != "BatchNorm"]
    gradients = {name: np.concatenate([each.diff.ravel() for each in net.params[name]]) for name in learned}
    length = float(np.sqrt(sum(np.square(each, dtype=np.float64).sum() for each in gradients.values())))
    losses = []
    for step in (STEP, -2 * STEP):
        for name in learned:
            for each in net.params[name]:  # looked up again, which marks the weights as changed
                each.data[...] += np.float32(step / length) * each.diff
        losses.append(float(net.forward(**batch)["loss"]))
    slope = (losses[0] - losses[1]) / (2 * STEP)
    if not abs(slope - length) <= SLOPE_TOLERANCE * length:
        raise CheckFailed(f"the gradient's length is {length:.4g}, but the loss rises by {slope:.4g} along it")
    return gradients


def verify_gradients(name: str, expected: dict[str, np.ndarray], facts: dict[str, dict]) -> None:
    """Raises CheckFailed if a participant's gradients of a layer are not the expected ones."""
    for participant, found in facts.items():
        label = f"{name}: {participant} threads"
        with np.load(found["gradients"]) as gradients:
            if set(gradients) != set(expected):
                raise CheckFailed(f"{label}: gradients of {sorted(gradients)}, not {sorted(expected)}")
            for layer, values in expected.items():
                error = np.linalg.norm(gradients[layer] - values) / np.linalg.norm(values)
                if not error <= NORM_TOLERANCE:
                    raise CheckFailed(f"{label}: gradients of {layer} are {error:.2g} of their norm off")
