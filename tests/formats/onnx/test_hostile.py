"""ONNX files of strangers: an InputError that says what is wrong, in bounded time and memory."""

from __future__ import annotations

import os
import time
import tracemalloc

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from reference.onnx_models import model, node, random, small_net, value
from reference.onnx_mutants import run

from caffe64 import load_onnx
from caffe64.errors import InputError
from caffe64.formats.onnx import read_onnx, read_outline

MEMORY, SECONDS = 64 << 20, 5


def refusal(source, read=read_onnx) -> str:
    """The message of the InputError, which comes soon and without much memory."""
    if isinstance(source, onnx.ModelProto):
        source = source.SerializeToString()
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(InputError) as caught:
            read(source)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < SECONDS
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty, expected an ONNX model"),
        (b"<!DOCTYPE html><html>", "is a web page, not the file itself"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12", "is a Git LFS pointer, not the file itself"),
        (small_net().SerializeToString()[:-9], "is not an ONNX file, or cut short"),
        (b'name: "net"\nlayer { name: "c" }', "is a prototxt"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "is a picture"),
        (b"\x08\x08", "holds no graph of ONNX"),
    ],
)
@pytest.mark.parametrize("read", [read_onnx, read_outline])
def test_what_is_not_a_model(content, message, read, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    assert message in refusal(path, read)
    assert refusal(path, read).startswith(str(path))
    assert message in refusal(content, read)


def test_every_cut_of_a_file_is_refused_or_read():
    content = small_net().SerializeToString()
    for length in range(0, len(content), 7):
        try:
            read_onnx(content[:length])
        except InputError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017


@pytest.mark.parametrize(
    ("opsets", "message"),
    [
        ([0], "imports opset 0, expected 6 to"),
        ([1], r"imports opset 1, expected 6 to \d+ \(onnx.version_converter raises it\)"),
        ([99], "imports opset 99, expected 6 to"),
        ([], "imports no opset"),
        ([13, 13], r"imports opsets \[13, 13\]"),
    ],
)
def test_opsets(opsets, message):
    made = small_net()
    del made.opset_import[:]
    made.opset_import.extend([helper.make_opsetid("", each) for each in opsets])
    with pytest.raises(InputError, match=message):
        read_onnx(made.SerializeToString())
    assert len(read_outline(made.SerializeToString()).nodes) == 8, "is drawn all the same"


def test_an_ir_version_before_3():
    assert "has ir_version 2, expected 3 or later" in refusal(model([], {}, {}, ir=2))


def with_dims(*dims, **fields):
    made = small_net()
    tensor = next(each for each in made.graph.initializer if each.name == "w")
    tensor.Clear()
    tensor.name, tensor.data_type = "w", fields.pop("data_type", TensorProto.FLOAT)
    tensor.dims.extend(dims)
    for name, value_ in fields.items():
        if isinstance(value_, bytes):
            setattr(tensor, name, value_)
        else:
            getattr(tensor, name).extend(value_)
    return made


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            with_dims(4, 3, 3, 3, raw_data=bytes(40)),
            "'w' has dims [4, 3, 3, 3] and 40 bytes, expected 432 (was",
        ),
        (with_dims(4, 3, 3, 3, float_data=[1.0] * 3), "'w' has dims [4, 3, 3, 3] and 12 bytes, expected 432"),
        (with_dims(4, 3, 3, 3), "'w' has dims [4, 3, 3, 3] and 0 bytes, expected 432"),
        (with_dims(-1, raw_data=b"abcd"), "'w' has dims [-1], expected at most 16, from 0 to 2147483648 each"),
        (with_dims(1 << 60, raw_data=b"abcd"), "'w' has dims [1152921504606846976]"),
        (with_dims(*[1 << 30] * 3, raw_data=b"abcd"), "and 4 bytes, expected 4951760157141521099596496896"),
        (with_dims(0, 1 << 62), "'w' has dims [0, 4611686018427387904]"),
        (with_dims(*[1] * 40, raw_data=b"abcd"), "40 dims, expected at most 16"),
        (with_dims(1, data_type=8, string_data=[b"a"]), "'w' is of type string"),
        (with_dims(1, data_type=16, raw_data=b"ab"), "'w' is of type bfloat16"),
        (with_dims(1, data_type=77, raw_data=b"ab"), "'w' is of type number 77"),
    ],
)
def test_initialisers(made, message):
    assert message in refusal(made)


