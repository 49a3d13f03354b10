"""caffe64 run: what is fed, what is written, what is said."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from reference.small_caffe_net import write_net, write_picture

from caffe64.engine.graph.execution.required_kernels import kernels_of

RUN = "run small.prototxt small.caffemodel"


@pytest.fixture
def net(tmp_path, monkeypatch):
    """The net's files and a picture in the working directory; its kernels are compiled, so nothing is said of that."""
    monkeypatch.chdir(tmp_path)
    write_picture(tmp_path / "a.png")
    write_picture(tmp_path / "b.png", seed=1)
    net = write_net(tmp_path)
    for kernel in kernels_of(net.graph):
        kernel.compile()
    return net


def test_an_array_is_taken_as_it_is(net, cli, tmp_path):
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 6), np.float32)
    np.save("x.npy", x)
    result = cli(f"{RUN} --input x.npy --output y.npy")
    assert (result.exit_code, result.stderr) == (0, "")
    np.testing.assert_array_equal(np.load("y.npy"), net.forward(data=x)["prob"])
    header, row = result.stdout.splitlines()
    assert header.split() == ["output", "shape", "min", "mean", "max"]
    assert row.split()[:2] == ["prob", "2x3"]


def test_an_array_without_a_batch_axis_is_a_batch_of_one(net, cli):
    np.save("x.npy", np.ones((3, 8, 6)))
    assert cli(f"{RUN} -i x.npy -o y.npy").exit_code == 0
    assert np.load("y.npy").shape == (1, 3)


