"""The suite `caffe`: a tiny net through all of it, and the outputs and gradients of all peers verified."""

from __future__ import annotations

import functools
import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import caffe64
from caffe64.errors import CheckFailed
from caffe64.perf import report
from caffe64.perf.processes import Rounds
from caffe64.perf.results import read_results, write_results
from caffe64.perf.sampling import paired
from caffe64.perf.suites import Settings, caffe, caffe_backward, caffe_files, caffe_forks, caffe_layers, caffe_nets
from caffe64.perf.suites.caffe_nets import NETS, PRODUCT, CaffeCase
from caffe64.perf.suites.comparison import Comparison, Workload
from caffe64.perf.suites.expected import Expected

QUICK = Settings(threads=(1,), quick=True, peers=False)
PEERS = caffe_files.installed_peers(True)


def tiny_text() -> str:
    """Every layer type of the four nets, as they use it."""
    net = 'name: "tiny"\n' + caffe_nets.data(2, 3, 17, 17) + caffe_nets.convolution("conv1", "data", 8, 3, "pad: 1")
    net += caffe_nets.normalised(("bn1", "scale1"), "conv1") + caffe_nets.in_place("ReLU", "relu1", "conv1")
    net += caffe_nets.convolution("conv2", "conv1", 8, 3, "pad: 1 group: 8 bias_term: false")
    net += caffe_nets.in_place("ReLU", "relu2", "conv2")
    net += caffe_nets.layer("Eltwise", "sum", "conv1 conv2", rest="eltwise_param { operation: SUM }")
    net += caffe_nets.pooling("pool1", "sum", "kernel_size: 3 stride: 2 pool: MAX")
    net += caffe_nets.pooling("pool2", "pool1", "kernel_size: 3 stride: 2 pool: AVE")
    net += caffe_nets.pooling("means", "pool2", "pool: AVE global_pooling: true") + caffe_nets.product("ip", "means", 8)
    net += caffe_nets.layer("Scale", "weighted", "pool2 ip", rest="scale_param { bias_term: false axis: 0 }")
    net += caffe_nets.product("fc", "weighted", 5) + caffe_nets.in_place("Dropout", "drop", "fc")
    return net + caffe_nets.layer("Softmax", "prob", "fc")


SMALL = replace(caffe_layers.LAYERS_IN_PLANS[1], shape=(1, 8, 9, 8))
TINY = CaffeCase("tiny", tiny_text, (2, 3, 17, 17), 2, {"OpenCV": 1.0})


@pytest.fixture
def tiny(monkeypatch):
    """A suite of the tiny net, which is loaded as well, and of a small product."""
    text = 'name: "product"\n' + caffe_nets.data(1, 64) + caffe_nets.product("ip", "data", 32)
    monkeypatch.setattr(caffe, "NETS", {"tiny": TINY})
    monkeypatch.setattr(caffe, "FORK_NETS", {})
    monkeypatch.setattr(caffe_layers, "LAYERS_IN_PLANS", (SMALL,))
    monkeypatch.setattr(caffe, "PRODUCT", replace(PRODUCT, text=lambda: text, shape=(1, 64)))
    monkeypatch.setattr(caffe, "LOADED", "tiny")


def test_a_tiny_net_goes_through_the_whole_suite(tiny, tmp_path, make_results):
    shown = []
    entries = caffe.run(QUICK, shown.append)
    assert entries == shown
    assert [entry.name for entry in entries] == [
        "tiny forward", "tiny naive", "tiny optimised, not fused", "tiny optimised", "load tiny", PRODUCT.name,
        SMALL.name,
    ]  # fmt: skip
    *entries, alone = entries
    assert (alone.suite, alone.threads, alone.yardstick) == ("caffe", 1, "memory")
    assert alone.bytes == 4 * (8 * 9 * 8 + 8 * 18 * 16)
    for entry in entries:
        assert entry.rate > 0
        assert entry.relative > 0
        assert entry.memory > 10e6
        assert entry.seconds["samples"] == 3
    forward, naive, _, optimised, loading, product = entries
    assert naive.layers == 16
    assert optimised.layers == 13  # without BatchNorm, Scale and Dropout
    assert optimised.peers.keys() == {"naive"}
    assert forward.flops == 2 * (8 * 3 * 9 * 289 + 8 * 9 * 289 + 64 + 8 * 16 + 5 * 8 * 16) * 2
    assert sum(layer["flops"] for layer in forward.layer_times) == forward.flops
    assert all(layer["seconds"] > 0 < layer["bytes"] for layer in forward.layer_times)
    assert forward.layer_times[0]["name"].startswith("conv1")
    weights = 8 * 3 * 9 + 8 + 8 * 9 + (64 + 8) + (5 * 8 * 16 + 5)
    assert forward.footprint >= 4 * weights + optimised.activations["arena"]
    assert (product.unit, product.yardstick, product.bytes) == ("GB/s", "memory", 4 * (64 * 32 + 32))
    assert (loading.share, loading.first > 0) == (False, True)
    made = make_results({})
    made.entries = entries = [*entries, alone]
    write_results(tmp_path / "run.json", made)
    assert [entry.key for entry in read_results(tmp_path / "run.json").entries] == [entry.key for entry in entries]


