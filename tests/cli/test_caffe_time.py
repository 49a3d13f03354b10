"""time: what is timed, the table and the JSON, another net beside it."""

from __future__ import annotations

import json
import re

import pytest

# 16 channels are whole vectors at any number of lanes, so that the arena holds no channels that fill them up.
NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 16 kernel_size: 3
        weight_filler { type: "xavier" } } }
layer { name: "b" type: "BatchNorm" bottom: "c" top: "c" }
layer { name: "r" type: "ReLU" bottom: "c" top: "r" }
"""


@pytest.fixture
def net(tmp_path, monkeypatch):
    (tmp_path / "net.prototxt").write_text(NET)
    monkeypatch.chdir(tmp_path)


def test_json_holds_each_layer_and_the_whole(cli, net):
    result = cli("time net.prototxt --iterations 4 --batch 2 --json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert [layer["name"] for layer in report["layers"]] == ["data", "c", "b", "r"]
    assert report["layers"][1]["macs"] == 2 * 16 * 49 * 27
    for seconds in (report["forward"], *(layer["forward"] for layer in report["layers"])):
        assert 0 <= seconds["min"] <= seconds["median"] < 1
    assert report["layers"][0]["forward"]["median"] == 0 < report["layers"][1]["forward"]["min"]
    assert sum(layer["forward"]["median"] for layer in report["layers"]) <= 2 * report["forward"]["median"]
    assert report["activations"]["arena"] < report["activations"]["blobs"]
    assert report["backward"] is None


def test_gradients_are_timed_when_asked_for(cli, net):
    report = json.loads(cli("time net.prototxt --iterations 3 --backward --json").stdout)
    assert report["backward"]["median"] > 0
    assert {layer["name"]: layer["backward"] is not None for layer in report["layers"]} == {
        "data": False,
        "c": True,
        "b": True,
        "r": True,
    }
    assert list(report["layers"][1]["steps"]), report["layers"][1]
    fused = json.loads(cli("time net.prototxt --iterations 3 --backward --fuse --json").stdout)
    assert fused["layers"][-1]["fused"] == ["r"] or fused["layers"][-1]["name"] == "r"


def test_all_memory_is_shown_when_asked_for(cli, net):
    report = json.loads(cli("time net.prototxt --iterations 1 --backward --json").stdout)["memory"]
    weights = 4 * sum(-(-size // 16) * 16 for size in (16 * 27, 16, 16, 16, 1))  # from the start of a cache line on
    assert report["weights"] == report["gradients"] == report["history"] == weights
    assert min(report["packed"], report["arena"]) > 0
    lines = cli("time net.prototxt --iterations 1 --backward --memory").stdout.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("memory"))
    table = [re.split("  +", line) for line in lines[first + 1 :]]
    shown = {row[0]: int(row[1].replace(",", "")) for row in table if len(row) == 2}
    assert shown["weights"] == shown["history of momentum"] == weights
    assert shown["all"] == sum(report.values())
    assert not any("momentum" in line for line in cli("time net.prototxt --iterations 1 --memory").stdout.splitlines())


def test_the_table_ends_with_the_whole_net(cli, net):
    lines = cli("time net.prototxt --iterations 3 --threads 1").stdout.splitlines()
    header = ["layer", "type", "how", "forward ms", "spread", "GFLOP/s", "of peak", "GB/s"]
    assert re.split("  +", lines[0]) == header
    assert lines[-3].startswith("whole net")
    assert re.fullmatch(r"1 thread, whose peak is \d+ GFLOP/s; 3 runs", lines[-2])
    blobs = 4 * (3 * 81 + 3 * 16 * 49)
    assert f" {blobs:,} in all blobs, {blobs - 4 * 16 * 49:,} with Caffe's in-place layers" in lines[-1]


def test_fused_layers_are_one_line(cli, net, tmp_path):
    (tmp_path / "fused.prototxt").write_text(
        "".join(line for line in NET.splitlines(True) if '"BatchNorm"' not in line)
    )
    report = json.loads(cli("time fused.prototxt --iterations 3 --fuse --json").stdout)
    assert [(layer["name"], layer["fused"]) for layer in report["layers"]] == [("data", []), ("c", ["r"])]
    table = cli("time fused.prototxt --iterations 3 --fuse").stdout
    assert "c + r " in table


def test_a_depthwise_convolution_and_what_reads_it_are_one_line(cli, tmp_path, monkeypatch):
    """What lies between is not counted among the bytes that are moved; the weights of both are."""
    monkeypatch.chdir(tmp_path)
    convolution = 'layer {{ name: "{}" type: "Convolution" bottom: "{}" top: "{}" convolution_param {{ {} }} }}'
    pair = [
        convolution.format("d", "data", "d", "num_output: 8 group: 8 kernel_size: 3"),
        convolution.format("p", "d", "p", "num_output: 16 kernel_size: 1"),
    ]
    shape = "input_param { shape { dim: 1 dim: 8 dim: 9 dim: 9 } }"
    (tmp_path / "pair.prototxt").write_text(
        f'layer {{ name: "data" type: "Input" top: "data" {shape} }} {" ".join(pair)}'
    )
    report = json.loads(cli("time pair.prototxt --iterations 3 --fuse --json").stdout)["layers"][1]
    assert (report["name"], report["fused"], report["algorithm"]) == ("d", ["p"], "separable")
    assert report["macs"] == 49 * (8 * 9 + 8 * 16)
    assert report["bytes"] == 4 * (8 * 81 + 16 * 49 + 8 * 9 + 8 + 8 * 16 + 16)


def test_the_algorithm_is_named_and_can_be_excluded(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = NET.replace("dim: 3 dim: 9 dim: 9", "dim: 32 dim: 20 dim: 20").replace("num_output: 16", "num_output: 32")
    (tmp_path / "net.prototxt").write_text(text)

    def algorithm(options):
        layers = json.loads(cli(f"time net.prototxt --iterations 2 --json {options}").stdout)["layers"]
        return next(layer["algorithm"] for layer in layers if layer["name"] == "c")

    assert algorithm("") == "winograd 4x4"
    assert algorithm("--exact") == "direct"


def test_two_nets_are_shown_side_by_side(cli, net, tmp_path):
    lines = [line for line in NET.splitlines(keepends=True) if '"BatchNorm"' not in line]
    (tmp_path / "small.prototxt").write_text("".join(lines))
    result = cli("time net.prototxt --iterations 3 --compare small.prototxt")
    assert result.exit_code == 0, result.stderr
    rows = {line.split("  ")[0]: line.split() for line in result.stdout.splitlines()}
    assert rows["b"][2:] == ["-", "-"]
    assert float(rows["whole net"][-1]) > 0


def test_wrong_input(cli, net):
    assert cli("time none.prototxt").exit_code == 3
    assert cli("time net.prototxt --iterations 0").exit_code == 2
