"""A layer type of the user's own, in a file of its own: read, run, trained, drawn, optimised, written and exported."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reference.caffe_graphs import conv, data, layer
from reference.child import TESTS
from support import assert_close
from typer.testing import CliRunner

import caffe64
from caffe64.cli.app import app
from caffe64.engine.graph.frontends.caffe.attributes import READERS, register_op
from caffe64.engine.graph.ops import OPS

XAVIER = 'bias_term: false weight_filler { type: "xavier" }'
NET = (
    data("2 3 9 8")
    + conv("c", "data", more=XAVIER)
    + layer("cap", "Capped", "c", more="relu_param { negative_slope: 0.25 }")
    + layer("d", "Dropout", "cap")
    + conv("e", "d", more=XAVIER)
)


@pytest.fixture
def capped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    found = importlib.util.spec_from_file_location("capped", TESTS / "data" / "capped.py")
    module = importlib.util.module_from_spec(found)
    sys.modules["capped"] = module
    found.loader.exec_module(module)
    yield module
    del sys.modules["capped"], OPS["Capped"], READERS["Capped"]


def loaded(**options) -> caffe64.CaffeNet:
    net = caffe64.load_caffe("net.prototxt", seed=1, **options)
    net.params["cap"][0].data[...] = [0.5, 1, 0.25, 2]
    return net


def inputs() -> np.ndarray:
    return np.random.default_rng(2).standard_normal((2, 3, 9, 8), np.float32)


def test_without_its_file_the_type_is_not_known(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    with pytest.raises(caffe64.InputError, match=r"not supported: 'cap' \(Capped\)"):
        caffe64.load_caffe(tmp_path / "net.prototxt")


@pytest.mark.parametrize("blobs", [(), ("cap",)])  # by a plan, and layer by layer
def test_it_runs_inside_a_net(capped, blobs):
    net = loaded()
    if blobs:
        net.blobs["cap"].data  # noqa: B018  keeps all blobs
    found = net.forward(blobs=["c", "cap"], data=inputs())
    c = found["c"].astype(np.float64)
    capped_values = np.minimum(np.where(c > 0, c, c / 4), np.reshape([0.5, 1, 0.25, 2], (4, 1, 1)))
    assert_close("cap", found["cap"], capped_values, 1e-6)


def test_its_gradient_is_taken(capped):
    net = loaded(force_backward=True)
    c = net.forward(blobs=["c"], data=inputs())["c"]
    found = net.backward(diffs=["c", "cap"], e=np.random.default_rng(3).standard_normal((2, 4, 5, 4), np.float32))
    caps = np.reshape(np.float32([0.5, 1, 0.25, 2]), (4, 1, 1))
    bound = np.where(c > 0, c, c / 4) >= caps
    assert bound.any(axis=(0, 2, 3)).sum() > 1
    assert np.abs(found["cap"]).min() > 0
    assert_close("caps", net.params["cap"][0].diff, (found["cap"] * bound).sum((0, 2, 3)), 1e-5)
    np.testing.assert_array_equal(found["c"], np.where(bound, 0, found["cap"] * np.where(c > 0, 1, np.float32(0.25))))
    assert np.abs(found["data"]).max() > 0


def test_commands_know_it(capped):
    def cli(command):
        return CliRunner().invoke(app, command.split())

    report = json.loads(cli("summary net.prototxt --json").stdout)
    found = next(each for each in report["layers"] if each["name"] == "cap")
    assert (found["parameters"], found["macs"], found["shapes"]) == (4, 2 * 4 * 7 * 6, [[2, 4, 7, 6]])
    assert cli("draw net.prototxt -o net.svg").exit_code == 0
    assert 'class="layer k-unknown' not in Path("net.svg").read_text()


def test_it_is_optimised_and_written_as_it_was_read(capped):
    smaller, _ = caffe64.optimize(loaded())
    smaller.save("small.prototxt", "small.caffemodel")
    text = Path("small.prototxt").read_text()
    assert "Dropout" not in text
    assert 'type: "Capped"' in text
    assert "relu_param {\n    negative_slope: 0.25\n  }" in text
    again = caffe64.load_caffe("small.prototxt", "small.caffemodel")
    np.testing.assert_array_equal(again.forward(data=inputs())["e"], smaller.forward(data=inputs())["e"])


def test_it_is_exported_by_its_own_onnx_nodes(capped):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    (difference,) = caffe64.export_onnx(loaded(), "net.onnx")
    assert difference.relative < 1e-5
    OPS["Capped"] = replace(capped.LAYER, onnx=None)
    with pytest.raises(caffe64.InputError, match=r"layers that ONNX cannot express: 'cap' \(Capped\)"):
        caffe64.export_onnx(loaded(), "net.onnx")


def test_what_does_not_fit_names_the_layer(capped):
    Path("net.prototxt").write_text(data("4") + layer("cap", "Capped", "data"))
    with pytest.raises(caffe64.InputError, match=r"'cap' \(Capped\): has a bottom of shape \[4\], expected 2 axes"):
        caffe64.load_caffe("net.prototxt")


def test_a_type_of_the_package_is_not_replaced(capped):
    with pytest.raises(caffe64.UsageError, match="'ReLU' is taken"):
        register_op(replace(capped.LAYER, type="ReLU"))
