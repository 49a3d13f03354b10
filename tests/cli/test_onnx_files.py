"""summary, draw and verify of ONNX models: of any operators, beside Caffe nets, and wrong ones."""

from __future__ import annotations

import json
import re

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from reference.onnx_models import model, node, random, small_net, value
from reference.small_caffe_net import write_net

import caffe64


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    onnx.save(small_net(), "net.onnx")
    nodes = [
        node("Conv", "x w", "c", name="conv"),
        node("Noise", "c", "n", domain="own", name="noise", strength=0.5, colour="white"),
        node("Relu", "n", "r", name="relu"),
        node("LSTM", "s lw lr", "l", name="lstm", hidden_size=2),
    ]
    inputs = {"x": ["N", 3, 6, 6], "s": [2, 1, 3]}
    constants = {"w": random(4, 3, 3, 3), "lw": random(1, 8, 3), "lr": random(1, 8, 2)}
    strange = model(nodes, inputs, {"r": None, "l": None}, constants, imports=[("own", 1)])
    onnx.save(strange, "strange.onnx")
    return tmp_path


def page_data(path) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(), re.DOTALL)[1])


def panel(path, name: str, pane: int = 0) -> dict[str, dict[str, str]]:
    found = next(each for each in page_data(path)["nets"][pane]["layers"] if each["name"] == name)
    return {heading: dict(rows) for heading, rows in found["panel"]}


def test_summary_of_a_net_that_is_known(cli, folder):
    result = cli("summary net.onnx")
    assert result.exit_code == 0
    assert "its batch is free: shapes are those of a batch of 1" in result.stderr
    rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines()}
    assert rows["x"] == ["Input", "1x3x6x6", "0", "0", "432"]
    assert rows["conv"] == ["Conv", "1x4x6x6", "112", str(4 * 36 * 27).replace("3888", "3,888"), "576"]
    assert rows["fc"] == ["Gemm", "1x5", "725", "720", "20"]
    found = json.loads(cli("summary net.onnx --json --input-shape 2x3x6x6").stdout)
    assert [each["macs"] for each in found["layers"] if each["name"] == "conv"] == [2 * 3888]
    assert (found["parameters"], found["macs"]) == (112 + 725, 2 * (3888 + 720))


def test_summary_of_operators_that_are_not_known(cli, folder):
    result = cli("summary strange.onnx --json")
    layers = {each["name"]: each for each in json.loads(result.stdout)["layers"]}
    assert layers["conv"]["shapes"] == [[1, 4, 4, 4]]
    assert (layers["noise"]["shapes"], layers["noise"]["macs"], layers["noise"]["bytes"]) == ([None], None, None)
    assert layers["lstm"]["shapes"] == [[2, 1, 1, 2]]
    assert layers["lstm"]["macs"] is None
    text = cli("summary strange.onnx").stdout
    assert re.search(r"noise +Noise +\? +0 +\? +\?", text)
    assert "at least 1,728 MACs" in text


def test_summary_needs_shapes_that_are_free(cli, folder):
    onnx.save(
        model([node("Conv", "x w", "y")], {"x": ["N", 3, "h", "w"]}, {"y": None}, {"w": random(4, 3, 3, 3)}), "f.onnx"
    )
    result = cli("summary f.onnx")
    assert result.exit_code == 0
    assert (
        "has free dimensions [N, 3, h, w], expected numbers for h and w (--input-shape x:1x3x320x320)" in result.stderr
    )
    assert re.search(r"y +Conv +\? +108 +\? +\?", result.stdout)
    assert re.search(r"y +Conv +1x4x4x6 +108", cli("summary f.onnx --input-shape x:1x3x6x8").stdout)


def test_draw(cli, folder):
    assert cli("draw strange.onnx -o net.html").exit_code == 0
    found = panel(folder / "net.html", "noise")
    assert found["in the file"] == {"domain": "own", "strength": "0.5", "colour": "white"}
    assert found["outputs"] == {"n": "shape not known"}
    assert "cost" not in found
    content = (folder / "net.html").read_text()
    assert "k-unknown" in content
    assert panel(folder / "net.html", "conv")["weights"] == {"blob 0": "4×3×3×3", "parameters": "108"}
    assert cli("draw net.onnx -o net.svg").exit_code == 0
    assert "3×3 → 4" in (folder / "net.svg").read_text()
    drawing = caffe64.draw("net.onnx", input_shapes=(2, 3, 6, 6))
    assert [layer.type for layer in drawing.nets[0].layers][:3] == ["Input", "Conv", "Relu"]
    assert drawing.nets[0].layers[1].outputs == (("c", (2, 4, 6, 6)),)