def test_segments_sparse_and_double_initialisers():
    made = small_net()
    made.graph.initializer[0].segment.begin = 1
    assert "is one of several segments" in refusal(made)
    made = small_net()
    made.graph.initializer.append(made.graph.initializer[0])
    assert "has two initialisers 'w'" in refusal(made)
    made = small_net()
    made.graph.sparse_initializer.add().values.name = "s"
    assert "has sparse initialisers" in refusal(made)


@pytest.fixture
def outside(tmp_path):
    """A model with external data, in a folder of its own, beside a file that is not for it."""
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(432))
    (folder / "w.bin").write_bytes(np.arange(108, dtype="<f4").tobytes() + bytes(16))
    (folder / "empty.bin").touch()
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "inside.bin").symlink_to(folder / "w.bin")
    (folder / "null.bin").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.bin")

    def write(**entries):
        made = with_dims(4, 3, 3, 3)
        tensor = next(each for each in made.graph.initializer if each.name == "w")
        tensor.data_location = TensorProto.EXTERNAL
        for key, text in entries.items():
            tensor.external_data.add(key=key, value=text)
        path = folder / "net.onnx"
        path.write_bytes(made.SerializeToString())
        return path

    return write


@pytest.mark.parametrize("location", ["w.bin", "./w.bin", "inside.bin"])
def test_external_data_inside_the_folder(outside, location, monkeypatch):
    found = read_onnx(outside(location=location)).constants["w"]
    np.testing.assert_array_equal(found.reshape(-1), np.arange(108, dtype=np.float32))
    assert not found.flags.writeable
    found = read_onnx(outside(location=location, offset="4", length="432")).constants["w"]
    assert found.reshape(-1)[0] == 1
    found = read_onnx(outside(location=location, offset="2", length="432")).constants["w"]
    assert found.flags.aligned
    path = outside(location=location)
    monkeypatch.chdir(path.parent)
    assert read_onnx("net.onnx").constants["w"].shape == (4, 3, 3, 3)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"location": "../secret.bin"}, "external data of initialiser 'w' lies at '../secret.bin', expected a file in"),
        ({"location": "/etc/passwd"}, "lies at '/etc/passwd', expected a file in the folder of"),
        ({"location": "a/../w.bin"}, "lies at 'a/../w.bin'"),
        ({"location": "link.bin"}, "lies at 'link.bin', expected a file in the folder of"),
        ({"location": "null.bin"}, "lies at 'null.bin'"),
        ({"location": ""}, "lies at ''"),
        ({}, "lies at ''"),
        ({"location": "w\0.bin"}, r"lies at 'w\x00.bin'"),
        ({"location": "pipe.bin"}, "'pipe.bin', is a device, a pipe or a folder"),
        ({"location": "."}, "'.', is a device, a pipe or a folder"),
        ({"location": "empty.bin"}, "'empty.bin', is empty"),
        ({"location": "none.bin"}, "'none.bin', cannot be read: No such file or directory"),
        ({"location": "w.bin", "offset": "-4"}, "has the offset '-4', expected a number of bytes"),
        ({"location": "w.bin", "offset": "20"}, "is at 20 to 452 of 'w.bin', expected within its 448 bytes"),
        ({"location": "w.bin", "offset": str(1 << 62)}, "'w.bin', expected within its 448 bytes"),
        ({"location": "w.bin", "offset": "9" * 40}, "has the offset"),
        ({"location": "w.bin", "length": "12"}, "has dims [4, 3, 3, 3] and 12 bytes, expected 432"),
    ],
)
def test_external_data(outside, entries, message):
    path = outside(**entries)
    assert message in refusal(path)
    assert len(read_outline(path).nodes) == 8, "is drawn all the same"
    assert "lies in another file" in refusal(path.read_bytes()) or "lies" not in message


