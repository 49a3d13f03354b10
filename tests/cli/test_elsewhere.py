"""What works on files works where kernels do not run; what computes says what it needs, and touches nothing."""

from __future__ import annotations

import json
import shutil

import numpy as np
import onnx
import pytest
from reference.caffe_graphs import give_weights
from reference.elsewhere import MACHINES, elsewhere
from reference.onnx_models import small_net
from reference.small_caffe_net import write_net, write_picture, write_trained
from reference.ssd_nets import face_ssd
from support import FOUND

import caffe64
from caffe64.caffe.exported import ExportedSide
from caffe64.engine.graph.verification.difference import difference

REASON = {"linux": "the package numba is not installed", "macos": "Darwin on arm64", "windows": "Windows on AMD64"}
NETS = {
    "trained": ("trained.prototxt", "trained.caffemodel"),
    "found": ("bn_bias.prototxt", "bn_bias.caffemodel"),
    "onnx": ("net.onnx",),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with the nets."""
    folder = tmp_path_factory.mktemp("files")
    for name in NETS["found"]:
        shutil.copy(FOUND / name, folder)
    write_trained(folder / "trained.prototxt", folder / "trained.caffemodel")
    onnx.save(small_net(), folder / "net.onnx")
    return folder


@pytest.fixture
def here(files, tmp_path, monkeypatch):
    """Copies of them in the working directory."""
    for path in files.iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def options(net: str) -> list[str]:
    return ["--deploy", "--input-shape", "2x3x32x32"] if net == "trained" else []


def commands(net: str) -> list[list[str]]:
    """What writes files of a net, below a folder of its name."""
    words, asked = NETS[net], options(net)
    optimized = f"{net}/small.onnx" if net == "onnx" else f"{net}/small"
    return [
        ["summary", *words, *asked],
        ["summary", *words, *asked, "--json"],
        ["optimize", *words, "-o", optimized, *asked, "--mean", "1,2,3", "--scale", "0.5"],
        ["draw", *words, "-o", f"{net}/net.html", *asked],
        ["draw", *words, "-o", f"{net}/net.svg", *asked],
        ["export", *words, f"{net}/exported.onnx", *asked],
        ["export", *words, f"{net}/weights.safetensors", *asked],
    ]


@pytest.mark.parametrize("machine", MACHINES)
def test_files_are_the_same(here, cli, machine):
    for net in NETS:
        (here / net).mkdir()
    given = [command for net in NETS for command in commands(net)]
    expected = []
    for command in given:
        result = cli(command)
        assert result.exit_code == 0, result.output
        expected.append(result.stdout)
    made = [path for net in NETS for path in (here / net).iterdir()]
    assert len(made) == 5 + 6 + 6
    contents = {path: content(path) for path in made}
    for path in made:
        path.unlink()
    for done, text in zip(elsewhere(machine, *given), expected, strict=True):
        assert without_differences(done.stdout) == without_differences(text), done.stderr
    assert {path: content(path) for net in NETS for path in (here / net).iterdir()} == contents


def content(path) -> object:
    """The bytes of a file; of .safetensors, where the order of the metadata is left to chance, what they mean."""
    data = path.read_bytes()
    if path.suffix != ".safetensors":
        return data
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def without_differences(text: str) -> list[str]:
    """Lines but for those of comparisons, whose digits depend on what runs the nets."""
    return [line for line in text.splitlines() if "differs by at most" not in line]


@pytest.mark.parametrize("net", NETS)
def test_nets_are_compared_in_onnxruntime(here, net):
    first, prepared = [*NETS[net], *options(net)], ["--mean", "1,2,3"]
    optimized, same, other = elsewhere(
        "macos",
        ["optimize", *first, "-o", "small.onnx", *prepared],
        ["verify", *NETS[net], "small.onnx", *options(net), *prepared, "--json"],
        ["verify", *NETS[net], "small.onnx", *options(net), *prepared, "--scale", "0.5"],
    )
    assert "verified: " in optimized.stdout, optimized.stderr
    assert f"compared in onnxruntime, as ONNX models: this is {REASON['macos']}" in optimized.stderr
    assert all(each["relative"] < 1e-5 for each in json.loads(same.stdout)), same
    assert other.exit_code == 4, other
    assert "differ" in other.stderr


def test_a_wrong_fold_is_found(here):
    """The nets' own weights are compared, not what onnxruntime makes of them."""
    net = caffe64.load_caffe(*NETS["found"])
    net.params["s"][0].data[1] *= 1.01
    net.save("other.prototxt", "other.caffemodel")
    (done,) = elsewhere("macos", ["verify", *NETS["found"], "other.prototxt", "other.caffemodel"])
    assert done.exit_code == 4, done


def test_what_is_missing_is_said(here):
    command = ["optimize", *NETS["found"], "-o"]
    refused, unproved = elsewhere(
        "macos", [*command, "small"], [*command, "other", "--no-verify"], missing="onnxruntime"
    )
    assert refused.exit_code == 2
    assert "needs the package onnxruntime: pip install onnxruntime" in refused.stderr
    assert unproved.exit_code == 0
    assert not (here / "small.prototxt").exists()
    assert (here / "other.prototxt").exists()


@pytest.mark.parametrize("machine", MACHINES)
def test_commands_that_compute_say_what_they_need(here, machine):
    write_net(here)
    write_picture(here / "a.png")
    (here / "x.txt").write_text("0 0 0 0\n" * 2)
    (here / "text.txt").write_text("3\ninp 4 2\nlin 3 -1\nsce\n")
    (here / "optimizer.txt").write_text("0.1 2 0.5 0.0001 0.9 3\n")
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    commands = (
        "run small.prototxt small.caffemodel -i a.png -o y.npy",
        "classify small.prototxt small.caffemodel a.png",
        "time small.prototxt",
        "train text.txt w.bin optimizer.txt 2 x.txt x.txt",
        "test text.txt w.bin 2 x.txt y.txt",
        "eval text.txt w.bin 2 x.txt x.txt",
        "convert x.txt x.npy",
        "sweep text.txt",
        "warmup",
        "cache path",
        "cache clear",
    )
    for command, done in zip(commands, elsewhere(machine, *commands), strict=True):
        assert done.exit_code == 2, (command, done)
        assert "which need Linux on x86-64 or aarch64 and the package numba" in done.stderr, command
        assert REASON[machine] in done.stderr
        assert done.stdout == "", command
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before


@pytest.mark.parametrize("machine", MACHINES)
def test_other_commands(here, machine):
    (here / "text.txt").write_text("3\ninp 4 2\nlin 3 -1\nsce\n")
    (here / "names.prototxt").write_text(
        (here / "bn_bias.prototxt").read_text().replace('name: "c"', 'name: "層"'), encoding="utf-8"
    )
    np.save("x.npy", np.eye(3, dtype=np.float32))
    text_net = caffe64.Net.read("text.txt")
    text_net.initialise()
    text_net.save("text.bin")
    info, doctor, convert, export, summary, text_onnx, text_c = elsewhere(
        machine,
        "info text.txt",
        "doctor",
        "convert x.npy x.idx",
        "export net.onnx net.prototxt net.caffemodel",
        "summary names.prototxt",
        "export text.txt text.bin text.onnx",
        "export text.txt text.bin text.c",
    )
    assert "lin" in info.stdout
    assert (text_onnx.exit_code, text_c.exit_code) == (0, 0), (text_onnx, text_c)
    assert "not compared with the net, which caffe64 does not run here: " in text_onnx.stderr
    assert REASON[machine] in text_onnx.stderr
    model = onnx.load("text.onnx")
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(model.graph.initializer[0]), text_net.layers[1].W)
    assert REASON[machine] in doctor.stdout
    assert convert.exit_code == 0, convert
    np.testing.assert_array_equal(caffe64.read_matrix("x.idx", 3, 3), np.eye(3))
    assert export.exit_code == 0, export
    caffe64.load_caffe("net.prototxt", "net.caffemodel")
    assert "\\u5c64" in summary.stdout, summary  # which the terminal's code page does not have


def test_detections_are_compared_as_rows_in_any_order(here):
    (here / "ssd.prototxt").write_text(face_ssd(96, 0.25))
    net = caffe64.load_caffe("ssd.prototxt", seed=0)
    give_weights(net.graph)
    net.save("ssd.prototxt", "ssd.caffemodel")
    (done,) = elsewhere("macos", "verify ssd.prototxt ssd.caffemodel ssd.prototxt ssd.caffemodel")
    assert done.exit_code == 0, done
    side = ExportedSide(net)
    inputs = side.random(0, {})
    outputs = side.run(inputs, reference=True)
    (name, rows), *others = outputs.items()
    assert not others
    scale = side.scales(inputs, outputs)[name]
    assert rows.shape[-2] > 1
    assert difference(name, rows, rows[..., ::-1, :], scale).relative == 0
    assert difference(name, rows, rows[..., :-1, :], scale).relative == np.inf