def test_a_caffe_net_beside_its_onnx_model(cli, folder):
    """Layers of the same names are the same, whatever the words of the formats; a wider one has changed."""
    net = write_net(folder)
    caffe64.export_onnx(net, "small.onnx")
    made = onnx.load("small.onnx")
    for each in made.graph.node:
        each.name = each.name.partition("/")[0]  # the layer's
    onnx.save(made, "small.onnx")
    assert cli("draw small.prototxt --compare small.onnx -o both.html").exit_code == 0
    fates = [{each["name"]: each["panel"] for each in net["layers"]} for net in page_data(folder / "both.html")["nets"]]
    assert not [rows for heading, rows in fates[0]["conv"] if heading == ""]
    assert not [rows for heading, rows in fates[0]["fc"] if heading == ""]
    tensor = next(each for each in made.graph.initializer if list(each.dims) == [4, 3, 3, 3])
    tensor.CopyFrom(numpy_helper.from_array(random(4, 3, 5, 5), tensor.name))
    onnx.save(made, "other.onnx")
    cli("draw small.prototxt --compare other.onnx -o both.html")
    assert panel(folder / "both.html", "conv")[""]["changed"].startswith("weights 4×3×3×3")


def test_names_of_a_file_are_escaped_in_the_page(cli, folder):
    evil = "<script>alert(1)</script>"
    onnx.save(
        model(
            [
                node(
                    "Relu",
                    "x",
                    evil,
                    name=evil,
                )
            ],
            {"x": [1]},
            {evil: None},
        ),
        "evil.onnx",
    )
    assert cli("draw evil.onnx -o evil.html").exit_code == 0
    assert evil not in (folder / "evil.html").read_text()


def test_verify(cli, folder):
    pytest.importorskip("onnxruntime")
    net = write_net(folder)
    caffe64.export_onnx(net, "small.onnx")
    for option, place in (("", "caffe64"), ("--onnxruntime second", "onnxruntime")):
        both = cli(f"verify small.prototxt small.caffemodel small.onnx {option}")
        assert both.exit_code == 0, both.stderr
        assert f"small.onnx: runs in {place}" in both.stderr
        assert both.stdout.startswith("'prob' differs by at most ")
    assert cli("verify small.onnx small.prototxt small.caffemodel").exit_code == 0
    same = "verify net.onnx net.onnx --onnxruntime both"
    assert cli(same).stdout == "'y' differs by at most 0 relative, 0 absolute\n"
    np.save("x.npy", random(3, 3, 6, 6))
    assert json.loads(cli(f"{same} --with x.npy --json").stdout)[0]["absolute"] == 0
    made = small_net()
    made.graph.node[-1].attribute.add(name="alpha", f=1.01, type=onnx.AttributeProto.FLOAT)
    onnx.save(made, "other.onnx")
    result = cli("verify net.onnx other.onnx")
    assert result.exit_code == 4
    assert "the nets differ: 'y' by " in result.stderr
    moved = re.search(r"one ulp of the input moves 'y' by (\S+) relative, (\S+) absolute", result.stderr)
    assert 0 <= float(moved[1]) < 1e-5
    assert 0 < float(moved[2]) < 1e-4


def test_verify_one_model_in_both(cli, folder):
    """What caffe64 makes of a file, beside onnxruntime; a file that only one of them runs has nothing beside it."""
    pytest.importorskip("onnxruntime")
    for options, first, second in (("", "onnxruntime", "caffe64"), ("--onnxruntime second", "caffe64", "onnxruntime")):
        result = cli(f"verify net.onnx {options}")
        assert result.exit_code == 0, result.stderr
        assert re.findall(r"net.onnx: runs in (\w+)", result.stderr) == [first, second]
    ends = [value(name, [2], onnx.TensorProto.BOOL) for name in "xy"]
    onnx.save(model([node("Not", "x", "y")], ends[:1], ends[1:]), "not.onnx")
    result = cli("verify not.onnx")
    assert (result.exit_code, "caffe64 does not know: Not " in result.stderr) == (3, True)
    result = cli("verify not.onnx not.onnx")
    assert (result.exit_code, result.stderr.count("not.onnx: runs in onnxruntime")) == (0, 2)


def test_results_that_are_not_finite_are_not_equal(cli, folder):
    """They are named with where they were made, on whichever side."""
    onnx.save(model([node("Log", "x", "y", name="log")], {"x": ["N", 4]}, {"y": None}), "log.onnx")
    result = cli("verify log.onnx log.onnx")
    assert result.exit_code == 4
    said = " ".join(result.stderr.split())
    assert "log.onnx in caffe64: values that are not finite, of finite inputs: 'y' holds" in said
    assert "the first layer that makes such is 'log' (Log)" in said
    pytest.importorskip("onnxruntime")
    result = cli("verify log.onnx")
    assert (result.exit_code, "log.onnx in onnxruntime: values that are not finite" in result.stderr) == (4, True)


