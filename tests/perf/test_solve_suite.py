"""The suite `solve`: a tiny net through all of it, and the losses of all participants verified."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import replace

import numpy as np
import pytest

import caffe64
from caffe64.engine.graph.analysis.need_backward import find_needs
from caffe64.errors import CheckFailed
from caffe64.perf import report
from caffe64.perf.results import read_results, write_results
from caffe64.perf.suites import Settings, caffe_nets, solve, solve_nets
from caffe64.perf.suites.solve_nets import CHECKED, NETS, SolveCase

QUICK = Settings(threads=(1,), quick=True, peers=False)
WAYS = {"torch": ("contiguous", "channels_last", "compiled"), "jax": ("",)}


def tiny_text(dropout: float) -> str:
    """Every layer type of the nets, as they use it."""
    net = solve_nets.begin("tiny") + caffe_nets.convolution("conv1", "data", 8, 3, "pad: 1")
    net += caffe_nets.normalised(("bn1", "scale1"), "conv1") + caffe_nets.in_place("ReLU", "relu1", "conv1")
    lrn = "lrn_param { local_size: 3 alpha: 5e-2 beta: 0.75 norm_region: WITHIN_CHANNEL }"
    net += caffe_nets.pooling("pool1", "conv1", "pool: MAX kernel_size: 3 stride: 2")
    net += caffe_nets.layer("LRN", "norm1", "pool1", rest=lrn)
    net += caffe_nets.convolution("conv2", "norm1", 8, 3, "pad: 1 bias_term: false")
    net += caffe_nets.layer("Eltwise", "sum", "norm1 conv2", rest="eltwise_param { operation: SUM }")
    net += caffe_nets.layer("Concat", "both", "sum norm1")
    net += caffe_nets.pooling("pool2", "both", "pool: AVE kernel_size: 3 stride: 2")
    net += caffe_nets.pooling("means", "pool2", "pool: AVE global_pooling: true")
    net += caffe_nets.product("ip", "means", 16)
    net += caffe_nets.layer("Scale", "weighted", "pool2 ip", rest="scale_param { axis: 0 }")
    net += caffe_nets.product("fc1", "weighted", 6) + caffe_nets.layer("BatchNorm", "bn2", "fc1")
    net += caffe_nets.in_place("Dropout", "drop", "bn2", f"dropout_param {{ dropout_ratio: {dropout} }}")
    return net + caffe_nets.product("fc2", "bn2", 4) + solve_nets.loss("fc2")


TINY = SolveCase("tiny 6", tiny_text, (6, 3, 18, 18), classes=4, repeats=2, goals={1: 2.0})


def test_a_tiny_net_goes_through_the_whole_suite(monkeypatch, tmp_path, make_results):
    monkeypatch.setattr(solve, "NETS", {"tiny": TINY, "left out": replace(TINY, large=True)})
    shown = []
    (entry,) = entries = solve.run(QUICK, shown.append)
    assert entries == shown
    assert (entry.suite, entry.name, entry.threads, entry.pictures) == ("solve", "tiny 6", 1, 6)
    assert entry.seconds["samples"] == 3
    assert entry.rate > 0
    assert 4 * 6 * 8 * 18 * 18 < entry.footprint < 10e6
    made = make_results({})
    made.entries = entries
    write_results(tmp_path / "run.json", made)
    assert read_results(tmp_path / "run.json").entries[0].pictures == 6


def test_the_operations_are_those_of_the_gradients_that_are_needed(tmp_path):
    case = NETS["LeNet 64"]
    first, rest, last = 20 * 25 * 24 * 24, 50 * 20 * 25 * 8 * 8 + 500 * 800, 10 * 500
    assert solve.prepared(case, tmp_path)[2].amount == 2 * 64 * (2 * first + 3 * (rest + last))
    tuned = replace(case, text=lambda ratio: solve_nets.last_layer_only(case.text(ratio)))
    assert solve.prepared(tuned, tmp_path)[2].amount == 2 * 64 * (first + rest + 2 * last)


@pytest.mark.parametrize(
    ("peer", "way"),
    [("caffe64", ""), *((peer, way) for peer, ways in WAYS.items() for way in ways)],
)
def test_the_losses_of_all_participants_are_the_references(peer, way, tmp_path):
    if peer != "caffe64" and not importlib.util.find_spec(peer):
        pytest.skip(f"{peer} is not installed")
    arguments, expected, _ = solve.prepared(TINY, tmp_path)
    assert len(expected) == CHECKED
    assert abs(expected[-1] - expected[0]) > 10 * solve.TOLERANCE * expected[0]
    options = {"way": way} if way else {}
    job = importlib.import_module(f"caffe64.perf.peers.{peer}_solver").Job(threads=1, **arguments, **options)
    job.run()
    solve.verify(TINY, expected, {f"{peer} 1": job.facts})


def test_a_loss_that_differs_stops_the_run():
    assert solve.verify(TINY, [2.0, 1.5], {"PyTorch 1": {"losses": [2.0, 1.501]}}) == set()
    for wrong in ([2.0, 1.51], [np.nan, 1.5]):
        with pytest.raises(CheckFailed, match=r"tiny 6: PyTorch 1 threads: the loss after \d updates"):
            solve.verify(TINY, [2.0, 1.5], {"PyTorch 1": {"losses": wrong}})


def test_a_compiled_peer_with_other_losses_is_left_out():
    facts = {"caffe64 1": {"losses": [2.0, 1.5]}, "torch.compile 1": {"losses": [2.0, 1.51]}}
    assert solve.verify(TINY, [2.0, 1.5], facts) == {solve.COMPILED}
    facts["torch.compile 1"]["losses"] = [2.0, 1.5]
    assert solve.verify(TINY, [2.0, 1.5], facts) == set()


@pytest.mark.parametrize("name", NETS)
def test_nets_are_trained_whole_or_in_their_last_layer(name):
    case = NETS[name]
    shapes = {"data": (1, *case.shape[1:]), "label": (1,)}
    graph = caffe64.load_caffe(case.text(0.5).encode(), phase="TRAIN", input_shapes=shapes).graph
    needs = find_needs(graph)
    trained = [node.name for node, need in needs.items() if any(need.weights) and node.type != "BatchNorm"]
    with_weights = [node.name for node in graph.nodes if node.weights and node.type != "BatchNorm"]
    assert trained == (with_weights[-1:] if "last layer" in name else with_weights)
    if "last layer" in name:
        assert not any(any(need.bottoms) for node, need in needs.items() if node.name == with_weights[-1])


def test_peers_that_are_not_wanted_or_not_installed_take_no_part(monkeypatch):
    installed = {"torch"}
    monkeypatch.setattr(solve, "is_installed", lambda name: name in installed)
    monkeypatch.setattr(solve.shutil, "which", lambda name: "/usr/bin/g++")
    wanted = replace(QUICK, peers=True)
    assert solve.peer_jobs({}, QUICK) == {}
    assert list(solve.peer_jobs({}, wanted)) == ["PyTorch", "PyTorch channels_last"]
    installed.add("jax")
    every = ["PyTorch", "PyTorch channels_last", "torch.compile", "JAX"]
    assert list(solve.peer_jobs({}, replace(wanted, quick=False))) == every
    monkeypatch.setattr(solve.shutil, "which", lambda name: None)
    assert "torch.compile" not in solve.peer_jobs({}, replace(wanted, quick=False))


def test_the_table_of_training(make_results):
    made = make_results({"LeNet 64": 0.5})
    (entry,) = made.entries
    entry.suite, entry.pictures, entry.footprint = "solve", 64, 7_573_568
    entry.seconds = {"min": 0.008, "median": 0.01, "spread": 0.1, "samples": 5}
    assert " ".join(report.suite_lines(made.entries)[-1].split()) == "LeNet 64 1 10.0 ms 8000 8 MB"
    entry.peers = {report.BEST: {"min": 0.02, "median": 0.025, "ratio": 2.25}}
    assert " ".join(report.suite_lines(made.entries)[-1].split()) == "LeNet 64 1 10.0 ms 8000 8 MB 2.25 2.50"
