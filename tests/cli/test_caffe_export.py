"""caffe64 export: ONNX files that onnxruntime runs, safetensors files, and what is refused before a file is written."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from reference.caffe_layers import layer_text
from reference.small_caffe_net import write_net
from support import SHARED, needs_shared

import caffe64

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
safetensors = pytest.importorskip("safetensors.numpy")
CIFAR = SHARED / "caffe" / "cifar10"
RUN = "export small.prototxt small.caffemodel"


@pytest.fixture
def net(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_net(tmp_path, "mean_value: 104 mean_value: 117 mean_value: 123 scale: 0.017")


def test_the_file_runs_in_onnxruntime_for_any_batch(net, cli):
    result = cli(f"{RUN} net.onnx")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("onnxruntime: 'prob' differs by ")
    assert f"wrote net.onnx: {Path('net.onnx').stat().st_size:,} bytes" in result.stdout
    session = onnxruntime.InferenceSession("net.onnx")
    for batch in (1, 5):
        x = np.random.default_rng(batch).standard_normal((batch, 3, 8, 6), np.float32)
        (found,) = session.run(["prob"], {"data": x})
        np.testing.assert_allclose(found, net.forward(data=x)["prob"], rtol=1e-5)


def test_the_state_that_a_model_does_not_keep_is_said(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = layer_text("Input", [], ["x"], "input_param { shape { dim: 2 dim: 1 dim: 3 } }", name="x")
    text += layer_text("Input", [], ["cont"], "input_param { shape { dim: 2 dim: 1 } }", name="cont")
    text += layer_text("RNN", ["x", "cont"], ["h"], "recurrent_param { num_output: 2 }", name="rnn")
    Path("net.prototxt").write_text(text)
    caffe64.load_caffe("net.prototxt").save("net.caffemodel")
    result = cli("export net.prototxt net.caffemodel net.onnx")
    assert result.exit_code == 0, result.stderr
    assert "not written: the state of 'rnn' (RNN), which begins with zeros in each run\n" in result.stdout


def test_metadata_has_the_preparation_of_inputs(net, cli):
    assert cli(f"{RUN} net.onnx --channels rgb").exit_code == 0
    report = {each.key: each.value for each in onnx.load("net.onnx").metadata_props}
    assert (report["mean"], report["scale"], report["channels"]) == ("104,117,123", "0.017", "rgb")
    assert report["caffe64"] == caffe64.__version__
    assert cli(f"{RUN} net.onnx --mean 1 --scale 2").exit_code == 0
    report = {each.key: each.value for each in onnx.load("net.onnx").metadata_props}
    assert (report["mean"], report["scale"], "channels" in report) == ("1", "2", False)


def test_a_net_can_be_exported_up_to_a_blob(net, cli):
    assert cli(f"{RUN} net.onnx --output-blob conv").exit_code == 0
    (output,) = onnxruntime.InferenceSession("net.onnx").get_outputs()
    assert (output.name, output.shape) == ("conv", ["N", 4, 8, 6])
    both = cli(f"{RUN} both.onnx --output-blob conv --output-blob prob")
    assert both.exit_code == 2
    assert "the blob 'conv' is not an output: other outputs depend on it" in both.stderr


def test_an_input_shape_becomes_the_models(net, cli):
    assert cli(f"{RUN} net.onnx --input-shape 1x3x10x12").exit_code == 0
    (given,) = onnxruntime.InferenceSession("net.onnx").get_inputs()
    assert given.shape == ["N", 3, 10, 12]


def test_a_wrong_model_is_found_and_not_written(net, cli, tmp_path, monkeypatch):
    from caffe64.engine.graph.frontends.onnx.write.model import EXPORTS

    monkeypatch.setitem(EXPORTS, "ReLU", EXPORTS["AbsVal"])
    result = cli(f"{RUN} net.onnx")
    assert result.exit_code == 4
    assert "onnxruntime differs: 'prob' by " in result.stderr
    assert not (tmp_path / "net.onnx").exists()


def test_what_onnx_cannot_express_is_named_and_no_file_written(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_net(
        tmp_path,
        more='layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 1 } } }\n'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }\n',
    )
    result = cli(f"{RUN} net.onnx")
    assert result.exit_code == 3
    assert "layers that ONNX cannot express: 'loss' (SoftmaxWithLoss)" in result.stderr
    assert "--output-blob NAME exports the net up to a blob" in result.stderr
    assert not (tmp_path / "net.onnx").exists()
    assert cli(f"{RUN} net.onnx --output-blob prob").exit_code == 0


def test_safetensors_hold_all_weights_and_the_net(net, cli):
    result = cli(f"{RUN} net.safetensors")
    assert result.exit_code == 0, result.stderr
    assert "4 arrays" in result.stdout
    found = safetensors.load_file("net.safetensors")
    assert sorted(found) == ["conv.bias", "conv.weight", "fc.bias", "fc.weight"]
    for name, array in found.items():
        layer, kind = name.split(".")
        np.testing.assert_array_equal(array, net.params[layer][kind == "bias"].data)
    from safetensors import safe_open

    report = safe_open("net.safetensors", "np").metadata()
    assert (report["mean"], report["scale"]) == ("104,117,123", "0.017")
    Path("again.prototxt").write_text(report["prototxt"])
    assert [node.type for node in caffe64.load_caffe("again.prototxt").graph.nodes] == [n.type for n in net.graph.nodes]


@needs_shared
def test_the_cifar_net_in_both_forms(cli, tmp_path):
    files = f"{CIFAR}/train_val.prototxt {CIFAR}/cifar10.caffemodel"
    for name in ("c.onnx", "c.safetensors"):
        result = cli(f"export {files} {tmp_path}/{name} --deploy --input-shape data:1x3x32x32 --channels rgb")
        assert result.exit_code == 0, result.stderr
    blobs = np.load(CIFAR / "blobs_from_caffe.npz")
    (found,) = onnxruntime.InferenceSession(tmp_path / "c.onnx").run(None, {"data": blobs["input"]})
    np.testing.assert_allclose(found, blobs["blob:prob"], atol=1e-6)
    arrays = safetensors.load_file(tmp_path / "c.safetensors")
    assert len(arrays) == 29
    assert {name.split(".")[1] for name in arrays if name.startswith("bn1.")} == {"mean", "variance", "factor"}


@pytest.fixture
def without(monkeypatch):
    """without("onnx") makes a package one that is not installed."""
    known = importlib.util.find_spec

    def hide(package):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == package else known(name, *a))

    return hide


@pytest.mark.parametrize("package", ["onnx", "safetensors"])
def test_without_the_package_it_is_said_what_to_install(net, cli, without, package, tmp_path):
    without(package)
    result = cli(f"{RUN} net.{package}")
    assert result.exit_code == 2
    assert f"this needs the package {package}: pip install 'caffe64[export]'" in result.stderr
    assert not (tmp_path / f"net.{package}").exists()


def test_without_onnxruntime_the_file_is_written_and_that_is_said(net, cli, without):
    without("onnxruntime")
    result = cli(f"{RUN} net.onnx")
    assert result.exit_code == 0
    assert "not compared with onnxruntime, which is not installed" in result.stderr
    assert "differs" not in result.stdout
    onnx.checker.check_model("net.onnx", full_check=True)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("net.h5", 2, "net.h5: the name must end with .onnx or .safetensors"),
        ("net.safetensors --output-blob conv", 2, "--output-blob is for .onnx"),
        ("net.onnx --output-blob nope", 3, "has no blob 'nope'"),
        ("no/net.onnx", 3, "there is no directory"),
        ("net.onnx --channels cmyk", 2, "'cmyk' is neither bgr nor rgb"),
        ("net.onnx --input-shape 1x5x8x6", 3, "layer 'conv' blob 0 has the shape [4, 3, 3, 3], expected [4, 5, 3, 3]"),
    ],
)
def test_what_does_not_fit_is_named(net, cli, arguments, code, message):
    result = cli(f"{RUN} {arguments}")
    assert result.exit_code == code, result.stderr
    assert message in " ".join(result.stderr.split())