def test_onnxruntimes_sigmoid_of_small_results(cli, folder):
    """It is off by more than 1e-7 where the result is 1e-6: no fault of ours, unless --floor says so."""
    pytest.importorskip("onnxruntime")
    onnx.save(model([node("Sigmoid", "x", "y")], {"x": ["N", 2000]}, {"y": None}), "s.onnx")
    np.save("low.npy", np.linspace(-16, -11, 2000, dtype=np.float32)[None])
    assert cli("verify s.onnx --with low.npy").exit_code == 0
    result = cli("verify s.onnx --with low.npy --floor 1e-7")
    assert (result.exit_code, "beyond a floor of 1e-07" in result.stderr) == (4, True)


def test_float16_is_compared_as_such(cli, folder):
    pytest.importorskip("onnxruntime")
    half = [value("x", ["N", 3, 6, 6], onnx.TensorProto.FLOAT16), value("y", ["N", 16, 6, 6], onnx.TensorProto.FLOAT16)]
    constants = {"w": random(16, 3, 3, 3).astype(np.float16)}
    onnx.save(model([node("Conv", "x w", "y", pads=[1] * 4)], half[:1], half[1:], constants), "half.onnx")
    result = cli("verify half.onnx")
    assert result.exit_code == 0, result.stderr


def test_verify_with_a_preparation(cli, folder):
    """NET is given what NET2 makes of the pixels itself."""
    pytest.importorskip("onnxruntime")
    made = small_net()
    made.graph.node[0].input[0] = "scaled"
    made.graph.node.insert(0, node("Mul", "moved half", "scaled"))
    made.graph.node.insert(0, node("Sub", "x mean", "moved"))
    for name, number in (("half", 0.5), ("mean", 100)):
        made.graph.initializer.append(numpy_helper.from_array(np.float32(number), name))
    onnx.save(made, "raw.onnx")
    assert cli("verify net.onnx raw.onnx --mean 100 --scale 0.5").exit_code == 0
    assert cli("verify net.onnx raw.onnx --mean 99 --scale 0.5").exit_code == 4


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("summary net.onnx x.caffemodel", 2, "net.onnx holds its weights itself; leave 'x.caffemodel' out"),
        ("draw net.onnx x.caffemodel -o a.html", 2, "net.onnx holds its weights itself"),
        ("verify net.onnx --onnxruntime both", 2, "leaves nothing to compare with one model"),
        ("verify net.onnx --onnxruntime third", 2, "'third' is none of first, second, both"),
        ("verify a.prototxt a.caffemodel net.onnx --onnxruntime first", 2, "runs an .onnx, which a.prototxt is not"),
        ("verify a.prototxt a.caffemodel", 2, "one net, a.prototxt; expected two nets, each NET MODEL or one .onnx"),
        ("verify net.onnx a.prototxt", 2, "needs the weights of a.prototxt"),
        ("verify net.onnx net.onnx x.caffemodel", 2, "'x.caffemodel' is more than two nets"),
        ("summary net.onnx --deploy", 2, "is for a .prototxt, which net.onnx is not"),
        ("draw net.onnx --phase train -o a.html", 2, "Invalid value for --phase: is for a .prototxt"),
        ("summary net.onnx --input-shape 1x4x6x6", 2, "has [1, 4, 6, 6] for the input 'x', which is [N, 3, 6, 6]"),
        ("summary net.onnx --input-shape y:1x3x6x6", 2, "input_shapes has 'y', expected inputs: 'x'"),
        ("summary none.onnx", 3, "Couldn't find file none.onnx"),
        ("verify none.onnx net.onnx", 3, "Couldn't find file none.onnx"),
        ("summary page.onnx", 3, "page.onnx: is a web page, not the file itself"),
        ("verify page.onnx net.onnx", 3, "page.onnx: is a web page"),
        ("draw text.onnx -o a.html", 3, "text.onnx: is text, expected an ONNX model"),
        ("verify strange.onnx strange.onnx", 3, "expected operators of ONNX itself (onnxruntime cannot run it: "),
        ("verify net.onnx strange2.onnx", 2, "the nets have 1 and 2 inputs"),
    ],
)
def test_wrong_commands(cli, folder, command, code, message):
    (folder / "page.onnx").write_text("<!DOCTYPE html><html></html>")
    (folder / "text.onnx").write_text("hello\n")
    nodes = [node("Add", "x z", "y")]
    onnx.save(model(nodes, [value("x", [1, 2]), value("z", [1, 2])], {"y": None}), "strange2.onnx")
    result = cli(command)
    assert result.exit_code == code, result.stderr
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert not list(folder.glob("*.html"))
