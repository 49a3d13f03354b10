"""Mean and scale per channel, as torchvision's nets have them, through every command that takes them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from reference.small_caffe_net import write_net, write_picture

import caffe64

SHIFT, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # of RGB from 0 to 1
MEAN, SCALE = 255 * SHIFT, 1 / (255 * DEVIATION)
MEANS = f"--mean {','.join(map(str, MEAN))}"
OPTIONS = f"{MEANS} --scale {','.join(map(str, SCALE))}"
FILES = "small.prototxt small.caffemodel"
SAID = "minus 123.675, 116.28, 103.53, times 0.017124753, 0.017507004, 0.017429193"


@pytest.fixture
def net(tmp_path, monkeypatch):
    """The net's files and two pictures in the working directory."""
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        write_picture(tmp_path / f"{number}.png", seed=number)
    return write_net(tmp_path)


def pixels(folder) -> np.ndarray:
    """float64 [2, RGB, 8, 6]"""
    return np.stack([write_picture(folder / "x.png", seed=number) for number in range(2)]).transpose(0, 3, 1, 2) * 1.0


def prepared(folder) -> np.ndarray:
    """As torchvision does it: to 0 ... 1, then Normalize."""
    return (pixels(folder) / 255 - SHIFT[:, None, None]) / DEVIATION[:, None, None]


def test_pictures_are_prepared_channel_by_channel(net, cli, tmp_path):
    result = cli(f"run {FILES} -i 0.png -i 1.png {OPTIONS} --channels rgb --blob data --blob prob -o y.npz")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == f"caffe64: pictures for 'data': stretched to 6x8, channels R G B, {SAID}\n"
    found = np.load("y.npz")
    np.testing.assert_allclose(found["data"], prepared(tmp_path), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["prob"], net.forward(data=prepared(tmp_path))["prob"], rtol=1e-5)


def test_classes_are_those_of_the_prepared_pictures(net, cli, tmp_path):
    result = cli(f"classify {FILES} 0.png 1.png {OPTIONS} --channels rgb --top 3 --json")
    assert result.exit_code == 0, result.stderr
    expected = np.sort(net.forward(data=prepared(tmp_path))["prob"])[:, ::-1]
    found = [[each["score"] for each in picture["classes"]] for picture in json.loads(result.stdout)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("pad", [0, 1])
def test_the_optimised_net_takes_raw_pixels_everywhere(net, cli, tmp_path, pad):
    Path("small.prototxt").write_text(Path("small.prototxt").read_text().replace("pad: 1", f"pad: {pad}"))
    result = cli(f"optimize {FILES} -o raw {OPTIONS}")
    assert result.exit_code == 0, result.stderr
    assert "does (x - (123.675, 116.28, 103.53)) * (0.017124753, 0.017507004, 0.017429193)" in result.stdout
    assert cli(f"verify {FILES} raw.prototxt raw.caffemodel {OPTIONS}").exit_code == 0
    assert cli(f"verify {FILES} raw.prototxt raw.caffemodel {MEANS} --scale 0.0171247538").exit_code == 4

    x = pixels(tmp_path).astype(np.float32)
    expected = caffe64.load_caffe(*FILES.split()).forward(data=prepared(tmp_path))["prob"]
    for read in (ours, onnxruntimes, *([] if pad else [opencvs])):  # OpenCV has no Bias layer
        np.testing.assert_allclose(read(cli, x), expected, rtol=1e-5)


def ours(cli, x):
    return caffe64.load_caffe("raw.prototxt", "raw.caffemodel").forward(data=x)["prob"]


def onnxruntimes(cli, x):
    onnxruntime = pytest.importorskip("onnxruntime")
    assert cli("export raw.prototxt raw.caffemodel raw.onnx").exit_code == 0
    return onnxruntime.InferenceSession("raw.onnx").run(None, {"data": x})[0]


def opencvs(cli, x):
    """By its own copy of caffe.proto."""
    net = pytest.importorskip("cv2").dnn.readNetFromCaffe("raw.prototxt", "raw.caffemodel")
    net.setInput(x)
    return net.forward("prob")


def test_the_onnx_metadata_has_the_preparation_of_each_channel(net, cli):
    onnx = pytest.importorskip("onnx")
    assert cli(f"export {FILES} net.onnx {OPTIONS}").exit_code == 0
    report = {each.key: each.value for each in onnx.load("net.onnx").metadata_props}
    np.testing.assert_array_equal(np.float32(report["mean"].split(",")), np.float32(MEAN))
    np.testing.assert_array_equal(np.float32(report["scale"].split(",")), np.float32(SCALE))


@pytest.mark.parametrize(
    "command",
    [
        f"run {FILES} -i 0.png",
        f"classify {FILES} 0.png",
        f"optimize {FILES} -o raw",
        f"verify {FILES} {FILES}",
        f"export {FILES} net.onnx",
    ],
)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scale", "x"], "'x' is not a list of numbers such as 0.017 or 0.0171,0.0175,0.0174"),
        (["--scale", ""], "'' is not a list of numbers"),
        (["--scale", "1_0"], "'1_0' is not a list of numbers"),
        (["--scale", "1,2,"], "'1,2,' is not a list of numbers"),
        (["--scale", "0"], "--scale[0] is 0.0, expected a number other than 0, finite as float32"),
        (["--scale", "1,nan,2"], "--scale[1] is nan, expected a number other than 0, finite as float32"),
        (["--mean", ""], "'' is not a list of numbers such as 104,117,123"),
        (["--mean", "1,inf,3"], "--mean[1] is inf, expected a number, finite as float32"),
        (["--scale", "1e-50"], "--scale[0] is 1e-50, expected a number other than 0"),
        (["--mean", "1,2,3", "--scale", "1,2"], "the mean has 3 numbers and the scale 2, expected as many"),
        (["--mean", "1e39"], "--mean[0] is 1e+39, expected a number, finite as float32"),
    ],
)
def test_a_value_that_is_not_a_number_is_a_usage_error(net, cli, command, options, message):
    result = cli([*command.split(), *options])
    assert result.exit_code == 2, result.stderr
    assert message in " ".join(result.stderr.split())
    assert not any(each.suffix == ".onnx" or each.stem == "raw" for each in Path.cwd().iterdir())


@pytest.mark.parametrize("options", [["--scale", "1,2"], ["--mean", "1,2,3,4"], ["--mean", "1,2", "--scale", "1,2"]])
@pytest.mark.parametrize(
    "command",
    [
        f"run {FILES} -i 0.png",
        f"classify {FILES} 0.png",
        f"optimize {FILES} -o raw",
        f"verify {FILES} {FILES}",
        f"export {FILES} net.onnx",
        f"export {FILES} net.safetensors",
    ],
)
def test_numbers_for_other_channels_are_a_usage_error(net, cli, command, options):
    result = cli([*command.split(), *options])
    assert result.exit_code == 2, result.stderr
    assert "expected one number, or one for each of 3 channels" in " ".join(result.stderr.split())


def test_a_net_is_not_optimised_onto_itself_and_no_inputs_are_passed_over(net, cli):
    before = Path("small.prototxt").read_bytes()
    for options, message in (
        ("-o small", "small.prototxt would be overwritten"),
        ("-o raw --no-verify --verify-with x.npy", "--no-verify compares nothing; leave --verify-with out"),
    ):
        result = cli(f"optimize {FILES} {options}")
        assert result.exit_code == 2, result.stderr
        assert message in " ".join(result.stderr.split())
    assert Path("small.prototxt").read_bytes() == before
    assert not Path("raw.prototxt").exists()
