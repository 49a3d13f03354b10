"""Weights that were exported as safetensors, back into nets; weights as float16."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from reference.onnx_models import small_net
from reference.small_caffe_net import write_net, write_trained
from safetensors.numpy import load_file, save_file
from support import FOUND, assert_close

import caffe64
from caffe64.errors import CheckFailed, InputError, UsageError
from caffe64.formats.caffe import read_caffemodel

HALF = {"conv1": [True, False], "bn1": [False] * 3, "scale1": [False] * 2, "ip1": [True, False]}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_trained("trained.prototxt", "trained.caffemodel")
    return tmp_path


def trained() -> caffe64.CaffeNet:
    return caffe64.load_caffe("trained.prototxt", "trained.caffemodel", deploy=True, input_shapes=(2, 3, 32, 32))


def weights(net) -> dict[str, np.ndarray]:
    return {f"{name}{n}": blob.data.copy() for name, blobs in net.params.items() for n, blob in enumerate(blobs)}


def rounded(net) -> dict[str, np.ndarray]:
    """What a file of halves holds, by NumPy alone."""
    found = weights(net)
    return {name: each.astype(np.float16).astype(np.float32) if each.ndim > 1 else each for name, each in found.items()}


def pixels(*shape) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


# ------------------------------------------------------------------------------------------------- float16
def test_a_half_caffemodel(here):
    net = trained()
    net.save("half.prototxt", "half.caffemodel", half=True)
    net.save("full.caffemodel")
    expected = rounded(net)
    again = caffe64.load_caffe("half.prototxt", "half.caffemodel")
    for name, values in weights(again).items():
        np.testing.assert_array_equal(values, expected[name], name)
    saved = (here / "full.caffemodel").stat().st_size - (here / "half.caffemodel").stat().st_size
    halved = sum(each.size for each in expected.values() if each.ndim > 1)
    assert abs(saved - 2 * halved) < 40
    model = read_caffemodel("half.caffemodel")
    kinds = {name: [array.flags.writeable for array in arrays] for name, _, arrays in model.blobs if arrays}
    assert kinds == HALF, "float32 are read-only views of the file"


def test_opencv_reads_it(here):
    write_net(here)
    net = caffe64.load_caffe("small.prototxt", "small.caffemodel")
    net.save("half.prototxt", "half.caffemodel", half=True)
    x = pixels(1, 3, 8, 6)
    other = cv2.dnn.readNetFromCaffe("half.prototxt", "half.caffemodel")
    other.setInput(x)
    expected = caffe64.load_caffe("half.prototxt", "half.caffemodel").forward(data=x)["prob"]
    assert_close("prob", other.forward(), expected, 1e-6)
    assert not np.array_equal(expected, net.forward(data=x)["prob"])


def test_opencv_shrinks_models_alike(here):
    """Its own tool writes the same float16 values."""
    write_net(here)
    net = caffe64.load_caffe("small.prototxt", "small.caffemodel")
    cv2.dnn.shrinkCaffeModel("small.caffemodel", "shrunk.caffemodel")
    net.save("half.caffemodel", half=True)
    shrunk, own = (
        {name: arrays for name, _, arrays in read_caffemodel(f"{each}.caffemodel").blobs if arrays}
        for each in ("shrunk", "half")
    )
    for name in own:
        np.testing.assert_array_equal(own[name][0], shrunk[name][0], name)


@pytest.mark.parametrize("source", ["caffe", "onnx"])
def test_a_half_onnx_model_computes_as_the_rounded_net(here, source):
    if source == "onnx":
        onnx.save(small_net(), "net.onnx")
    net = trained() if source == "caffe" else caffe64.load_onnx("net.onnx")
    expected = rounded(net)
    differences = caffe64.export_onnx(net, "half.onnx", half=True)
    assert max(each.relative for each in differences) < 1e-5
    caffe64.export_onnx(net, "full.onnx")
    model = onnx.load("half.onnx")
    stored = {each.name: each.data_type for each in model.graph.initializer}
    assert {onnx.TensorProto.FLOAT16} == {kind for name, kind in stored.items() if name.endswith("half")}
    assert len([name for name in stored if name.endswith("half")]) == sum(each.ndim > 1 for each in expected.values())
    casts = [node for node in model.graph.node if node.op_type == "Cast"]
    assert len(casts) == sum(each.data_type == onnx.TensorProto.FLOAT16 for each in model.graph.initializer)
    assert all(node.attribute[0].i == onnx.TensorProto.FLOAT for node in casts)
    kinds = {each.type.tensor_type.elem_type for each in (*model.graph.input, *model.graph.output)}
    assert kinds == {onnx.TensorProto.FLOAT}
    halved = sum(each.size for each in expected.values() if each.ndim > 1)
    assert (here / "full.onnx").stat().st_size - (here / "half.onnx").stat().st_size > 1.5 * halved
    for name, values in zip(net.params, net.params.values(), strict=True):
        for n, blob in enumerate(values):
            blob.data[...] = expected[f"{name}{n}"]
    x = {name: pixels(*net.blobs[name].shape) for name in net.inputs}
    found = onnxruntime.InferenceSession("half.onnx", providers=["CPUExecutionProvider"]).run(None, x)
    for values, wanted in zip(found, net.forward(**x).values(), strict=True):
        assert_close(source, values, wanted, 1e-5 * np.abs(wanted).max())


def test_weights_that_layers_share_are_stored_once(here):
    layer = """layer {{ name: "{0}" type: "InnerProduct" bottom: "x" top: "{0}"
      param {{ name: "w" }} param {{ name: "b" }}
      inner_product_param {{ num_output: 64 weight_filler {{ type: "xavier" }} }} }}"""
    text = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 64 } } }'
    (here / "net.prototxt").write_text(text + layer.format("a") + layer.format("b"))
    net = caffe64.load_caffe("net.prototxt")
    caffe64.export_onnx(net, "half.onnx", half=True)
    assert (here / "half.onnx").stat().st_size < 1.3 * 2 * 64 * 64


def test_values_beyond_float16_are_refused(here):
    net = trained()
    net.params["ip1"][0].data[2, 3] = -65520
    for write in (
        lambda: net.save("half.caffemodel", half=True),
        lambda: caffe64.export_onnx(net, "half.onnx", half=True),
        lambda: caffe64.export_safetensors(net, "half.safetensors", half=True),
    ):
        with pytest.raises(InputError, match=r"'ip1' .*: blob 0 holds -65520, expected at most 65504"):
            write()
    assert not list(here.glob("half*"))
    net.params["ip1"][0].data[2, 3] = 65519  # rounded to 65504
    net.params["bn1"][1].data[0] = 1e9  # statistics stay float32
    net.save("half.caffemodel", half=True)
    net.params["ip1"][0].data[2, 3] = np.inf  # is one in float16, too
    net.save("half.caffemodel", half=True)


def test_wrong_arguments(here):
    net = trained()
    with pytest.raises(UsageError, match="holds no weights"):
        net.save("half.prototxt", half=True)
    with pytest.raises(UsageError, match="half"):
        net.save("half.caffemodel", half="yes")
    with pytest.raises(UsageError, match="half"):
        caffe64.export_onnx(net, "half.onnx", half=2)


# ------------------------------------------------------------------------------------------------- safetensors
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("source", ["caffe", "onnx", "found"])
def test_back_into_the_net(here, source, half):
    if source == "onnx":
        onnx.save(small_net(), "net.onnx")
    files = {"found": (FOUND / "bn_bias.prototxt", FOUND / "bn_bias.caffemodel")}

    def load():
        if source == "caffe":
            return trained()
        return caffe64.load_onnx("net.onnx") if source == "onnx" else caffe64.load_caffe(*files["found"])

    net = load()
    x = {name: pixels(*net.blobs[name].shape) for name in net.inputs}
    expected, values = net.forward(**x), rounded(net) if half else weights(net)
    caffe64.export_safetensors(net, "w.safetensors", half=half)
    other = load()
    other.forward(**x)  # what is derived from weights is made again
    held = {name: [blob.data for blob in blobs] for name, blobs in other.params.items()}
    for arrays in held.values():
        for array in arrays:
            array[...] = 7
    other.forward(**x)
    assert caffe64.load_safetensors(other, "w.safetensors") == []
    for name, each in weights(other).items():
        np.testing.assert_array_equal(each, values[name], name)
    if not half:
        for name, each in other.forward(**x).items():
            np.testing.assert_array_equal(each, expected[name])
    assert all(
        array is blob
        for name, blobs in other.params.items()
        for array, blob in zip(held[name], (each.data for each in blobs), strict=True)
    )


@pytest.mark.parametrize("kind", [np.float16, np.float64, "bfloat16"])
def test_other_types(here, kind):
    import ml_dtypes

    kind = ml_dtypes.bfloat16 if kind == "bfloat16" else kind
    net = trained()
    caffe64.export_safetensors(net, "w.safetensors")
    tensors = {name: values.astype(kind) for name, values in load_file("w.safetensors").items()}
    save_file(tensors, "w.safetensors")
    caffe64.load_safetensors(net, "w.safetensors")
    np.testing.assert_array_equal(net.params["ip1"][0].data, tensors["ip1.weight"].astype(np.float32))


def test_what_does_not_fit_changes_nothing(here):
    net = trained()
    caffe64.export_safetensors(net, "w.safetensors")
    tensors, before = load_file("w.safetensors"), weights(net)
    tensors = {name: values + 1 for name, values in tensors.items()}
    missing = {name: values for name, values in tensors.items() if not name.startswith("bn1")}
    for changed, message in (
        (missing, r"has no 'bn1.mean', 'bn1.variance', 'bn1.factor', expected the weights of this net \(it has "),
        ({**tensors, "ip1.bias": np.zeros(11, np.float32)}, r"'ip1.bias' has the shape \[11\], expected \[10\]"),
        ({**tensors, "ip1.bias": np.zeros(10, np.int64)}, "'ip1.bias' is of the type I64"),
        ({}, "it has nothing"),
    ):
        save_file(changed, "other.safetensors")
        with pytest.raises(InputError, match=message):
            caffe64.load_safetensors(net, "other.safetensors")
        for name, each in weights(net).items():
            np.testing.assert_array_equal(each, before[name], name)
    save_file({**tensors, "more": np.zeros(3, np.float32), "bn1.beta": np.zeros(3, np.float32)}, "other.safetensors")
    assert sorted(caffe64.load_safetensors(net, "other.safetensors")) == ["bn1.beta", "more"]
    with pytest.raises(UsageError):
        caffe64.load_safetensors("net", "w.safetensors")
    with pytest.raises(InputError, match=r"expected a \.safetensors file"):
        caffe64.load_safetensors(net, "trained.caffemodel")


def test_it_is_a_model_like_others(here):
    net = trained()
    caffe64.export_safetensors(net, "w.safetensors")
    other = caffe64.load_caffe("trained.prototxt", "w.safetensors", deploy=True, input_shapes=(2, 3, 32, 32))
    for name, each in weights(other).items():
        np.testing.assert_array_equal(each, weights(net)[name], name)
    assert not [notice for notice in other.notices if "w.safetensors" in notice]
    net.params["ip1"][1].data[...] = 3
    net.copy_from("w.safetensors")
    np.testing.assert_array_equal(weights(net)["ip11"], weights(other)["ip11"])
    tensors = load_file("w.safetensors")
    save_file({**tensors, "more.weight": np.zeros(3, np.float32)}, "more.safetensors")
    loaded = caffe64.load_caffe("trained.prototxt", "more.safetensors", deploy=True, input_shapes=(2, 3, 32, 32))
    assert "more.safetensors has weights for 'more', which the net does not have" in loaded.notices
    del tensors["ip1.bias"], tensors["ip1.weight"]
    save_file(tensors, "less.safetensors")
    with pytest.raises(InputError, match=r"less\.safetensors: has no weights for the layer 'ip1'"):
        caffe64.load_caffe("trained.prototxt", "less.safetensors", deploy=True, input_shapes=(2, 3, 32, 32))


def test_layers_whose_only_blob_is_a_bias(here):
    text = (FOUND / "bn_bias.prototxt").read_text() + 'layer { name: "f" type: "Bias" bottom: "sum" top: "f" }'
    (here / "net.prototxt").write_text(text)
    net = caffe64.load_caffe("net.prototxt", seed=1)
    net.params["f"][0].data[...] = [1, 2, 3, 4]
    assert "f.bias" in caffe64.export_safetensors(net, "w.safetensors")
    assert caffe64.load_caffe("net.prototxt", "w.safetensors").params["f"][0].data.tolist() == [1, 2, 3, 4]


def test_two_tensors_of_one_blob(here):
    save_file({"a.weight": np.zeros(3, np.float32), "a.blob0": np.zeros(3, np.float32)}, "w.safetensors")
    with pytest.raises(InputError, match="are both blob 0 of 'a'"):
        read_caffemodel("w.safetensors")


# ------------------------------------------------------------------------------------------------- commands
@pytest.fixture
def cli():
    from typer.testing import CliRunner

    from caffe64.cli.app import app

    return lambda command: CliRunner().invoke(app, command.split(), prog_name="caffe64")


NET = "trained.prototxt trained.caffemodel"
READING = "--deploy --input-shape 2x3x32x32"


def test_commands(here, cli):
    commands = (
        f"export {NET} w.safetensors {READING}",
        f"export {NET} half.safetensors {READING} --half",
        f"summary trained.prototxt w.safetensors {READING}",
        f"draw trained.prototxt w.safetensors -o net.svg {READING}",
        f"verify {NET} trained.prototxt w.safetensors {READING}",
        f"optimize trained.prototxt w.safetensors -o small {READING}",
    )
    for command in commands:
        result = cli(command)
        assert result.exit_code == 0, (command, result.output)
    sizes = [(here / name).stat().st_size for name in ("w.safetensors", "half.safetensors")]
    assert sizes[1] < 0.6 * sizes[0]
    result = cli(f"verify {NET} trained.prototxt half.safetensors {READING} --tolerance 1e-9 --floor 0")
    assert result.exit_code == 4


@pytest.mark.parametrize("out", ["small", "small.onnx"])
def test_optimize_says_what_rounding_does(here, cli, out):
    result = cli(f"optimize {NET} -o {out} {READING} --half")
    assert result.exit_code == 0, result.output
    assert "verified: 'prob' differs by at most" in result.stdout
    assert "rounded to float16: 'prob' differs by at most" in result.stdout
    found = json.loads(cli(f"optimize {NET} -o {out} {READING} --half --json").stdout)
    assert found["float16"][0]["relative"] > 10 * found["differences"][0]["relative"]
    assert "float16" not in cli(f"optimize {NET} -o {out} {READING}").stdout


def test_export_says_what_rounding_does(here, cli):
    result = cli(f"export {NET} net.onnx {READING} --half")
    assert result.exit_code == 0, result.output
    assert "rounded to float16: 'prob' differs by at most" in result.stdout
    shutil.copy("net.onnx", "copy.onnx")
    assert cli("export copy.onnx net.prototxt net.caffemodel --half").exit_code == 0
    net, first = caffe64.load_caffe("net.prototxt", "net.caffemodel"), caffe64.load_onnx("copy.onnx")
    for name, blobs in first.params.items():
        np.testing.assert_array_equal(net.params[name][0].data, blobs[0].data)


def test_a_rounded_net_is_not_the_net(here):
    net = trained()
    net.save("half.prototxt", "half.caffemodel", half=True)
    with pytest.raises(CheckFailed):
        caffe64.verify(net, caffe64.load_caffe("half.prototxt", "half.caffemodel"), tolerance=1e-7, floor=0)
