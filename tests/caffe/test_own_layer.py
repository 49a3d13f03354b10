"""Layers of a user's own by caffe64.register_layer, from a file outside the package: in nets, and in commands."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from reference.child import TESTS
from support import assert_close

import caffe64
from caffe64.engine.graph.frontends.caffe.attributes import READERS
from caffe64.engine.graph.ops import OPS

FILE = TESTS / "data" / "own_layers.py"
TYPES = ("Cap", "my.layers.Largest")
NET = """
name: "own"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 9 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3
        weight_filler { type: "xavier" } } }
layer { name: "cap" type: "Cap" bottom: "conv" top: "cap" cap_param { cap: 0.25 shape { dim: 1 dim: 2 } word: ON
        text: "a 'b'" text: 'c' numbers: [1, -2.5e1] } }
layer { name: "relu" type: "ReLU" bottom: "cap" top: "relu" }
"""
PYTHON = """
layer { name: "largest" type: "Python" bottom: "relu" top: "largest" python_param { module: "my.layers" layer: "Largest"
        param_str: "{'most': 3, 'least': 0.3}" } }
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(NET)
    Path("python.prototxt").write_text(NET + PYTHON)
    found = importlib.util.spec_from_file_location("own_layers", FILE)
    module = importlib.util.module_from_spec(found)
    monkeypatch.setitem(sys.modules, "own_layers", module)
    found.loader.exec_module(module)
    yield module
    for kind in TYPES:
        del OPS[kind], READERS[kind]


def loaded(path="net.prototxt", **options) -> caffe64.CaffeNet:
    net = caffe64.load_caffe(path, seed=1, **options)
    if "cap" in net.params:
        net.params["cap"][0].data[...] = [1.5, 1, 0.5, 2]
    return net


X = np.random.default_rng(2).standard_normal((2, 3, 9, 8), np.float32)


def expected(conv: np.ndarray) -> np.ndarray:
    return np.maximum(np.minimum(conv.astype(np.float64), 0.25) * np.reshape([1.5, 1, 0.5, 2], (4, 1, 1)), 0)


def test_the_fields_of_its_parameters_are_read(own):
    (cap,) = (node for node in loaded().graph.nodes if node.name == "cap")
    words = cap.attributes.parameters["cap_param"]
    assert words == {
        "cap": 0.25, "shape": {"dim": [1, 2]}, "word": "ON", "text": ["a 'b'", "c"], "numbers": [1, -25.0],
    }  # fmt: skip


@pytest.mark.parametrize("keep", [False, True])  # by a plan, and layer by layer
def test_it_runs_inside_a_net(own, keep):
    net = loaded()
    if keep:
        net.blobs["cap"].data  # noqa: B018  keeps all blobs
    found = net.forward(blobs=["conv", "relu"], data=X)
    assert_close("relu", found["relu"], expected(found["conv"]), 1e-6)


def test_weights_are_what_setup_wrote_until_there_is_a_model(own):
    net = caffe64.load_caffe("net.prototxt")
    assert net.params["cap"][0].data.tolist() == [1.5] * 4
    loaded().save("net.prototxt", "net.caffemodel")
    assert caffe64.load_caffe("net.prototxt", "net.caffemodel").params["cap"][0].data.tolist() == [1.5, 1, 0.5, 2]


def test_its_gradient_is_taken_and_passed_on(own):
    net = loaded(force_backward=True)
    conv = net.forward(blobs=["conv"], data=X)["conv"]
    dy = np.random.default_rng(3).standard_normal((2, 4, 7, 6), np.float32)
    found = net.backward(diffs=["conv", "data"], relu=dy)
    weights = np.float32([1.5, 1, 0.5, 2]).reshape(4, 1, 1)
    passed = dy * (conv > 0)
    assert_close("conv", found["conv"], passed * weights * (conv < 0.25), 1e-6)
    assert_close("weight", net.params["cap"][0].diff, (passed * np.minimum(conv, 0.25)).sum((0, 2, 3)), 1e-5)
    assert np.abs(found["data"]).max() > 0


def test_without_backward_there_is_no_gradient(own):
    net = loaded("python.prototxt", force_backward=True)
    net.forward(data=X)
    with pytest.raises(caffe64.InputError, match="has no gradient"):
        net.backward(largest=np.ones((24, 2), np.float32))


def test_a_python_layer_gives_fewer_rows_than_there_can_be(own):
    found = loaded("python.prototxt").forward(blobs=["relu", "largest"], data=X)
    rows = []
    for number, values in enumerate(found["relu"].reshape(8, -1)):
        rows += [(number, value) for value in sorted(values, reverse=True)[:3] if value > 0.3]
    assert 0 < len(rows) < 24
    np.testing.assert_array_equal(found["largest"][: len(rows)], np.float32(rows))
    assert not found["largest"][len(rows) :].any()


def test_a_net_with_it_is_timed_drawn_verified_optimised_pickled_and_written(own):
    net = loaded("python.prototxt")
    assert {layer.name: layer.type for layer in net.layers}["largest"] == "my.layers.Largest"
    assert {layer.name for layer in caffe64.time(net, iterations=1).layers} >= {"cap", "largest"}
    svg = caffe64.draw(net)
    svg.save("net.svg")
    assert 'class="layer k-unknown' in Path("net.svg").read_text()  # of Largest; Cap has a kind
    assert Path("net.svg").read_text().count('class="layer k-unknown') == 1
    smaller, _ = caffe64.optimize(net)
    assert all(difference.relative < 1e-6 for difference in caffe64.verify(net, smaller))
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(net)).forward(data=X)["largest"], net.forward(data=X)["largest"]
    )
    smaller.save("again.prototxt", "again.caffemodel")
    text = Path("again.prototxt").read_text()
    assert 'type: "Python"' in text
    assert "cap_param { cap: 0.25 shape { dim: 1 dim: 2 } word: ON" in text
    again = caffe64.load_caffe("again.prototxt", "again.caffemodel")
    np.testing.assert_array_equal(again.forward(data=X)["largest"], net.forward(data=X)["largest"])