def test_pictures_are_prepared_and_stacked_and_the_recipe_is_said(net, cli, tmp_path):
    result = cli(f"{RUN} -i a.png -i b.png --mean 104,117,123 --scale 0.5 -o y.npy")
    assert result.exit_code == 0
    recipe = "pictures for 'data': stretched to 6x8, channels B G R, minus 104, 117, 123, times 0.5"
    assert result.stderr == f"caffe64: {recipe}\n"
    pixels = np.stack([write_picture(tmp_path / "c.png", seed=seed) for seed in (0, 1)])[..., ::-1].astype(np.float32)
    x = ((pixels - np.float32([104, 117, 123])) * np.float32(0.5)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(np.load("y.npy"), net.forward(data=x)["prob"], rtol=1e-5)


def test_mean_and_scale_are_the_nets_own_unless_options_say_more(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_net(tmp_path, "mean_value: 1 mean_value: 2 mean_value: 3 scale: 0.25")
    write_picture(tmp_path / "a.png")
    assert "minus 1, 2, 3, times 0.25" in cli(f"{RUN} -i a.png").stderr
    assert "minus 9, times 0.25" in cli(f"{RUN} -i a.png --mean 9").stderr
    assert "channels R G B, minus 1, 2, 3\n" in cli(f"{RUN} -i a.png --scale 1 --channels rgb").stderr


def test_a_mean_file_of_the_net_is_not_read_and_that_is_said(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_net(tmp_path, 'mean_file: "data/mean.binaryproto"')
    write_picture(tmp_path / "a.png")
    notice = "the net's mean file is not read; --mean data/mean.binaryproto would take it"
    assert notice in cli(f"{RUN} -i a.png").stderr
    assert notice not in cli(f"{RUN} -i a.png --mean 0").stderr


def test_a_mean_picture_gives_the_mean_of_each_channel(net, cli):
    np.save("mean.npy", np.arange(3)[:, None, None] + np.array([[0, 2], [4, 6]]))
    assert "minus 3, 4, 5" in cli(f"{RUN} -i a.png --mean mean.npy").stderr
    np.save("mean.npy", np.ones((2, 2)))
    result = cli(f"{RUN} -i a.png --mean mean.npy")
    assert result.exit_code == 3
    assert "holds an array [2, 2], expected a mean picture [channels, height, width]" in result.stderr


def test_resize_and_crop_come_before_the_net(net, cli):
    report = json.loads(cli(f"{RUN} -i a.png --resize 20x12 --crop 10x9 --blob conv --json").stdout)
    assert report["preparation"] == {"data": ["stretched to 20x12", "centre crop 10x9", "channels B G R"]}
    assert report["inputs"] == {"data": [1, 3, 9, 10]}
    assert report["outputs"]["conv"]["shape"] == [1, 4, 9, 10]
    assert report["outputs"]["conv"]["min"] >= 0


def test_npz_holds_all_blobs_by_name(net, cli):
    assert cli(f"{RUN} -i a.png --blob conv --blob prob -o y.npz").exit_code == 0
    found = np.load("y.npz")
    assert {name: found[name].shape for name in found} == {"conv": (1, 4, 8, 6), "prob": (1, 3)}


def test_npy_is_for_one_output(net, cli):
    result = cli(f"{RUN} -i a.png --blob conv --blob prob -o y.npy")
    assert result.exit_code == 2
    assert "2 outputs, conv, prob: write .npz, or choose one with --blob" in result.stderr


def test_pipes_in_and_out(net):
    np.save("x.npy", np.ones((1, 3, 8, 6), np.float32))
    command = [sys.executable, "-m", "caffe64", *RUN.split(), "-i", "/dev/stdin", "-o"]
    expected = net.forward(data=np.load("x.npy"))["prob"]
    with open("x.npy", "rb") as file:
        feed = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
        done = subprocess.run([*command, "/dev/stdout"], stdin=feed.stdout, capture_output=True, check=True)
        feed.wait()
    with open("y.npy", "wb") as file:
        file.write(done.stdout)
    np.testing.assert_array_equal(np.load("y.npy"), expected)


TWO = 'layer { name: "info" type: "Input" top: "info" input_param { shape { dim: 1 dim: 3 } } }\n'
JOIN = 'layer { name: "sum" type: "Eltwise" bottom: "prob" bottom: "info" top: "sum" }\n'


def test_several_inputs_have_names(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_net(tmp_path, more=TWO + JOIN)
    write_picture(tmp_path / "a.png")
    np.save("info.npy", np.ones((1, 3)))
    report = json.loads(cli(f"{RUN} -i data=a.png -i info=info.npy --json").stdout)
    assert report["outputs"]["sum"]["mean"] == pytest.approx(4 / 3)
    for wrong, message in (
        ("-i a.png", "the net has the inputs data, info; say which: data=a.png"),
        ("-i data=a.png", "nothing for the input 'info': --input info=FILE"),
        ("-i data=a.png -i info=a.png", "the input 'info' has the shape [1, 3], which no picture has"),
    ):
        result = cli(f"{RUN} {wrong}")
        assert result.exit_code == 2
        assert message in result.stderr


def test_outputs_that_are_not_finite_are_reported(net, cli):
    np.save("x.npy", np.full((1, 3, 8, 6), np.nan))
    result = cli(f"{RUN} -i x.npy")
    assert "NaN or infinite values in prob: is the preparation of the input right?" in result.stdout
    report = json.loads(cli(f"{RUN} -i x.npy --json").stdout)["outputs"]["prob"]
    assert report == {"shape": [1, 3], "min": None, "mean": None, "max": None, "not_finite": 3}


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ("-i a.png --crop 30x30", 3, "a.png: is 6x8 pixels large, expected at least the crop, 30x30"),
        ("-i a.png --crop 30", 2, "Invalid value for --crop: '30' is not a size such as 224x224"),
        ("-i a.png --resize 99999x9", 2, "Invalid value for --resize: '99999x9' is not a size"),
        ("-i a.png --channels bgra", 2, "'bgra' is neither bgr nor rgb"),
        (
            "-i a.png --mean 1,2",
            2,
            "the mean has 2 numbers, and the input 'data' [1, 3, 8, 6]: expected one number, or one for each of 3",
        ),
        ("-i right.npy --mean 1", 2, "--mean, --scale, --channels, --resize and --crop are for pictures"),
        ("-i right.npy --scale 1", 2, "are for pictures; arrays are taken as they are"),
        ("-i a.png --mean bad.npy", 3, "bad.npy: holds numbers that are not finite, expected a mean picture"),
        ("-i a.png --input-shape 1x3x8x6 --input-shape 2x3x8x6", 2, "--input-shape: two shapes of the first input"),
        ("-i a.png --input-shape data:1x3x8x6 --input-shape data:2x3x8x6", 2, "two shapes of 'data'"),
        ("-i a.png --mean x", 2, "'x' is not a list of numbers"),
        ("-i a.png --blob nope", 3, "has no blob 'nope', expected conv, data, fc, pool, prob"),
        ("-i a.png -o y.txt", 2, "the name must end with .npy or .npz"),
        ("-i a.png -o no/y.npy", 3, "there is no directory"),
        ("-i nowhere.png", 3, "Couldn't find file nowhere.png"),
        ("-i small.prototxt", 3, "small.prototxt: is not a picture that can be read"),
        ("-i wrong.npy", 3, "layer 'conv' (Convolution): has weights [4, 3, 3, 3] [4], expected [4, 5, 3, 3] [4]"),
        ("-i right.npy --crop 2x2", 2, "--channels, --resize and --crop are for pictures"),
        ("-i right.npy -i a.png --resize 5x5", 3, "a.png: has the shape [1, 3, 5, 5] for the input 'data', expected"),
    ],
)
def test_what_does_not_fit_is_named(net, cli, options, code, message):
    np.save("wrong.npy", np.ones((1, 5, 8, 6)))
    np.save("bad.npy", np.array([1, np.nan, 3]))
    np.save("right.npy", np.ones((1, 3, 8, 6)))
    result = cli(f"{RUN} {options}")
    assert result.exit_code == code, result.stderr
    assert message in " ".join(result.stderr.split())
