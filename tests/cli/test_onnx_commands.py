"""run, classify, time, optimize and export of ONNX models."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from PIL import Image
from reference.onnx_models import model, node, random, small_net, value

import caffe64


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    onnx.save(small_net(), "net.onnx")
    nodes = [node("Conv", "x w", "c", name="conv"), node("GlobalAveragePool", "c", "p"), node("Flatten", "p", "f")]
    nodes += [node("Resize", "x - s", "big", name="zoom"), node("Softmax", "f", "prob")]
    constants = {"w": random(5, 3, 3, 3), "s": np.float32([1, 1, 2, 2])}
    onnx.save(model(nodes, {"x": ["N", 3, 8, 8]}, {"prob": None, "big": None}, constants), "two.onnx")
    np.save("x.npy", random(2, 3, 6, 6))
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)).save("a.png")
    return tmp_path


def test_run(cli, folder):
    result = cli("run net.onnx -i x=x.npy -o y.npy")
    assert result.exit_code == 0, result.output
    expected = caffe64.load_onnx("net.onnx").forward(x=np.load("x.npy"))["y"]
    np.testing.assert_array_equal(np.load("y.npy"), expected)


def test_names_may_have_any_characters(cli, folder):
    onnx.save(model([node("Relu", "a=b:0", "y")], {"a=b:0": ["N", 3, 6, 6]}, {"y": None}), "odd.onnx")
    assert cli("run odd.onnx -i a=b:0=x.npy -o y.npy").exit_code == 0
    np.testing.assert_array_equal(np.load("y.npy"), np.maximum(np.load("x.npy"), 0))


def test_pictures_are_rgb_unless_it_is_said(cli, folder):
    results = [
        cli(f"run two.onnx -i a.png -o {name}.npz {more}") for name, more in (("r", ""), ("b", "--channels bgr"))
    ]
    assert ["channels R G B" in each.stderr for each in results] == [True, False]
    np.testing.assert_array_equal(np.load("r.npz")["big"], np.load("b.npz")["big"][:, ::-1])
    found = json.loads(cli("classify two.onnx a.png --blob prob --top 2 --json").stdout)
    best = np.load("r.npz")["prob"][0].argmax()
    assert f'"{best}"' in json.dumps(found) or f": {best}" in json.dumps(found)


def test_time_beside_an_optimised_one(cli, folder):
    assert cli("optimize net.onnx -o small.onnx").exit_code == 0
    result = cli("time net.onnx --compare small.onnx --iterations 1")
    assert result.exit_code == 0
    assert "whole net" in result.stdout


def test_optimize_writes_onnx_after_a_proof_in_onnxruntime(cli, folder):
    pytest.importorskip("onnxruntime")
    result = cli("optimize two.onnx -o small.onnx --mean 100,110,120 --scale 0.02,0.03,0.04 --json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["written"] == ["small.onnx"]
    assert {each["output"] for each in found["onnxruntime"]} == {"prob", "big"}
    assert [each.name for each in onnx.load("small.onnx").graph.output] == ["prob", "big"]
    options = "--mean 100,110,120 --scale 0.02,0.03,0.04"
    assert cli(f"verify two.onnx small.onnx {options} --tolerance 1e-4").exit_code == 0


def test_a_model_of_float16_is_compared_as_such(cli, folder):
    pytest.importorskip("onnxruntime")
    weights = random(16, 3, 3, 3).astype(np.float16)
    half = [value("x", ["N", 3, 6, 6], onnx.TensorProto.FLOAT16), value("y", ["N", 16, 6, 6], onnx.TensorProto.FLOAT16)]
    onnx.save(model([node("Conv", "x w", "y", pads=[1] * 4)], half[:1], half[1:], {"w": weights}), "half.onnx")
    result = cli("optimize half.onnx -o small.onnx")
    assert result.exit_code == 0, result.stderr
    assert "is of float16, and becomes float32" in result.stderr
    assert onnx.load("small.onnx").graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT


def test_a_file_that_is_read_wrongly_is_not_written(cli, folder, monkeypatch):
    pytest.importorskip("onnxruntime")
    from caffe64.caffe import sides

    run = sides.RuntimeSide.run
    monkeypatch.setattr(
        sides.RuntimeSide, "run", lambda *args, **more: {k: v + 1 for k, v in run(*args, **more).items()}
    )
    assert cli("optimize net.onnx -o small.onnx").exit_code == 4
    assert not (folder / "small.onnx").exists()


def test_what_is_not_written_is_said(cli, folder):
    ends = [value("x", ["N", 3, "h", "w"]), value("spare", [1])]
    ends[0].doc_string = "pixels"
    nodes = [node("Conv", "x w", "c", name="conv", doc_string="line 7"), node("Relu", "c", "y", name="relu")]
    nodes.append(node("Identity", "y", "z", name="same"))
    old = model(nodes, ends, {"z": None}, {"w": random(4, 3, 3, 3)}, opset=9)
    old.metadata_props.add(key="labels", value="a,b")
    onnx.save(old, "old.onnx")
    result = cli("optimize old.onnx -o new.onnx --input-shape x:1x3x8x8")
    assert result.exit_code == 0, result.stderr
    lost = [line.removeprefix("not written: ") for line in result.stdout.splitlines() if line.startswith("not written")]
    expected = [
        "opset 9, which is 13 now",
        "names of nodes that went into others or did nothing: 1",
        "doc_strings of nodes: 1",
        "doc_strings of the graph, inputs and outputs: 1",
        "free dimensions of input 'x', which is ['N', 3, 8, 8] now",
        "input 'spare', which nothing reads",
    ]
    assert lost == expected
    assert {each.key: each.value for each in onnx.load("new.onnx").metadata_props}["labels"] == "a,b"
    found = json.loads(cli("optimize old.onnx -o new.onnx --input-shape x:1x3x8x8 --json").stdout)
    assert found["lost"] == expected
    assert "not written: opset 9" in cli("export old.onnx new.onnx --input-shape x:1x3x8x8").stdout
    assert cli("verify old.onnx new.onnx --onnxruntime both --input-shape x:1x3x8x8").exit_code == 0


def test_caffes_files_and_back(cli, folder):
    assert cli("optimize net.onnx -o small").exit_code == 0
    assert cli("export net.onnx same.prototxt same.caffemodel").exit_code == 0
    assert cli("optimize same.prototxt same.caffemodel -o back.onnx").exit_code == 0
    for files in ("small.prototxt small.caffemodel", "same.prototxt same.caffemodel", "back.onnx"):
        assert cli(f"verify net.onnx {files}").exit_code == 0
    result = cli("export two.onnx no.prototxt no.caffemodel")
    assert result.exit_code == 3
    assert "layers that Caffe does not have: 'zoom' (Resize) (an .onnx file has them)" in result.stderr
    result = cli("optimize two.onnx -o no")
    assert (result.exit_code, "'zoom' (Resize)" in result.stderr) == (3, True)
    assert not list(folder.glob("no.*"))


def test_weights_as_safetensors(cli, folder):
    safetensors = pytest.importorskip("safetensors.numpy")
    for name in ("net", "two"):
        assert cli(f"export {name}.onnx {name}.safetensors").exit_code == 0
    assert set(safetensors.load_file("two.safetensors")) == {"conv.weight"}


def test_an_older_file_is_rewritten(cli, folder):
    onnx.save(small_net(opset=9), "old.onnx")
    assert cli("export old.onnx new.onnx").exit_code == 0
    assert onnx.load("new.onnx").opset_import[0].version == 13
    assert cli("verify old.onnx new.onnx").exit_code == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("run net.onnx extra -i x.npy", 2, "holds its weights itself"),
        ("run net.prototxt -i x.npy", 2, "needs the weights of net.prototxt"),
        ("run net.onnx --deploy -i x.npy", 2, "is for a .prototxt"),
        ("classify net.onnx", 2, "no pictures"),
        ("time net.onnx --phase train", 2, "is for a .prototxt"),
        ("optimize net.onnx", 2, "--output OUT"),
        ("optimize net.onnx -o net.onnx", 2, "would be overwritten"),
        ("export net.onnx", 2, "needs NET MODEL OUT"),
        ("export net.onnx a.onnx b.onnx", 2, "expected NAME.prototxt NAME.caffemodel"),
        ("export net.onnx a.txt", 2, "must end with"),
        ("run none.onnx -i x.npy", 3, "none.onnx"),
        ("run x.npy -i x.npy", 2, "needs the weights"),
    ],
)
def test_what_is_wrong_is_said(cli, folder, words, code, message):
    result = cli(words)
    assert (result.exit_code, message in result.stderr) == (code, True), result.stderr
