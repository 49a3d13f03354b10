"""optimize, verify and summary: on real models, with wrong input."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from support import SHARED, needs_shared

CAFFE = SHARED / "caffe"
NETS = "train_val.prototxt cifar10.caffemodel"
SHAPE = "--deploy --input-shape 4x3x32x32"
PREPARED = "--mean 104,117,123 --scale 0.017"
SMALL = """
input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_size: 3
        weight_filler { type: "xavier" } } }
layer { name: "r" type: "ReLU" bottom: "c" top: "r" }
"""


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """A folder with the CIFAR net, which is the working directory."""
    for name in NETS.split():
        shutil.copy(CAFFE / "cifar10" / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@needs_shared
def test_optimize_reports_its_changes_and_verifies(cli, cifar):
    result = cli(f"optimize {NETS} -o small {SHAPE} {PREPARED}")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert "fold BatchNorm and Scale: BatchNorm 'bn4', Scale 'scale4' into Convolution 'conv4'" in lines
    assert "fold BatchNorm and Scale: left alone: Scale 'scale5' after 'ip0': 'ip0' is its second bottom" in lines
    assert [line.split() for line in lines if line.startswith(("layers", "parameters"))] == [
        ["layers", "25", "17"],
        ["parameters", "322,316", "321,834"],
    ]
    assert "input 'data': raw values, same order of channels" in result.stdout
    assert "verified: 'prob' differs by" in result.stdout
    assert "gives the net (x - (104, 117, 123)) * 0.017 of the pixels x" in result.stderr
    again = cli(f"verify {NETS} small.prototxt small.caffemodel {SHAPE} {PREPARED}")
    assert again.exit_code == 0, again.stderr


@needs_shared
def test_verify_finds_nets_that_differ(cli, cifar):
    assert cli(f"optimize {NETS} -o small {SHAPE} {PREPARED}").exit_code == 0
    result = cli(f"verify {NETS} small.prototxt small.caffemodel {SHAPE}")
    assert result.exit_code == 4
    assert "the nets differ: 'prob' by" in result.stderr


@needs_shared
def test_given_inputs_are_compared_as_well(cli, cifar):
    np.save("x.npy", np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32)).astype(np.uint8))
    result = cli(f"optimize {NETS} -o small {SHAPE} {PREPARED} --verify-with x.npy --json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert [each["output"] for each in report["differences"]] == ["prob", "prob"]
    assert (report["before"]["layers"], report["after"]["layers"]) == (25, 17)


@needs_shared
def test_summary_counts(cli, cifar):
    result = cli(f"summary {NETS} {SHAPE} --json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    first = report["layers"][1]
    assert (first["name"], first["shapes"], first["macs"]) == ("conv1", [[4, 32, 28, 28]], 4 * 32 * 28 * 28 * 3 * 25)
    assert report["macs"] == sum(layer["macs"] for layer in report["layers"])


def test_summary_of_a_net_without_weights(cli, tmp_path):
    (tmp_path / "net.prototxt").write_text(SMALL)
    result = cli(f"summary {tmp_path}/net.prototxt --input-shape 2x3x9x9")
    assert result.exit_code == 0, result.stderr
    assert "c      Convolution  2x4x7x7" in result.stdout
    assert "3 layers, 112 parameters, 10,584 MACs" in result.stdout


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("optimize", 2, "needs NET, MODEL and --output OUT, or --config FILE"),
        ("optimize net.prototxt m -o x --config c.ini", 2, "leave NET, MODEL and --output out"),
        ("optimize --config c.ini --mean 1,2,3", 2, "leave --mean, --scale and the passes' options out"),
        ("optimize --config c.ini --scale 2", 2, "leave --mean, --scale and the passes' options out"),
        ("optimize --config c.ini --no-fold-bn", 2, "leave --mean, --scale and the passes' options out"),
        ("optimize net.prototxt none.caffemodel -o x", 3, "Couldn't find file none.caffemodel"),
        ("optimize net.prototxt net.prototxt -o x --input-shape 3x", 2, "is not a shape"),
        ("optimize net.prototxt net.prototxt -o x --mean blue", 2, "'blue' is not a list of numbers"),
        ("optimize --config none.ini", 3, "Couldn't find file none.ini"),
        ("optimize --config bad.ini", 3, "bad.ini:2: the key 'colour'"),
        (
            "optimize --config net.prototxt",
            3,
            "net.prototxt: is a prototxt, the net of a Caffe model, expected a config.ini",
        ),
        ("summary unknown.prototxt", 3, "layers of types that are not supported: 'x' (Nonsense)"),
        ("summary net.prototxt --input-shape picture:1x3x9x9", 3, "has no input 'picture'"),
        ("summary net.prototxt --input-shape 0x3x9x9", 2, "is not a shape such as 1x3x224x224"),
        ("summary none.prototxt", 3, "Couldn't find file none.prototxt"),
    ],
)
def test_wrong_input_is_said_in_one_line(cli, tmp_path, monkeypatch, command, code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(SMALL)
    (tmp_path / "unknown.prototxt").write_text('layer { name: "x" type: "Nonsense" top: "x" }')
    (tmp_path / "bad.ini").write_text("[DEFAULT]\ncolour = red\n")
    result = cli(command)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