def test_memory_is_that_of_all_blobs_of_the_arena_and_of_caffe(tiny, tmp_path):
    files = caffe_files.write_files(TINY, tmp_path, [])
    job = importlib.import_module("caffe64.perf.peers.caffe64_nets").Job(str(files.naive), 1, 1, fuse=False)
    net = caffe64.load_caffe(f"{files.naive}.prototxt")
    tops = [net.shapes[top] for node in net.graph.nodes for top in node.tops]
    assert job.facts["blobs"] == sum(4 * np.prod(shape) for shape in tops)
    assert 0 < job.facts["arena"] < job.facts["blobs"]
    assert files.costs[files.naive].activation_bytes < job.facts["blobs"]


@pytest.mark.parametrize("peer", ["caffe64", *PEERS])
def test_the_outputs_of_all_peers_are_the_nets(peer, tmp_path):
    files = caffe_files.write_files(TINY, tmp_path, PEERS)
    module = {"caffe64": "caffe64", **caffe_files.PEERS}[peer]
    job = importlib.import_module(f"caffe64.perf.peers.{module}_nets").Job(str(files.optimised), 1, TINY.repeats)
    job.run()
    files.expected.verify("tiny", {f"{peer} 1": job.facts})


@pytest.fixture(scope="module")
def fork_files(tmp_path_factory):
    """fork_files(name): the files of a fork's net, for all peers."""
    return functools.cache(
        lambda name: caffe_files.write_files(caffe_forks.FORK_NETS[name], tmp_path_factory.mktemp(name), PEERS)
    )


@pytest.mark.parametrize("peer", ["caffe64", *PEERS])
@pytest.mark.parametrize("name", caffe_forks.FORK_NETS)
def test_nets_of_forks_are_read_by_all_peers(peer, name, fork_files):
    """OpenCV reads PSPNet's Caffe file, in which Interp is left of the forks' layers, and YOLOv3-tiny's ONNX model."""
    case = caffe_forks.FORK_NETS[name]
    assert case.instead.keys() == ({"OpenCV"} if name == "YOLOv3-tiny" else set())
    files = fork_files(name)
    module = {"caffe64": "caffe64", **caffe_files.PEERS}[peer]
    path = case.instead.get(peer) or caffe.JOB.format(module)
    job = importlib.import_module(path.partition(":")[0]).Job(str(files.optimised), 1, 1)
    files.expected.verify(name, {f"{peer} 1": job.facts})


@pytest.mark.parametrize("case", caffe_layers.LAYERS_IN_PLANS, ids=lambda case: case.name)
def test_single_layers_are_steps_of_a_plan_that_are_verified(case):
    made = caffe_layers.layer_case(replace(case, shape=(1, 6, 8, 8)))
    made.ours()
    assert made.footprint == made.bytes > 4 * 6 * 64
    assert not made.peers


def test_openvino_computes_in_float32_with_as_many_threads_as_the_others(tmp_path):
    pytest.importorskip("openvino")
    files = caffe_files.write_files(TINY, tmp_path, ["OpenVINO"])
    job = importlib.import_module("caffe64.perf.peers.openvino_nets").Job(str(files.optimised), 1, TINY.repeats)
    found = {name: job.compiled.get_property(name) for name in ("INFERENCE_NUM_THREADS", "PERFORMANCE_HINT")}
    assert (found["INFERENCE_NUM_THREADS"], found["PERFORMANCE_HINT"]) == (1, "LATENCY")
    assert job.compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"


def test_an_output_that_differs_stops_the_run():
    expected = Expected(np.float32([1, 4, 1e-3]), np.array([4, 4, 1e-3]))
    expected.verify("net", {"PyTorch 1": {"outputs": [1.003, 4.0, 1e-3]}})
    for wrong in ([1.005, 4, 1e-3], [1, 4, 1.1e-3], [np.nan, 4, 1e-3], [1, 4]):
        with pytest.raises(CheckFailed, match=r"net: nothing was timed: PyTorch 1 threads"):
            expected.verify("net", {"PyTorch 1": {"outputs": wrong}})
    with pytest.raises(CheckFailed, match="not finite"):
        Expected(np.float32([np.nan]), np.ones(1)).verify("net", {"PyTorch 1": {"outputs": [np.nan]}})


def test_no_peers_are_found_where_none_is_wanted():
    assert caffe_files.installed_peers(False) == []


