"""time: what is timed, the table and the JSON, another net beside it."""

from __future__ import annotations

import json

import pytest

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_size: 3
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
    told = json.loads(result.stdout)
    assert [layer["name"] for layer in told["layers"]] == ["data", "c", "b", "r"]
    assert told["layers"][1]["macs"] == 2 * 4 * 49 * 27
    for seconds in (told["forward"], *(layer["forward"] for layer in told["layers"])):
        assert 0 < seconds["min"] <= seconds["median"] < 1
    assert told["backward"] is None


def test_gradients_are_timed_when_asked_for(cli, net):
    told = json.loads(cli("time net.prototxt --iterations 3 --backward --json").stdout)
    assert told["backward"]["median"] > 0
    assert {layer["name"]: layer["backward"] is not None for layer in told["layers"]} == {
        "data": False,
        "c": True,
        "b": True,
        "r": True,
    }


def test_the_table_ends_with_the_whole_net(cli, net):
    lines = cli("time net.prototxt --iterations 3").stdout.splitlines()
    assert lines[0].split() == ["layer", "type", "forward", "ms", "spread", "GFLOP/s"]
    assert lines[-1].startswith("whole net")


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