def test_it_is_exported_by_its_own_onnx_nodes(own):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    (difference,) = caffe64.export_onnx(loaded(), "net.onnx")
    assert difference.relative < 1e-5
    with pytest.raises(caffe64.InputError, match=r"ONNX cannot express: 'largest' \(my\.layers\.Largest\)"):
        caffe64.export_onnx(loaded("python.prototxt"), "net.onnx")


def changed(own, method, function):
    kind = type("Changed", (own.Cap,), {method: function})
    caffe64.register_layer("Cap", kind)
    return kind


@pytest.mark.parametrize("method", ["setup", "reshape"])
def test_what_it_raises_names_the_layer(own, method):
    def fails(self, bottom, top):
        raise ValueError("does not fit")

    changed(own, method, fails)
    with pytest.raises(caffe64.InputError, match=r"'cap' \(Cap\): .*fails raised ValueError: does not fit"):
        loaded()


def test_what_it_raises_when_it_runs_names_the_layer(own):
    def fails(self, bottom, top):
        return 1 / 0

    changed(own, "forward", fails)
    with pytest.raises(caffe64.InputError, match=r"'cap' \(Cap\): .*fails raised ZeroDivisionError") as found:
        loaded().forward(data=X)
    assert isinstance(found.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(("shape", "ending"), [((3, 4, 7, 6), "there can be"), ((2, 4, 42), "there can be")])
def test_a_top_does_not_grow_or_change_when_it_runs(own, shape, ending):
    changed(own, "forward", lambda self, bottom, top: top[0].reshape(*shape))
    with pytest.raises(caffe64.InputError, match=ending):
        loaded().forward(data=X)


def test_types_that_are_not_known_say_what_to_do(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET + PYTHON)
    with pytest.raises(caffe64.InputError) as found:
        caffe64.load_caffe(tmp_path / "net.prototxt")
    assert "not supported: 'cap' (Cap), 'largest' (my.layers.Largest), expected" in str(found.value)
    assert "(caffe64.register_layer teaches a type of your own)" in str(found.value)


class Empty(caffe64.Layer):
    pass


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("ReLU", Empty), "'ReLU' is taken"),
        (("", Empty), "type is '': expected the name of a type, or a pair"),
        ((("module",), Empty), "type is"),
        (("New", Empty()), "layer is <.*Empty.*>: expected a class derived from caffe64.Layer"),
        (("New", dict), "which lacks setup, reshape, forward: expected"),
    ],
)
def test_wrong_arguments_are_refused(arguments, text):
    with pytest.raises(caffe64.UsageError, match=text):
        caffe64.register_layer(*arguments)
    assert "New" not in OPS


def test_a_layer_without_forward_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(OPS, "Empty", None)
    monkeypatch.setitem(READERS, "Empty", None)
    caffe64.register_layer("Empty", Empty)
    text = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 } } }'
    (tmp_path / "net.prototxt").write_text(text + 'layer { name: "e" type: "Empty" bottom: "x" top: "e" }')
    with pytest.raises(caffe64.InputError, match=r"'e' \(Empty\): .* Empty has no method forward"):
        caffe64.load_caffe(tmp_path / "net.prototxt").forward()


# ---------------------------------------------------------------------------------------- in commands
def command(*words, folder) -> subprocess.CompletedProcess:
    program = [sys.executable, "-m", "caffe64", *words]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False, env=os.environ)


def test_commands_know_the_layers_of_a_file(own, tmp_path):
    (tmp_path / "layers.py").write_text(FILE.read_text())
    loaded("python.prototxt").save("full.prototxt", "full.caffemodel")
    np.save("x.npy", X)
    shown = command("--layers", "layers.py", "summary", "python.prototxt", "--json", folder=tmp_path)
    assert shown.returncode == 0, shown.stderr
    found = {each["name"]: each for each in json.loads(shown.stdout)["layers"]}
    assert (found["cap"]["parameters"], found["cap"]["macs"]) == (4, 2 * 4 * 7 * 6)
    assert found["largest"]["shapes"] == [[24, 2]]
    ran = command(
        "--layers", "layers.py", "run", "full.prototxt", "full.caffemodel", "-i", "x.npy", "-o", "y.npy",
        folder=tmp_path,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    np.testing.assert_array_equal(np.load("y.npy"), loaded("python.prototxt").forward(data=X)["largest"])
    without = command("summary", "python.prototxt", folder=tmp_path)
    assert without.returncode == 3
    assert "caffe64.register_layer" in without.stderr


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (None, 3, "Couldn't find file layers.py"),
        ("import caffe64\nx = 1 / 0\n", 3, "layers.py:2: ZeroDivisionError: division by zero"),
        ("def f(:\n", 3, "layers.py:1: SyntaxError"),
        (
            "import caffe64\ncaffe64.register_layer('ReLU', caffe64.Layer)\n",
            3,
            "layers.py:2: UsageError: the layer type",
        ),
    ],
)
def test_a_file_that_fails_is_named_with_its_line(tmp_path, text, code, message):
    (tmp_path / "net.prototxt").write_text(NET)
    if text is not None:
        (tmp_path / "layers.py").write_text(text)
    found = command("--layers", "layers.py", "summary", "net.prototxt", folder=tmp_path)
    assert (found.returncode, "Traceback" in found.stderr) == (code, False)
    assert message in found.stderr