@pytest.mark.parametrize("peer", ["ONNX Runtime", "OpenVINO"])
def test_a_peer_that_reads_onnx_takes_part_where_onnx_is_installed_too(peer, monkeypatch, tmp_path):
    package = {"ONNX Runtime": "onnxruntime", "OpenVINO": "openvino"}[peer]
    monkeypatch.setattr(caffe_files, "is_installed", lambda name: name in ("onnx", package))
    assert caffe_files.installed_peers(True) == [peer]
    assert Path(f"{caffe_files.write_files(TINY, tmp_path, [peer]).optimised}.onnx").exists()
    monkeypatch.setattr(caffe_files, "is_installed", lambda name: name == package)
    assert caffe_files.installed_peers(True) == []


def test_forward_and_backward_is_timed_after_a_comparison(tmp_path):
    case = replace(NETS["CIFAR"], shape=(4, 3, 32, 32))
    files = caffe_files.write_files(case, tmp_path, [])
    peers = [peer for peer in PEERS if peer == "PyTorch"]
    (entry,) = caffe_backward.backward(case, files, tmp_path, peers, QUICK)
    assert (entry.name, list(entry.peers)) == ("CIFAR forward+backward", peers)
    conv1 = 32 * 75 * 28 * 28 * 4
    assert entry.flops == 2 * (3 * files.costs[files.naive].macs - conv1)


def test_gradients_that_differ_stop_the_run(tmp_path):
    expected = {"ip": np.array([2.0, 0.0])}
    for found, fine in ({"ip": [2.0, 9e-3]}, True), ({"ip": [2.0, 11e-3]}, False), ({"other": [2.0, 0.0]}, False):
        np.savez(tmp_path / "found.npz", **found)
        facts = {"PyTorch 1": {"gradients": str(tmp_path / "found.npz")}}
        if fine:
            caffe_backward.verify_gradients("net", expected, facts)
        else:
            with pytest.raises(CheckFailed, match="net: PyTorch 1 threads: gradients of"):
                caffe_backward.verify_gradients("net", expected, facts)


def test_a_gradient_that_the_loss_does_not_follow_stops_the_run(tmp_path, monkeypatch):
    case = NETS["CIFAR"]
    files = caffe_files.write_files(case, tmp_path, [])
    (tmp_path / "check.prototxt").write_text(caffe_nets.cifar(dropout=0))
    shapes = {"data": case.shape, "label": (10,)}
    net = caffe64.load_caffe(
        tmp_path / "check.prototxt", f"{files.naive}.caffemodel", phase="TRAIN", input_shapes=shapes
    )
    batch = {"data": case.input(), "label": np.arange(10)}
    assert len(caffe_backward.expected_gradients(net, batch)) == 10
    monkeypatch.setattr(net, "clear_param_diffs", lambda: None)  # so that a second gradient is added to the first
    with pytest.raises(CheckFailed, match="but the loss rises by"):
        caffe_backward.expected_gradients(net, batch)


def test_an_entry_counts_a_turn_as_its_runs():
    rounds = Rounds(
        wall={"caffe64 1": [9.0, 9.0], "caffe64 2": [2.0, 4.0], "yardstick 1": [1.0, 1.0], "yardstick 2": [1.0, 1.0]},
        cpu={"caffe64 1": [4.0, 8.0], "caffe64 2": [5.0, 5.0], "yardstick 1": [1.0, 1.0], "yardstick 2": [1.0, 1.0]},
    )
    facts = {"yardstick 1": {"work": 1e9}, "yardstick 2": {"work": 2e9}}
    memory = {"caffe64 1": 1, "caffe64 2": 2}
    comparison = Comparison("caffe", Workload(1e9, repeats=2), facts, memory, rounds, scales=True)
    one, two = (comparison.entry("net", "caffe64", threads) for threads in (1, 2))
    assert (one.seconds["min"], one.rate, one.relative) == (2.0, 0.5, paired([1.0, 1.0], [2.0, 4.0]))
    assert (two.seconds["min"], two.memory) == (1.0, 2)
    assert one.peers == {}
    assert two.peers["one thread"]["ratio"] == paired([4.5, 4.5], [1.0, 2.0])


def test_the_optimisers_table_stands_by_itself(make_results):
    made = make_results({"net forward": 0.5, "net optimised": 0.6})
    for entry, layers in zip(made.entries, (None, 51), strict=True):
        entry.suite, entry.layers = "caffe", layers
        entry.activations = {"arena": 4_072_448, "blobs": 45_870_912, "in place": 15_163_200} if layers else {}
        entry.peers = {"naive": {"min": 1.0, "median": 1.0, "ratio": 1.25}} if layers else {}
    last = report.suite_lines(made.entries)[-1]
    assert " ".join(last.split()) == "net optimised 1 51 1.10 ms 1.25 4.1 MB 45.9 MB 15.2 MB"