def test_values_that_are_made_twice_or_never_and_circles():
    x, y = {"x": ["N", 2]}, {"y": None}
    made = model([node("Relu", "x", "y", name="a"), node("Exp", "x", "y", name="b")], x, y)
    assert "the value 'y' is made twice: by node 'a' (Relu) and by node 'b' (Exp)" in refusal(made)
    assert "'x' is made twice: by an input or initialiser" in refusal(model([node("Relu", "x", "x")], x, y))
    assert "node 'a' (Relu) reads 'z', expected a value that" in refusal(
        model([node("Relu", "z", "y", name="a")], x, y)
    )
    assert "has the output 'y', expected a value that something gives" in refusal(model([], x, y))
    assert "has two outputs 'y'" in refusal(model([node("Relu", "x", "y")], x, [value("y", None)] * 2))
    assert "has no outputs" in refusal(model([node("Relu", "x", "y")], x, {}))
    circle = [node("Add", "x c", "a"), node("Relu", "a", "b", name="mid"), node("Exp", "b", "c")]
    message = refusal(model([*circle, node("Relu", "c", "y")], x, y))
    assert "has a circle of nodes: " in message
    assert all(each in message for each in ("node 'a' (Add)", "node 'mid' (Relu)", "node 'c' (Exp)"))
    assert "'y'" not in message


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            node("ConstantOfShape", "huge", "c"),
            "(ConstantOfShape) makes a constant of 4,503,599,627,370,496 bytes",
        ),
        (node("Expand", "one huge", "c"), "(Expand) makes a constant of 4,503,599,627,370,496 bytes"),
        (node("Tile", "one huge", "c"), "(Tile) makes a constant of 4,503,599,627,370,496 bytes"),
        (node("Range", "zero end step", "c"), "(Range) makes a constant of 9,007,199,254,740,992 bytes"),
    ],
)
def test_constants_that_grow(made, message):
    constants = {
        "huge": np.array([1 << 50]),
        "one": np.float32([1]),
        "zero": np.array(0),
        "end": np.array(1 << 50),
        "step": np.array(1),
    }
    growing = model([made, node("Add", "x c", "y")], {"x": ["N", 1]}, {"y": None}, constants)
    assert f"node 'c' {message}, expected at most 536,870,912" in refusal(growing)
    assert read_outline(growing.SerializeToString()).nodes


def test_work_on_constants_is_bounded():
    """Each node alone is within limits, all together are not: 64 sums over views of 400 MB."""
    nodes = [node("ConstantOfShape", "s", "big")]
    nodes += [node("ReduceSum", "big", f"r{n}") for n in range(64)]
    nodes += [node("Sum", " ".join(f"r{n}" for n in range(64)), "r"), node("Add", "x r", "y")]
    made = model(nodes, {"x": ["N", 1]}, {"y": None}, {"s": np.array([10_000, 10_000])})
    started = time.process_time()
    with pytest.raises(InputError, match="folding constants takes more than 2 GiB"):
        read_onnx(made.SerializeToString())
    assert time.process_time() - started < SECONDS


def test_an_input_of_too_many_numbers():
    made = model([node("Relu", "x", "y")], {"x": ["N", 1 << 20, 1 << 20]}, {"y": None})
    assert "input 'x' has [N, 1048576, 1048576], too many numbers" in refusal(made)
    made = model([node("Relu", "x", "y")], {"x": ["N", 1 << 60]}, {"y": None})
    assert "input 'x' has [N, 1152921504606846976]" in refusal(made)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (node("Conv", "x", "y"), "has 1 inputs, expected 2 to 3"),
        (
            node("Conv", "x w", "y", strides="2"),
            "attribute 'strides' of node 'y' (Conv) is of type STRING",
        ),
        (
            node("Conv", "x w", "y", stride=2),
            "node 'y' (Conv) has an attribute 'stride', expected those of",
        ),
        (node("Conv", "x w", "y", strides=[0, 0]), "node 'y' (Conv)"),
        (node("Conv", "x w", "y", dilations=[0, 0]), "node 'y' (Conv)"),
        (node("Conv", "x w", "y", pads=[1, 1, 1]), "node 'y' (Conv)"),
        (node("Cast", "x", "y"), "node 'y' (Cast) has no attribute 'to'"),
        (node("Reshape", "x twice", "y"), "node 'y' (Reshape)"),
        (node("Concat", "x w", "y", axis=1), "node 'y' (Concat)"),
    ],
)
def test_nodes_that_do_not_fit_their_operator(made, message):
    constants = {"w": random(4, 3, 3, 3), "twice": np.array([-1, -1])}
    assert message in refusal(model([made], {"x": [1, 3, 8, 8]}, {"y": None}, constants))


