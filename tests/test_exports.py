"""Text nets as ONNX, C and safetensors: every layer against float64 NumPy."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from reference import text_net
from reference.compiled_c import needs_compiler, predict_row, predict_rows, shared_library, strings
from support import assert_close

import caffe64
from caffe64.engine.textnet.layers import TABLE, register
from caffe64.engine.textnet.writers.c_file import C_MOST_STACK
from caffe64.formats.network import GRAMMAR
from caffe64.tables.columns import Feature, TableColumns, TargetColumn
from caffe64.tables.raw import CATEGORY, NUMBER

NETS = {
    "first": "inp 7 4 / lin 33 -0.5 / lky 0.1 / lin 16 -0.5 / sig / lin 5 -0.5 / sce",
    "real": "inp 17 4 / tnh / lin 15 -0.5 / rel / lin 1 -0.5 / hub 2",
    "many": "inp 5 4 / smx / lin 3 -0.5 / bce",
    "soft": "inp 1 4 / lin 4 0 / drp 0.5 / sft",
    "copied": "inp 6 4 / l2l",
    "alone": "inp 3 4 / sce",
    "normal": "inp 4 4 / bnm / lin 9 -0.5 / bnm / tnh / lin 6 -0.5 / lin 2 -0.5 / l2l",
}
# Sums of at most 34 terms of about 1, each rounded to 24 bits, through three layers whose gain is below 4.
TOLERANCE = 34 * 2.0**-24 * (1 + 4 + 16)
ROWS = 21  # two blocks of the C file and a part of one


def made(name):
    """The net, rows, and what float64 gives for them."""
    reference, net = text_net.parse(NETS[name]), caffe64.Net(NETS[name])
    blobs = text_net.draw(reference, 7)
    net.parameters = net.unpack(np.concatenate([np.empty(0), *blobs]))
    X = np.random.default_rng(1).standard_normal((ROWS, net.spec.features)).astype(np.float32)
    return net, X, text_net.outputs(reference, blobs, X.astype(np.float64))


def test_every_layer_of_the_package_is_in_a_net():
    assert {line.split()[0] for text in NETS.values() for line in text.split(" / ")} == set(TABLE)


@pytest.mark.parametrize("name", NETS)
def test_onnx_models_give_what_the_nets_give(name, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    net, X, expected = made(name)
    (difference,) = caffe64.export_onnx(net, tmp_path / "net.onnx", metadata={"by": "a test"})
    assert difference.relative < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    assert session.get_modelmeta().custom_metadata_map == {
        "by": "a test",
        "caffe64": caffe64.__version__,
        "net": NETS[name],
    }
    for rows in (1, ROWS):
        (found,) = session.run(["y"], {"x": X[:rows]})
        assert_close(name, found, expected[:rows], TOLERANCE)


@needs_compiler
def test_c_files_give_what_the_nets_give(tmp_path):
    cases = {name: made(name) for name in NETS}
    files = [tmp_path / f"{name}.c" for name in NETS]
    assert [caffe64.export_c(net, file) for (net, _, _), file in zip(cases.values(), files, strict=True)] == list(NETS)
    library = shared_library(tmp_path / "nets.so", *files)
    for name, (net, X, expected) in cases.items():
        for rows in (0, 1, 8, 9, ROWS):
            assert_close(name, predict_rows(library, name, X[:rows], expected.shape[1]), expected[:rows], TOLERANCE)
        assert_close(name, predict_row(library, name, X[3], expected.shape[1]), net.predict(X)[3], TOLERANCE)


COLUMNS = TableColumns(
    features=(
        Feature("width", NUMBER, shift=100, factor=0.02),
        Feature('col"our??/', CATEGORY, ("r\\ed", "größe", "a\nb")),
        Feature("%d", NUMBER, shift=-0.5, factor=3),
    ),
    target_columns=(TargetColumn("kind"),),
    labels=("1st\n2", "??-é", '"'),
)


@pytest.fixture
def bundle():
    net = caffe64.Net("inp 5 4 / lin 6 -0.3 / rel / lin 3 -0.3 / sce")
    net.initialise(2)
    return caffe64.Bundle(net, COLUMNS)


def scaled(bundle):
    """Values of a table, and the probabilities of their scaled ones in float64."""
    source = np.random.default_rng(3)
    raw = np.zeros((ROWS, 5), np.float32)
    raw[:, 0], raw[:, 4] = source.normal(100, 50, ROWS), source.normal(-0.5, 0.3, ROWS)
    raw[np.arange(ROWS), source.integers(1, 4, ROWS)] = 1
    x = raw.astype(np.float64)
    x[:, 0], x[:, 4] = (x[:, 0] - 100) * np.float32(0.02), (x[:, 4] + 0.5) * 3
    blobs = [np.ravel(each).astype(np.float64) for each in bundle.net.layer_parameters()]
    return raw, text_net.outputs(text_net.parse("inp 5 4 / lin 6 -0.3 / rel / lin 3 -0.3 / sce"), blobs, x)


@needs_compiler
def test_a_bundle_in_c_has_its_scaling_and_names(bundle, tmp_path):
    raw, expected = scaled(bundle)
    assert caffe64.export_c(bundle, tmp_path / "my flowers.c") == "my_flowers"
    library = shared_library(tmp_path / "net.so", tmp_path / "my flowers.c")
    assert_close("outputs", predict_rows(library, "my_flowers", raw, 3), expected, TOLERANCE)
    assert strings(library, "my_flowers_labels", 3) == ["1st\n2", "??-é", '"']
    assert strings(library, "my_flowers_feature_names", 5) == COLUMNS.feature_names


def test_a_bundle_in_onnx_has_its_scaling_and_names(bundle, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    raw, expected = scaled(bundle)
    assert caffe64.export_onnx(bundle, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    (found,) = session.run(["y"], {"x": raw})
    assert_close("outputs", found, expected, TOLERANCE)
    texts = session.get_modelmeta().custom_metadata_map
    assert json.loads(texts["labels"]) == ["1st\n2", "??-é", '"']
    assert json.loads(texts["feature_names"]) == COLUMNS.feature_names


def test_weights_come_back_from_safetensors(tmp_path):
    safetensors = pytest.importorskip("safetensors")
    net, X, _ = made("first")
    names = ["layers.1.W", "layers.1.b", "layers.3.W", "layers.3.b", "layers.5.W", "layers.5.b"]
    assert caffe64.export_safetensors(net, tmp_path / "w.safetensors", metadata={"by": "a test"}) == names
    with safetensors.safe_open(tmp_path / "w.safetensors", "numpy") as file:
        assert sorted(file.keys()) == names
        np.testing.assert_array_equal(file.get_tensor("layers.3.W"), net.layers[3].W)
        assert file.metadata()["by"] == "a test"
        again = caffe64.Net(file.metadata()["net"]).load(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(again.predict(X), net.predict(X))


def test_safetensors_of_a_bundle_hold_its_columns(bundle, tmp_path):
    safetensors = pytest.importorskip("safetensors")
    caffe64.export_safetensors(bundle, tmp_path / "w.safetensors")
    with safetensors.safe_open(tmp_path / "w.safetensors", "numpy") as file:
        columns = json.loads(file.metadata()["columns"])
    assert columns["labels"] == ["1st\n2", "??-é", '"']
    assert [feature["name"] for feature in columns["features"]] == ["width", 'col"our??/', "%d"]
    assert columns["features"][0]["factor"] == 0.02


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("layers.1.b"), "has no 'layers.1.b', expected the arrays of this net"),
        (lambda tensors: tensors.update(more=np.ones(2)), "has an array 'more', expected the net's alone"),
        (
            lambda tensors: tensors.update({"layers.1.W": tensors["layers.1.W"].T.copy()}),
            r"'layers.1.W' has the shape '?\[4, 1\]'?, expected \[1, 4\]",
        ),
        (lambda tensors: tensors.update({"layers.1.b": np.float32([1, 2, np.inf, 3])}), "holds 1 values? that"),
    ],
)
def test_safetensors_of_another_net_are_refused(change, message, tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    net = made("soft")[0]
    caffe64.export_safetensors(net, tmp_path / "w.safetensors")
    tensors = safetensors.load_file(tmp_path / "w.safetensors")
    change(tensors)
    safetensors.save_file(tensors, tmp_path / "other.safetensors")
    before = net.parameters
    with pytest.raises(caffe64.InputError, match=message):
        net.load(tmp_path / "other.safetensors")
    assert net.parameters is before


def test_a_model_that_differs_is_not_written(tmp_path):
    pytest.importorskip("onnxruntime")
    net = made("first")[0]
    with pytest.raises(caffe64.CheckFailed, match="onnxruntime differs: 'y' by"):
        caffe64.export_onnx(net, tmp_path / "net.onnx", tolerance=0, floor=0)
    assert not list(tmp_path.iterdir())


def wide():
    net = caffe64.Net(f"inp 1 1 / lin {C_MOST_STACK // 2 + 1} -1 / rel / lin 1 -1 / l2l")
    net.initialise()
    return net


def diverged():
    net = made("soft")[0]
    net.parameters[0] = np.nan
    return net


@pytest.mark.parametrize("export", [caffe64.export_c, caffe64.export_onnx, caffe64.export_safetensors])
@pytest.mark.parametrize(
    ("net", "message"),
    [
        (lambda: caffe64.Net(NETS["first"]), "the net has no weights yet: fit, load or initialise it first"),
        (diverged, r"layers\[1\].W is not finite \(did the training diverge\?\)"),
        (lambda: "net.txt", "net is .*expected a caffe64.Net"),
    ],
)
def test_what_cannot_be_written(export, net, message, tmp_path):
    with pytest.raises(caffe64.UsageError, match=message):
        export(net(), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_layer_too_wide_for_the_stack_is_refused(tmp_path):
    with pytest.raises(caffe64.UsageError, match="a layer gives 131,073 values to the next, expected at most 131,072"):
        caffe64.export_c(wide(), tmp_path / "out.c")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["outputs", "half"])
def test_arguments_for_caffe_nets_are_refused(name, tmp_path):
    value = ["y"] if name == "outputs" else True
    with pytest.raises(caffe64.UsageError, match=f"{name} is for a Caffe net"):
        caffe64.export_onnx(made("soft")[0], tmp_path / "net.onnx", **{name: value})


@pytest.fixture
def own():
    """Registers a layer `own K e` that computes what lin does, with these shapes."""

    def add(shapes):
        word = dataclasses.replace(GRAMMAR["lin"], name="own", meaning="of a test")
        register(dataclasses.replace(TABLE["lin"], word=word, shapes=lambda inputs, outputs: shapes))
        net = caffe64.Net("inp 2 4 / own 3 -1 / sce")
        net.initialise(1)
        return net

    yield add
    del GRAMMAR["own"], TABLE["own"]


def test_a_layer_of_your_own_has_its_parameters_and_is_refused(own, tmp_path):
    net = own({})
    net.save(tmp_path / "w.bin")
    np.testing.assert_array_equal(net.layers[1].p, np.frombuffer((tmp_path / "w.bin").read_bytes(), "<f4", 9, 24))
    net.layers[1].p = np.arange(9)
    assert caffe64.export_safetensors(net, tmp_path / "w.safetensors") == ["layers.1.p"]
    for export, what in ((caffe64.export_c, "C"), (caffe64.export_onnx, "ONNX")):
        with pytest.raises(caffe64.UsageError, match=rf"{what} has no layer 1 \(own\): layers of your own cannot be"):
            export(net, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"W": (2, 3)}, r"'own 3 -1' has 9 parameters, but its shapes are \{'W': \(2, 3\)\}"),
        ({"text": (9,)}, "calls an array 'text', which has a meaning already"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(own, shapes, message):
    with pytest.raises(caffe64.UsageError, match=message):
        own(shapes).layers[1].W.sum()
