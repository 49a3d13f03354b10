"""optimize --config: the shape of the pictures by H, W and C, and the older tool's stock file on its stock model."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from reference.optimize_config import BODY, DATA, INPUT, LOSS, PIXELS, assert_folded, place, write_config, write_net
from support import SHARED, needs_shared


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with a net for training and testing in model/ and its stock config.ini."""
    monkeypatch.chdir(tmp_path)
    for name in ("model", "data"):
        (tmp_path / name).mkdir()
    write_net((DATA + BODY + LOSS).replace("TRANSFORM", ""))
    write_config()
    return tmp_path


def test_the_command_with_nothing_added_optimises_a_net_for_training_and_testing(cli, folder):
    result = cli("optimize --config config.ini")
    assert result.exit_code == 0, result.stderr
    assert "input 'data': raw values, same order of channels; the net itself does (x - (10, 11, 12.5)) * 0.25" in (
        result.stdout
    )
    assert "verified: 'loss' differs by" in result.stdout
    assert "there is no data/mean.npy: mean_B, mean_G, mean_R are taken" in result.stderr
    mean = np.float32([10, 11, 12.5])[:, None, None]
    assert_folded(PIXELS, (PIXELS - mean) * 0.25)


def test_the_batch_is_the_nets_and_the_picture_is_the_files(cli, folder):
    report = json.loads(cli("optimize --config config.ini --json").stdout)
    assert report["before"]["macs"] == 2 * (6 * 4 * 4 * 27 + 24 * 4 + 96 * 3)  # convolution, BatchNorm, InnerProduct


@pytest.mark.parametrize("deploy", ["", " --deploy"])
def test_a_net_for_testing_alone_and_its_deploy_form(cli, folder, deploy):
    result = cli("optimize --config config.ini" + deploy)
    assert result.exit_code == 0, result.stderr
    text = (folder / "model/opt.prototxt").read_text()
    assert ("label" in text) == (not deploy)
    assert ("dim: 8\n      dim: 6" in text) == bool(deploy)


def test_an_input_without_a_shape_gets_the_files_and_a_batch_of_one(cli, folder):
    text = 'layer { name: "data" type: "Input" top: "data" }' + BODY
    (folder / "model/net.prototxt").write_text(text)
    report = json.loads(cli("optimize --config config.ini --json").stdout)
    assert report["before"]["macs"] == 6 * 4 * 4 * 27 + 24 * 4 + 96 * 3


def test_a_shape_in_the_net_wins_and_a_notice_says_that_the_file_differs(cli, folder):
    write_net(INPUT.format("dim: 1 dim: 3 dim: 8 dim: 6") + BODY)
    write_config(H=224)
    result = cli("optimize --config config.ini")
    assert result.exit_code == 0, result.stderr
    said = f"{place('H')}: H = 224, but model/net.prototxt says 8 for 'data', which is used"
    assert said in " ".join(result.stderr.split())
    assert "W = " not in result.stderr


def test_a_net_with_an_input_shape_needs_no_h_w_and_c(cli, folder):
    write_net(INPUT.format("dim: 1 dim: 3 dim: 8 dim: 6") + BODY)
    write_config(H=None, W=None, C=None)
    result = cli("optimize --config config.ini")
    assert result.exit_code == 0, result.stderr


def test_the_shape_in_a_data_layer_wins(cli, folder):
    data = DATA.replace("TRANSFORM", "transform_param { crop_size: 8 mean_value: 1 mean_value: 2 mean_value: 3 }")
    write_net(data + BODY + LOSS, (2, 3, 8, 8))
    result = cli("optimize --config config.ini")
    assert result.exit_code == 0, result.stderr
    assert "W = 6, but model/net.prototxt says 8 for 'data'" in " ".join(result.stderr.split())


def test_sizes_that_the_weights_rule_out_give_way_to_such_as_fit(cli, folder):
    write_net((DATA + BODY + LOSS).replace("TRANSFORM", ""), (2, 3, 32, 32))
    write_config(H=224, W=224)
    result = cli("optimize --config config.ini --json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["before"]["macs"] == 2 * (900 * 4 * 4 * 27 // 4 + 3600 * 4 // 4 + 3600 * 3)
    result = cli("optimize --config config.ini")
    said = "config.ini: H = 224, W = 224 do not fit the weights in model/net.caffemodel; 32 x 32 is used"
    assert said in " ".join(result.stderr.split())


def test_input_shape_on_the_command_line_wins(cli, folder):
    write_config(H=None, W=None, C=None)
    result = cli("optimize --config config.ini --json --input-shape 1x3x8x6")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["before"]["macs"] == 6 * 4 * 4 * 27 + 24 * 4 + 96 * 3


@needs_shared
@pytest.mark.parametrize("size", [32, 224])
def test_the_stock_file_on_the_stock_model(cli, folder, size):
    source = SHARED / "caffe" / "cifar10"
    shutil.copy(source / "train_val.prototxt", "model/train_val.prototxt")
    shutil.copy(source / "cifar10.caffemodel", "model/cifar10.caffemodel")
    shutil.copy(source / "mean.npy", "data/mean.npy")
    write_config(
        original_prototxt_path="./model/train_val.prototxt",
        original_model_path="./model/cifar10.caffemodel",
        optimized_prototxt_path="./model/opt_train_val.prototxt",
        optimized_model_path="./model/opt_cifar10.caffemodel",
        mean_R=123.0,
        mean_G=117.0,
        mean_B=104.0,
        input_scale=0.017,
        H=size,
        W=size,
    )
    result = cli("optimize --config config.ini")
    assert result.exit_code == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["layers", "26", "18"] in lines
    assert ["macs", "394,808,520", "394,305,280"] in lines
    assert re.search(r"\(x - \(104\.00\d+, 116\.6\d+, 122\.67\d+\)\) \* 0\.017$", result.stdout, re.M)
    data = np.random.default_rng(0).integers(0, 256, (10, 3, 32, 32)).astype(np.float32)
    mean = np.load("data/mean.npy").mean((1, 2)).astype(np.float32)[:, None, None]
    for name in ("net", "opt"):
        kind = "train_val" if name == "net" else "opt_train_val"
        shutil.copy(f"model/{kind}.prototxt", f"model/{name}.prototxt")
        model = "cifar10" if name == "net" else "opt_cifar10"
        shutil.copy(f"model/{model}.caffemodel", f"model/{name}.caffemodel")
    assert_folded(data, (data - mean) * np.float32(0.017))
