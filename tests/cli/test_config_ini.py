"""optimize --config: every key of the older tool's config.ini, its paths, and wrong files."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from reference.optimize_config import BODY, DATA, LOSS, PIXELS, assert_folded, place, write_config, write_net

import caffe64


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with a net for training and testing in model/ and its stock config.ini."""
    monkeypatch.chdir(tmp_path)
    for name in ("model", "data"):
        (tmp_path / name).mkdir()
    write_net((DATA + BODY + LOSS).replace("TRANSFORM", ""))
    write_config()
    return tmp_path


@pytest.mark.parametrize(
    ("key", "kept", "gone"),
    [
        ("merge_bn_scale", 'type: "BatchNorm"', None),
        ("merge_dropout", 'type: "Dropout"', None),
        ("merge_inplace_memory", None, 'name: "r"\n  type: "ReLU"\n  bottom: "bn"\n  top: "bn"'),
    ],
)
def test_a_pass_runs_if_its_key_says_yes(cli, folder, key, kept, gone):
    for value in ("yes", "no"):
        write_config(**{key: value})
        assert cli("optimize --config config.ini").exit_code == 0
        text = (folder / "model/opt.prototxt").read_text()
        assert kept is None or (kept in text) == (value == "no")
        assert gone is None or (gone in text) == (value == "yes")


def test_neither_mean_nor_scale(cli, folder):
    write_config(merge_input_mean="no", merge_input_scale="no", mean_B="blue", input_scale=None)
    result = cli("optimize --config config.ini")
    assert result.exit_code == 0, result.stderr
    assert "inputs are prepared as before" in result.stdout
    assert_folded(PIXELS / 256, PIXELS / 256)


def test_a_scale_alone(cli, folder):
    write_config(merge_input_mean="no")
    assert cli("optimize --config config.ini").exit_code == 0
    assert_folded(PIXELS, PIXELS * 0.25)


def test_a_mean_alone_is_one_of_values_that_are_multiplied_already(cli, folder):
    write_config(merge_input_scale="no")
    result = cli("optimize --config config.ini")
    assert result.exit_code == 0, result.stderr
    assert "inputs stay multiplied by input_scale = 0.25, and so is the mean" in " ".join(result.stderr.split())
    mean = np.float32([10, 11, 12.5])[:, None, None]
    assert_folded(PIXELS * 0.25, (PIXELS - mean) * 0.25)


def test_a_mean_alone_without_a_scale(cli, folder):
    write_config(merge_input_scale="no", input_scale=None)
    assert cli("optimize --config config.ini").exit_code == 0
    assert_folded(PIXELS, PIXELS - np.float32([10, 11, 12.5])[:, None, None])


@pytest.mark.parametrize("kind", ["npy", "binaryproto"])
def test_a_mean_picture_wins_over_the_three_numbers(cli, folder, kind):
    means = np.float32([30, 20, 40])
    picture = means[:, None, None] + np.float32([[[-2.0, 2.0]]])
    if kind == "npy":
        np.save("data/mean.npy", picture)
    else:
        blob = caffe64.formats.caffe.BlobProto(num=1, channels=3, height=1, width=2, data=picture.reshape(-1))
        (folder / "data/mean.binaryproto").write_bytes(blob.SerializeToString())
    write_config(mean_proto_path=f"./data/mean.{kind}", mean_R=None)
    result = cli("optimize --config config.ini")
    assert result.exit_code == 0, result.stderr
    said = f"data/mean.{kind} gives the mean, not mean_R, mean_G, mean_B; it varies over the picture, by up to 2,"
    assert said in " ".join(result.stderr.split())
    assert_folded(PIXELS, (PIXELS - means[:, None, None]) * 0.25)


def test_a_grey_net_takes_one_mean(cli, folder):
    write_net((DATA + BODY + LOSS).replace("TRANSFORM", ""), (2, 1, 8, 6))
    write_config(C=1, mean_R=9, mean_G=9, mean_B=9)
    assert cli("optimize --config config.ini").exit_code == 0
    assert_folded(PIXELS[:, :1], (PIXELS[:, :1] - 9) * 0.25)
    write_config(C=1)
    result = cli("optimize --config config.ini")
    assert result.exit_code == 3
    assert f"{place('C')}: C = 1, and mean_B, mean_G, mean_R are 10, 11, 12.5" in " ".join(result.stderr.split())