@pytest.mark.parametrize("kind", ["sequence", "optional", "sparse", "string"])
def test_inputs_of_other_kinds_are_named(kind):
    made = model([node("Identity", "x", "y")], {}, {"y": None})
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, [1])
    types = {
        "sequence": helper.make_sequence_type_proto(tensor),
        "optional": helper.make_optional_type_proto(tensor),
        "sparse": helper.make_sparse_tensor_type_proto(TensorProto.FLOAT, [1]),
        "string": helper.make_tensor_type_proto(TensorProto.STRING, [1]),
    }
    made.graph.input.append(helper.make_value_info("x", types[kind]))
    assert kind in refusal(made, lambda content: check(read_onnx(content)))


def check(found):
    from caffe64.formats.onnx import check_types

    check_types(found)


def test_names_with_control_characters_are_escaped():
    made = model(
        [node("Relu", "x", "y"), node("Exp", "q\x1b[2J\n", "z", name="\x1b]0;evil\x07")], {"x": [1]}, {"y": None}
    )
    message = refusal(made)
    assert "\\x1b" in message
    assert "\x1b" not in message
    made = model([node("Relu", "x\n\x1b", "y")], {"x\n\x1b": ["N", "a\nb\x1b"]}, {"y": None})
    assert message.isprintable()
    assert refusal(made).isprintable()


def test_names_that_are_not_utf8():
    content = model([node("Relu", "x", "y", name="pqrs")], {"x": [1]}, {"y": None}).SerializeToString()
    assert "has names that are not UTF-8" in refusal(content.replace(b"pqrs", b"pq\xffs"))


def nested(depth: int) -> onnx.ModelProto:
    graph = helper.make_graph([node("Relu", "x", "y")], "g", [], [value("y", None)])
    for _ in range(depth):
        inner = helper.make_node("If", ["c"], ["y"])
        attribute = inner.attribute.add(name="then_branch", type=onnx.AttributeProto.GRAPH)
        attribute.g.CopyFrom(graph)
        graph = helper.make_graph([inner], "g", [], [value("y", None)])
    made = model([], {"x": [1]}, {"y": None})
    made.graph.node.append(graph.node[0])
    return made


def test_subgraphs_in_subgraphs():
    assert "'c'" in refusal(nested(20))
    content = nested(0).graph.SerializeToString()
    for _ in range(400):  # which protobuf would not write
        for field in (6, 5, 1):  # of an attribute, a node, a graph
            content = bytes([field << 3 | 2]) + varint(len(content)) + content
    content = b"\x08\x08\x3a" + varint(len(content)) + content
    assert "is not an ONNX file, or cut short" in refusal(content)


def varint(number: int) -> bytes:
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    return bytes([*data, number])


def test_functions_that_double_or_call_themselves():
    def function(name, *calls):
        imports = [helper.make_opsetid("", 13), helper.make_opsetid("own", 1)]
        nodes = [node(each, "a", f"b{n}", domain="own" if each[0] == "F" else "") for n, each in enumerate(calls)]
        return helper.make_function("own", name, ["a"], ["b0"], nodes, imports)

    def calling(*functions):
        nodes = [node("F0", "x", "y", domain="own")]
        return model(nodes, {"x": [1]}, {"y": None}, functions=functions, imports=[("own", 1)])

    doubling = [function(f"F{n}", *[f"F{n + 1}"] * 2) for n in range(60)]
    assert "nodes, expected at most 131,072" in refusal(calling(*doubling, function("F60", "Relu")))
    assert "the function 'F0' calls itself" in refusal(calling(function("F0", "F1"), function("F1", "F0")))
    assert "defines a function twice" in refusal(calling(function("F0", "Relu"), function("F0", "Exp")))


