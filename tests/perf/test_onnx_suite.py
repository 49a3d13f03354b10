"""The suite `onnx`: its nets, a small one through all of it, and the outputs of all participants verified."""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pytest

import caffe64
from caffe64.errors import CheckFailed
from caffe64.perf import app
from caffe64.perf.results import read_results, write_results
from caffe64.perf.suites import Settings, onnx
from caffe64.perf.suites.onnx_builder import ModelBuilder
from caffe64.perf.suites.onnx_nets import NETS, OnnxCase

SMALL_SIZE, SMALL_WIDTH = 64, 0.25


class Small(OnnxCase):
    """A case whose model is small."""

    def model(self):
        return super().model(SMALL_SIZE, SMALL_WIDTH)


def small(name: str) -> Small:
    case = NETS[name]
    return Small(case.name, case.design, SMALL_SIZE, 1)


def two_outputs(b: ModelBuilder, x: str) -> list[str]:
    """Of different ranks, the later one first."""
    early = b.conv(x, 8, 3, act="Swish")
    return [b.one("Softmax", b.rows(b.conv(early, 4), 4), axis=2), early]


def test_there_are_ten_nets_three_of_which_are_quick():
    assert len(NETS) == 10
    assert set(onnx.QUICK) < set(NETS)


@pytest.mark.parametrize("name", NETS)
def test_a_net_runs_optimised_in_a_plan_and_in_onnxruntime_as_the_suite_expects(name, tmp_path):
    case = small(name)
    expected, cost = onnx.write_files(case, tmp_path / "net")
    assert expected.values.std() > 0
    assert cost.macs > 0
    for participant, job in (("caffe64", "caffe64_onnx:Job"), *each_peer(["ONNX Runtime"])):
        expected.verify(name, {f"{participant} 1": run_job(job, tmp_path / "net").facts})


def each_peer(names):
    return [(name, onnx.PEERS[name][1].removeprefix("caffe64.perf.peers.")) for name in names]


def run_job(job: str, files):
    module, _, name = job.partition(":")
    made = getattr(importlib.import_module(f"caffe64.perf.peers.{module}"), name)(str(files), 1, 1)
    made.run()
    return made


@pytest.mark.parametrize("peer", ["caffe64", *onnx.installed_peers(True)])
def test_all_participants_give_all_outputs_in_the_order_of_the_file(peer, tmp_path):
    case = OnnxCase("two", two_outputs, 16, 1)
    expected, _ = onnx.write_files(case, tmp_path / "net")
    assert len(expected.values) == 4 * 16 * 16 + 8 * 16 * 16
    job = {"caffe64": "caffe64_onnx:Job", **dict(each_peer(onnx.installed_peers(True)))}[peer]
    found = run_job(job, tmp_path / "net").facts
    expected.verify("two", {f"{peer} 1": found})
    with pytest.raises(CheckFailed, match=f"two: nothing was timed: {peer} 1 threads"):
        expected.verify("two", {f"{peer} 1": {"outputs": np.roll(found["outputs"], 1)}})


def test_a_small_net_goes_through_the_whole_suite(monkeypatch, tmp_path, make_results):
    shown, case = [], small("ShuffleNetV2")
    monkeypatch.setattr(onnx, "NETS", {"ShuffleNetV2": case, "U-Net": replace(case, name="U-Net")})
    (entry,) = entries = onnx.run(Settings(threads=(1,), quick=True), shown.append)
    assert entries == shown, "U-Net is not quick"
    assert list(entry.peers) == onnx.installed_peers(True)
    assert entry.goals == {"ONNX Runtime": 1.0}
    assert (entry.suite, entry.name, entry.unit, entry.seconds["samples"]) == ("onnx", "ShuffleNetV2", "GFLOP/s", 3)
    net, _ = caffe64.optimize(caffe64.load_onnx(case.model().SerializeToString()))
    assert entry.flops == 2 * sum(layer.macs for layer in caffe64.time(net, iterations=1).layers)
    assert onnx.run(Settings(threads=(1,), quick=True, peers=False), shown.append)[0].peers == {}
    made = make_results({})
    made.entries = entries
    write_results(tmp_path / "run.json", made)
    assert [each.key for each in read_results(tmp_path / "run.json").entries] == ["onnx/ShuffleNetV2/1"]


def test_without_the_package_onnx_the_suite_is_left_out_or_refused(monkeypatch, perf, capsys):
    monkeypatch.setattr("caffe64.perf.machine.is_installed", lambda package: package != "onnx")
    assert app.chosen(None) == ["kernels", "train", "caffe", "solve", "reader", "startup"]
    assert "the suite onnx needs the package onnx (pip install onnx): not measured" in capsys.readouterr().out
    assert app.chosen([app.Suite.train]) == ["train"]
    assert capsys.readouterr().out == ""
    done = perf("--suite", "onnx", "--quick")
    assert done.exit_code == 2
    assert "needs the package onnx" in done.stderr
