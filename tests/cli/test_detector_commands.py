"""An SSD detector through export, verify, optimize, summary and draw, and what it is as an ONNX file."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from reference.caffe_graphs import give_weights
from reference.ssd_nets import face_ssd

import caffe64

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
NET = "face.prototxt face.caffemodel"
ANY = "'detection_out' differs by at most "
NOTHING = "nothing is found in these inputs"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ssd")
    (folder / "face.prototxt").write_text(face_ssd(96, 0.25))
    net = caffe64.load_caffe(folder / "face.prototxt", seed=0)
    give_weights(net.graph)
    net.save(folder / "face.caffemodel")
    (folder / "blind.prototxt").write_text(
        face_ssd(96, 0.25).replace("confidence_threshold: 0.01", "confidence_threshold: 1")
    )
    caffe64.export_onnx(net, folder / "given.onnx")
    return folder


@pytest.fixture
def folder(files, monkeypatch):
    monkeypatch.chdir(files)
    return files


def test_export_compares_detections(cli, folder):
    result = cli(f"export {NET} face.onnx")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"onnxruntime: {ANY}")
    assert NOTHING not in result.stdout
    (output,) = onnxruntime.InferenceSession("face.onnx").get_outputs()
    assert (output.name, output.shape) == ("detection_out", [1, 1, "detection_out/rows", 7])


@pytest.mark.parametrize("sides", [f"{NET} given.onnx", f"given.onnx {NET}"])
def test_verify_takes_the_rows_that_are_found(cli, folder, sides):
    result = cli(f"verify {sides}")
    assert result.exit_code == 0, result.stderr
    assert "given.onnx: runs in onnxruntime" in result.stderr
    assert result.stdout.startswith(ANY)
    assert NOTHING not in result.stdout


def test_verify_finds_other_detections(cli, folder):
    other = caffe64.load_caffe("face.prototxt", "face.caffemodel")
    other.params["layer4_mbox_conf"][1].data[::2] += 0.5
    other.save("other.caffemodel")
    for sides in ("face.prototxt other.caffemodel given.onnx", "given.onnx face.prototxt other.caffemodel"):
        result = cli(f"verify {sides}")
        assert result.exit_code == 4
        assert "the nets differ: 'detection_out' by " in result.stderr


def test_where_nothing_is_found_it_is_said(cli, folder):
    command = "verify blind.prototxt face.caffemodel blind.prototxt face.caffemodel"
    result = cli(command)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{ANY}0 relative, 0 absolute: {NOTHING}\n"
    (found,) = json.loads(cli(f"{command} --json").stdout)
    assert (found["relative"], found["note"]) == (0, NOTHING)


def test_an_optimised_detector_has_the_same_rows(cli, folder):
    result = cli(f"optimize {NET} -o small.onnx")
    assert result.exit_code == 0, result.stderr
    assert f"verified: {ANY}" in result.stdout
    result = cli(f"verify {NET} small.onnx")
    assert result.exit_code == 0, result.stderr


def test_summary_and_draw_show_its_operators(cli, folder):
    result = cli("summary given.onnx")
    assert result.exit_code == 0, result.stderr
    assert re.search(r"detection_out/NonMaxSuppression +NonMaxSuppression +\?", result.stdout)
    layers = json.loads(cli("summary given.onnx --json").stdout)["layers"]
    assert [layer["type"] for layer in layers if layer["macs"] is None] == []
    result = cli(f"draw {NET} --compare given.onnx -o both.html")
    assert result.exit_code == 0, result.stderr
    assert "NonMaxSuppression" in (folder / "both.html").read_text()


@pytest.mark.parametrize("command", ["run given.onnx -i x.npy -o y.npy", "optimize given.onnx -o again.onnx"])
def test_caffe64_does_not_read_it_back_and_names_the_operators(cli, folder, command):
    np.save("x.npy", np.zeros((1, 3, 96, 96), np.float32))
    result = cli(command)
    assert result.exit_code == 3
    said = " ".join(result.stderr.split())
    assert "given.onnx: has operators that caffe64 does not know: TopK (2: " in said
    assert "NonMaxSuppression (1: 'detection_out/NonMaxSuppression')" in said
    assert "(summary, draw and verify work with any operator)" in said
