"""verify, optimize and export: results that are not finite, the floor and both figures, wrong limits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from reference.small_caffe_net import write_net

import caffe64
from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan.emitter import Emitter

FOUND = Path(__file__).resolve().parents[1] / "data" / "found"
TOLD = (
    "values that are not finite, of finite inputs: 'sum' holds 448 of 448; "
    "the first layer that makes such is 'b' (BatchNorm): 112 of 448 in 'c'"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for path in FOUND.glob("bn_*"):
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


NEGATIVE = "bn_bias.prototxt bn_negative.caffemodel"


@pytest.mark.parametrize(
    ("command", "side"),
    [(f"verify {NEGATIVE} {NEGATIVE}", "the first net"), (f"optimize {NEGATIVE} -o small", "the first net")],
)
def test_nets_that_make_nan_are_not_verified(cli, folder, command, side):
    result = cli(command)
    assert (result.exit_code, result.stdout) == (4, "")
    assert f"error: {side}: {TOLD}" in " ".join(result.stderr.split())
    assert "warning" not in result.stderr
    assert not list(folder.glob("small*"))


def test_a_net_that_makes_nan_is_not_exported(cli, folder):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    result = cli(f"export {NEGATIVE} net.onnx")
    assert (result.exit_code, result.stdout) == (4, "")
    assert f"error: the net: {TOLD}" in " ".join(result.stderr.split())
    assert not list(folder.glob("*.onnx"))


def test_a_second_net_that_makes_nan_is_named(cli, folder):
    result = cli(f"verify bn_bias.prototxt bn_bias.caffemodel {NEGATIVE}")
    assert result.exit_code == 4
    assert f"error: the second net: {TOLD}" in " ".join(result.stderr.split())


def test_nan_in_the_input_is_not_a_fault_of_the_net(cli, folder):
    x = np.zeros((2, 3, 9, 10), np.float32)
    x[0, 0, 4, 4] = np.nan
    np.save("x.npy", x)
    result = cli(f"verify {' '.join(['bn_bias.prototxt bn_bias.caffemodel'] * 2)} --with x.npy --reference")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "'sum' differs by at most 0 relative, 0 absolute\n"
    assert cli(f"verify {' '.join(['bn_bias.prototxt bn_bias.caffemodel'] * 2)} --with x.npy").exit_code == 0


def test_a_batchnorm_without_a_root_is_left_alone(cli, folder):
    result = cli(f"optimize {NEGATIVE} -o small --no-verify")
    assert result.exit_code == 0, result.stderr
    reason = "'b' has the variance -0.99 in channel 0, which has no root"
    assert f"left alone: BatchNorm 'b' after 'c': {reason}" in result.stdout


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """small.* and other.*, whose outputs are some 1e-3 apart."""
    monkeypatch.chdir(tmp_path)
    net = write_net(tmp_path)
    shutil.copy("small.prototxt", "other.prototxt")
    next(iter(net.params.values()))[0].data[...] *= np.float32(1.001)
    net.save("other.prototxt", "other.caffemodel")
    return "small.prototxt small.caffemodel other.prototxt other.caffemodel"


def test_verify_prints_both_figures_and_the_index(cli, nets):
    result = cli(f"verify {nets}")
    assert result.exit_code == 4
    said = " ".join(result.stderr.split())
    assert "the nets differ: 'prob' by " in said
    assert " relative, " in said
    assert " absolute (" in said
    assert "allowed is 0.0001 relative, beyond a floor of 1e-07" in said


def test_what_is_within_the_floor_is_verified(cli, nets):
    found = json.loads(cli(f"verify {nets} --tolerance 1 --json").stdout)
    assert 0 < found[0]["relative"] < 1
    absolute = found[0]["absolute"]
    assert cli(f"verify {nets} --tolerance 1e-6 --floor {0.5 * absolute}").exit_code == 4
    result = cli(f"verify {nets} --tolerance 1e-6 --floor {2 * absolute}")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"'prob' differs by at most 0 relative, {absolute:.2g} absolute\n"


@pytest.mark.parametrize("option", ["--floor", "--tolerance"])
@pytest.mark.parametrize("value", ["nan", "-1", "much"])
def test_limits_that_are_not_numbers_from_0_are_refused(cli, nets, option, value):
    result = cli(f"verify {nets} {option} {value}")
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr


SMALL = "small.prototxt small.caffemodel"


@pytest.fixture
def broken(monkeypatch, nets):
    """The weights that plans pack are read from a vector further on."""
    packed = Emitter.packed

    def wrong(self, kernel, items, node, blobs, count, /, **fields):
        return packed(self, kernel, items, node, blobs, count + LANES, **fields) + 4 * LANES

    monkeypatch.setattr(Emitter, "packed", wrong)


def test_a_fault_of_what_runs_nets_is_found_by_a_comparison_of_a_net_with_itself(cli, broken):
    result = cli(f"verify {SMALL} {SMALL}")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "error: the nets differ: 'prob' by " in " ".join(result.stderr.split())
    equal = cli(f"verify {SMALL} {SMALL} --reference")
    assert (equal.exit_code, equal.stdout) == (0, "'prob' differs by at most 0 relative, 0 absolute\n"), equal.stderr


def test_a_fault_of_what_runs_nets_is_found_before_an_optimised_net_is_written(cli, broken, tmp_path):
    assert cli(f"optimize {SMALL} -o smaller").exit_code == 4
    assert not list(tmp_path.glob("smaller*"))


def test_nets_that_differ_differ_by_the_reference_too(cli, nets):
    result = cli(f"verify {nets} --reference")
    assert result.exit_code == 4
    assert "the nets differ: 'prob' by " in " ".join(result.stderr.split())


def test_a_net_without_inputs_is_verified_and_takes_none(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(
        'layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 3 } } }\n'
        'layer { name: "y" type: "TanH" bottom: "p" top: "y" }\n'
    )
    caffe64.load_caffe("net.prototxt").save("net.prototxt", "net.caffemodel")
    files = "net.prototxt net.caffemodel"
    assert cli(f"verify {files} {files}").exit_code == 0
    result = cli(f"verify {files} {files} --mean 3")
    assert result.exit_code == 2
    assert "are of a net's first input, and this one has none" in result.stderr