def test_twenty_thousand_nodes_in_linear_time():
    """Half of them are constant; and the last comes first in the file, so that they are sorted."""

    def long(count):
        nodes = [node("Relu", f"v{n}", f"v{n + 1}") for n in range(count // 2)]
        nodes += [node("Add", f"c{n} c0", f"c{n + 1}") for n in range(count // 2)]
        nodes.append(node("Add", f"v{count // 2} c{count // 2}", "y"))
        return model(nodes[::-1], {"v0": ["N", 1]}, {"y": None}, {"c0": np.float32([1])}).SerializeToString()

    def seconds(content):
        started = time.process_time()
        assert len(read_onnx(content).nodes) > 1
        return time.process_time() - started

    few, many = long(2_000), long(20_000)
    seconds(few)
    assert seconds(many) < 25 * seconds(few)


def test_too_many_nodes():
    made = model([], {"x": [1]}, {"y": None})
    one = onnx.ModelProto()
    one.graph.node.append(node("Relu", "x", "y"))
    content = made.SerializeToString() + one.SerializeToString() * ((1 << 17) + 1)  # protobuf joins parts of a message
    with pytest.raises(InputError, match=r"has 131,073 nodes, expected at most 131,072"):
        read_onnx(content)


def test_an_if_whose_branch_gives_less():
    graphs = [helper.make_graph([node("Relu", "x", f"b{n}")], "g", [], []) for n in range(2)]
    made = model(
        [node("If", "yes", "y", then_branch=graphs[0], else_branch=graphs[1], name="if")],
        {"x": [1]}, {"y": None}, {"yes": np.array(True)},
    )  # fmt: skip
    assert "node 'if' (If) has a branch that does not give 'y', expected all outputs" in refusal(made)


@pytest.mark.parametrize(("kind", "shown"), [("", "''"), ("Re\nlu\x1b", r"Re\nlu\x1b")])
@pytest.mark.parametrize("domain", ["", "own"])
def test_odd_types_of_operators(kind, shown, domain):
    made = model([node(kind, "x", "y", domain=domain)], {"x": [1]}, {"y": None}, imports=[("own", 1)])
    with pytest.raises(InputError) as caught:
        load_onnx(made.SerializeToString())
    assert f": {shown} " in str(caught.value)


def test_a_chain_of_ifs_is_taken_without_recursion():
    graphs = [helper.make_graph([node("Relu", "x", f"b{n}")], "g", [], [value(f"b{n}", None)]) for n in range(2)]
    nodes = [node("If", "yes", f"y{n}", then_branch=graphs[0], else_branch=graphs[1]) for n in range(2000)]
    made = model([*nodes, node("Add", "y0 y1999", "y")], {"x": [1]}, {"y": None}, {"yes": np.array(True)})
    assert len(read_onnx(made.SerializeToString()).nodes) == 3


def test_attributes_of_the_evaluators_are_not_overwritten():
    made = node("Add", "a a", "b")
    made.attribute.append(helper.make_attribute("_run", 1))
    built = model([made, node("Add", "x b", "y")], {"x": [1]}, {"y": None}, {"a": np.float32([1])})
    assert "node 'b' (Add) has an attribute '_run'" in refusal(built)


def test_an_opset_6_product_with_an_axis_is_not_folded_wrongly():
    made = node("Mul", "a b", "c", broadcast=1, axis=0)
    constants = {"a": np.ones((2, 2), "f4"), "b": np.float32([1, 2])}
    built = model([made, node("Add", "x c", "y")], {"x": [2, 2]}, {"y": None}, constants, opset=6)
    assert [each.type for each in read_onnx(built.SerializeToString()).nodes] == ["Mul", "Add"]


def test_mutants_are_refused_or_read():
    good, longest = run(int(os.environ.get("CAFFE64_MUTANTS", "1500")))
    assert good > 100
    assert longest < SECONDS


def test_tensors_in_attributes_are_checked_too():
    tensor = numpy_helper.from_array(np.float32([1, 2]))
    tensor.dims[0] = 1 << 40
    made = model([node("Constant", "", "c", value=tensor), node("Add", "x c", "y")], {"x": [1]}, {"y": None})
    assert "the value of node 'c' (Constant) has dims [1099511627776]" in refusal(made)