def test_paths_start_from_the_current_folder_and_a_file_beside_the_config_is_pointed_to(cli, folder, monkeypatch):
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    result = cli("optimize --config ../config.ini")
    assert result.exit_code == 3
    found = f"config.ini:{4 + 3}: original_prototxt_path = model/net.prototxt: there is none here, but one in .."
    assert f"{found} (paths start from the current folder: run it in ..)" in " ".join(result.stderr.split())
    for name in ("model", "data"):
        shutil.move(folder / name, name)
    assert cli("optimize --config ../config.ini").exit_code == 0
    assert (folder / "elsewhere/model/opt.caffemodel").exists()


def test_a_mean_beside_the_config_is_not_passed_over(cli, folder, monkeypatch):
    np.save("data/mean.npy", np.float32([1, 2, 3]))
    (folder / "elsewhere").mkdir()
    shutil.move(folder / "model", folder / "elsewhere/model")
    monkeypatch.chdir(folder / "elsewhere")
    result = cli("optimize --config ../config.ini")
    assert result.exit_code == 3
    assert "mean_proto_path = data/mean.npy: there is none here, but one in .." in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"H": "tall"}, "H = 'tall', expected a whole number from 1 to 65536"),
        ({"W": "0"}, "W = '0', expected a whole number"),
        ({"C": "3.0"}, "C = '3.0', expected a whole number"),
        ({"H": ""}, "H is empty, expected a whole number of at least 1"),
        ({"W": None}, "no W, expected a whole number of at least 1"),
        ({"merge_dropout": "maybe"}, "merge_dropout = 'maybe', expected yes or no"),
        ({"merge_bn_scale": "yes # yes / no"}, "merge_bn_scale = 'yes # yes / no', expected yes or no"),
        ({"merge_bn_scale": None}, "no merge_bn_scale, expected yes or no"),
        ({"original_model_path": None}, "no original_model_path, expected a value"),
        ({"input_scale": "1/255"}, "input_scale = '1/255', expected a number"),
        ({"input_scale": "nan"}, "input_scale = 'nan', expected a number"),
        ({"input_scale": None}, "no input_scale, expected a number"),
        ({"mean_G": "green"}, "mean_G = 'green', expected a number"),
        ({"mean_R": None}, "no mean_R, expected a number"),
        ({"colour": "red"}, "the key 'colour', expected one of pycaffe_path, original_prototxt_path"),
    ],
)
def test_a_wrong_value_is_said_with_its_line(cli, folder, values, message):
    write_config(**values)
    result = cli("optimize --config config.ini")
    assert result.exit_code == 3
    (key,) = values
    where = "config.ini" if values[key] is None else place(key)
    assert f"{where}: {message}" in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[DEFAULT]\nH = 1\nh = 2\n", "config.ini:3: the line 'h = 2', expected each key once"),
        ("[DEFAULT]\nH = 1\nnonsense\n", "config.ini:3: the line 'nonsense', expected [DEFAULT] and lines of the form"),
        ("H = 1\n", "config.ini:1: the line 'H = 1', expected [DEFAULT] and lines of the form"),
        ("[DEFAULT]\nH = 1\n\n[MODEL]\nW = 1\n", "config.ini:4: the section 'MODEL', expected all keys in [DEFAULT]"),
        ("[DEFAULT]\r\nH = 1\r\ncolour = red\r\n", "config.ini:3: the key 'colour'"),
        ("\ufeff[DEFAULT]\ncolour = red\n", "config.ini:2: the key 'colour'"),
        ("[DEFAULT]\nmerge_bn_scale = yes\n  no\n", "config.ini: no original_prototxt_path"),
        ("", "config.ini: no original_prototxt_path"),
    ],
)
def test_a_file_of_another_form_is_said_with_its_line(cli, folder, text, message):
    (folder / "config.ini").write_bytes(text.encode())
    result = cli("optimize --config config.ini")
    assert result.exit_code == 3
    assert message in " ".join(result.stderr.split())


def test_files_that_are_not_there_or_hold_no_mean(cli, folder):
    write_config(mean_proto_path="config.ini")
    result = cli("optimize --config config.ini")
    assert result.exit_code == 3
    assert "config.ini: is text, expected a .binaryproto" in " ".join(result.stderr.split())
    write_config(original_prototxt_path="none.prototxt")
    result = cli("optimize --config config.ini")
    assert result.exit_code == 3
    assert "Couldn't find file none.prototxt" in result.stderr
