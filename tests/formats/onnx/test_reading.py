"""ONNX files and bytes that are read: what the records hold."""

from __future__ import annotations

import tomllib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from reference.child import TESTS
from reference.onnx_models import DOUBLE, HALF, INT64, model, node, random, small_net, value

from caffe64.errors import InputError, UsageError
from caffe64.formats.onnx import check_types, read_onnx
from caffe64.formats.onnx.message import OLDEST_PACKAGE


def read(made, shapes=None):
    return read_onnx(made.SerializeToString(), shapes)


def test_nodes_constants_and_names_of_a_small_net(tmp_path):
    path = tmp_path / "net.onnx"
    made = small_net()
    made.doc_string = "about it"
    helper.set_model_props(made, {"author": "a test"})
    onnx.save(made, path)
    found = read_onnx(path)
    assert [(each.name, each.type, each.version) for each in found.nodes] == [
        ("conv", "Conv", 11),
        ("relu", "Relu", 13),
        ("flatten", "Reshape", 13),
        ("fc", "Gemm", 13),
    ]
    assert found.nodes[0].attributes == {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)}
    assert found.nodes[0].inputs == ("x", "w", "b")
    assert set(found.constants) == {"w", "b", "v", "u", "target"}
    np.testing.assert_array_equal(found.constants["w"], random(4, 3, 3, 3))
    assert not any(each.flags.writeable for each in found.constants.values())
    assert (found.path, found.opset, found.name, found.doc) == (str(path), 13, "g", "about it")
    assert found.metadata == {"author": "a test"}
    assert found.inputs[0].shape == ("N", 3, 6, 6)
    assert found.outputs[0].shape == ("N", 5)
    assert found.shapes["flat"] == ("N", 144)
    assert found.notices == ()


@pytest.mark.parametrize("opset", [6, 9, 11, 13, onnx.defs.onnx_opset_version()])
def test_the_batch_is_not_baked_in(opset):
    found = read(small_net(opset=opset))
    assert found.free_batch
    assert found.fixed_by == ""
    assert found.constants["target"].tolist() == [0, -1]
    fixed = read(small_net(4, opset))
    assert fixed.free_batch
    assert fixed.inputs[0].shape == (4, 3, 6, 6)
    assert fixed.constants["target"].tolist() == [0, -1]


@pytest.mark.parametrize("batch", ["N", 0, -1, None])
def test_a_batch_without_a_number_is_free(batch):
    made = small_net()
    dim = made.graph.input[0].type.tensor_type.shape.dim[0]
    dim.Clear()
    if isinstance(batch, str):
        dim.dim_param = batch
    elif batch is not None:
        dim.dim_value = batch
    found = read(made)
    assert found.free_batch
    assert found.inputs[0].shape == ("N", 3, 6, 6)


def test_a_number_that_is_right_at_one_batch_only_fixes_it():
    nodes = [node("Relu", "x", "r"), node("Reshape", "r target", "y", name="view")]
    made = model(nodes, {"x": ["N", 4]}, {"y": None}, {"target": np.array([2, 2])})
    found = read(made)
    assert not found.free_batch
    assert found.fixed_by == "node 'view' (Reshape) makes [2, 2] of [2, 4]"
    assert found.inputs[0].shape == (1, 4)
    with pytest.raises(InputError, match=r"node 'view' \(Reshape\) makes \[2, 2\] of \[3, 4\]"):
        read(made, {"x": (3, 4)})


def test_an_output_whose_rows_are_not_the_batch_fixes_it():
    made = model([node("Flatten", "x", "y", axis=0)], {"x": [1, 4]}, {"y": None})
    found = read(made)
    assert (found.free_batch, found.fixed_by) == (False, "the output 'y' has the shape [1, ?]")
    assert found.outputs[0].shape == (1, 4)


@pytest.mark.parametrize(
    ("target", "loose"),
    [
        ([2, 12], [0, 12]),
        ([2, -1], [0, -1]),
        ([2, 3, 4], [0, 3, 4]),
        ([4, 6], [-1, 6]),
        ([0, 12], [0, 12]),
    ],
)
def test_targets_of_a_file_with_a_fixed_batch_are_loosened(target, loose):
    nodes = [node("Reshape", "x t", "r", name="view"), node("Reshape", "r back", "y")]
    made = model(nodes, {"x": [2, 12]}, {"y": None}, {"t": np.array(target), "back": np.array([2, 12])})
    found = read(made)
    assert found.inputs[0].shape == (2, 12)
    assert found.free_batch
    assert found.constants[found.nodes[0].inputs[1]].tolist() == loose
    assert read(made, (6, 12)).outputs[0].shape == ("N", 12)


def test_a_file_with_a_free_batch_keeps_the_targets_that_it_has():
    made = model([node("Reshape", "x t", "y", name="view")], {"x": ["N", 4]}, {"y": None}, {"t": np.array([1, 4])})
    assert read(made).fixed_by == "node 'view' (Reshape) makes [1, 4] of [2, 4]"


def test_sizes_of_a_resize_and_an_expand_that_follow_the_batch():
    nodes = [
        node("Shape", "x", "s"),
        node("Slice", "s zero two", "front"),
        node("Concat", "front big", "sizes", axis=0),
        node("Resize", "x - - sizes", "r", mode="nearest"),
        node("Expand", "r sizes", "e"),
        node("Slice", "e zeros front", "cut"),
        node("Gather", "s zero", "n"),
        node("Concat", "n six", "rows", axis=0),
        node("ConstantOfShape", "rows", "c", value=numpy_helper.from_array(np.float32([2]))),
        node("Flatten", "cut", "f"),
        node("Gemm", "f w", "g"),
        node("Add", "g c", "y"),
    ]
    constants = {name: np.array(each) for name, each in (("zero", [0]), ("two", [2]), ("big", [8, 8]), ("six", [6]))}
    constants["zeros"] = np.array([0, 0])
    constants["w"] = random(3 * 64, 6)
    found = read(model(nodes, {"x": ["N", 3, 4, 4]}, {"y": None}, constants))
    assert found.free_batch
    assert [each.type for each in found.nodes] == ["Resize", "Flatten", "Gemm", "Add"]
    assert found.constants[found.nodes[0].inputs[3]].tolist() == [0, 3, 8, 8]
    assert found.constants[found.nodes[3].inputs[1]].tolist() == [[2] * 6]


def test_other_free_dimensions_need_numbers():
    made = model([node("Relu", "x", "y")], {"x": ["N", 3, "height", "width"]}, {"y": None})
    with pytest.raises(InputError) as caught:
        read(made)
    assert str(caught.value) == (
        "model: input 'x' has free dimensions [N, 3, height, width], expected numbers for height and width "
        "(--input-shape x:1x3x320x320)"
    )
    for shapes in ({"x": (1, 3, 8, 9)}, (5, 3, 8, 9)):
        found = read(made, shapes)
        assert found.free_batch
        assert found.outputs[0].shape == ("N", 3, 8, 9)
    for shapes in ({"y": (1, 3, 8, 8)}, {"x": (1, 4, 8, 8)}, {"x": (1, 3, 8)}, {"x": (0, 3, 8, 8)}):
        with pytest.raises(UsageError, match="input_shapes has"):
            read(made, shapes)


def test_an_input_without_a_rank_needs_a_shape():
    made = model([node("Relu", "x", "y")], {"x": None}, {"y": None})
    with pytest.raises(InputError, match=r"input 'x' has no shape, expected a shape \(--input-shape x:1x3x320x320\)"):
        read(made)
    assert read(made, (2, 3)).outputs[0].shape[1] == 3


def test_float16_becomes_float32_with_one_notice():
    nodes = [node("Conv", "x w", "c"), node("Cast", "c", "d", to=TensorProto.FLOAT), node("Relu", "d", "r")]
    nodes += [node("Cast", "r", "y", to=HALF)]
    weights = random(2, 2, 3, 3).astype(np.float16)
    made = model(nodes, [value("x", ["N", 2, 5, 5], HALF)], [value("y", None, HALF)], {"w": weights})
    found = read(made)
    check_types(found)
    assert [each.type for each in found.nodes] == ["Conv", "Relu"]
    assert found.nodes[-1].outputs == ("y",)
    np.testing.assert_array_equal(found.constants["w"], weights.astype(np.float32))
    assert found.notices == ("model: is of float16, and becomes float32",)


def test_float64_constants_are_rounded_but_folded_as_they_are():
    scale = np.array([0.29], np.float64)  # in float32 its product with 100 is 29 and more
    nodes = [
        node("Constant", "", "hundred", value=numpy_helper.from_array(np.float64([100]))),
        node("Mul", "hundred scale", "m"),
        node("Floor", "m", "f"),
        node("Cast", "f", "n", to=INT64),
        node("Reshape", "x n", "r"),
        node("Cast", "r", "d", to=DOUBLE),
        node("Mul", "d third", "e"),
        node("Cast", "e", "y", to=TensorProto.FLOAT),
    ]
    made = model(nodes, {"x": [2, 14]}, {"y": None}, {"scale": scale, "third": np.array([1 / 3])})
    found = read(made)
    assert [each.type for each in found.nodes] == ["Reshape", "Mul"]
    assert found.constants["n"].tolist() == [28]
    assert found.constants["third"].dtype == np.float32
    assert found.notices == ("model: has numbers of float64, which are rounded to float32",)


def test_initialisers_that_are_inputs_too_are_constants():
    made = small_net()
    made.ir_version = 3
    made.graph.input.extend([value(each.name, list(each.dims), each.data_type) for each in made.graph.initializer])
    assert [each.name for each in read(made).inputs] == ["x"]


def test_nodes_out_of_order_are_sorted_and_dead_ones_dropped():
    made = small_net()
    made.graph.node.append(node("Exp", "c", "unread"))
    nodes = list(made.graph.node)[::-1]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    assert [each.name for each in read(made).nodes] == ["conv", "relu", "flatten", "fc"]


def test_names_are_the_nodes_or_their_outputs():
    nodes = [
        node("Relu", "x", "a"),
        node("Relu", "a", "b", name="twin"),
        node("Exp", "b", "c", name="twin"),
        node("Relu", "c", "d", name="a"),
    ]
    found = read(model(nodes, {"x": ["N", 2]}, {"d": None}))
    assert [each.name for each in found.nodes] == ["a_2", "b", "c", "a"]


def test_functions_are_inlined():
    inner = helper.make_function("own", "Inner", ["a"], ["b"], [node("Exp", "a", "b")], [helper.make_opsetid("", 13)])
    body = [node("Inner", "a", "c", domain="own"), node("Add", "a c", "b")]
    imports = [helper.make_opsetid("", 13), helper.make_opsetid("own", 1)]
    outer = helper.make_function("own", "Outer", ["a"], ["b"], body, imports)
    nodes = [node("Outer", "x", "y", domain="own")]
    made = model(nodes, {"x": ["N", 2]}, {"y": None}, functions=[inner, outer], imports=[("own", 1)])
    assert [each.type for each in read(made).nodes] == ["Exp", "Add"]


@pytest.mark.parametrize("chosen", [True, False])
def test_an_if_of_a_constant_is_its_branch(chosen):
    """Two of them, whose branches have the same names within."""
    branches = {
        key: helper.make_graph(
            [node(kind, "x", "inner"), node("Mul", "inner half", "out")],
            key,
            [],
            [value("out", None)],
            [numpy_helper.from_array(np.float32([0.5]), "half")],
        )
        for key, kind in (("then_branch", "Relu"), ("else_branch", "Exp"))
    }
    nodes = [node("If", "yes", "a", **branches), node("If", "yes", "b", **branches), node("Add", "a b", "y")]
    found = read(model(nodes, {"x": ["N", 2]}, {"y": None}, {"yes": np.array(chosen)}))
    kind = "Relu" if chosen else "Exp"
    assert [each.type for each in found.nodes] == [kind, "Mul", kind, "Mul", "Add"]
    names = [name for each in found.nodes for name in each.outputs]
    assert len(set(names)) == len(names)


def test_operators_that_do_nothing_are_dropped():
    nodes = [
        node("Identity", "x", "a"),
        node("Dropout", "a", "b mask"),
        node("Pad", "b zeros", "c"),
        node("Slice", "c start end", "d"),
        node("Cast", "d", "e", to=TensorProto.FLOAT),
        node("Expand", "e ones", "f"),
        node("Relu", "f", "g"),
        node("Identity", "g", "y"),
    ]
    constants = {"zeros": np.zeros(4, np.int64), "start": np.array([0]), "end": np.array([99]), "ones": np.array([1])}
    found = read(model(nodes, {"x": ["N", 2]}, {"y": None}, constants))
    assert [(each.type, each.inputs, each.outputs) for each in found.nodes] == [("Relu", ("x",), ("y",))]
    assert found.constants == {}


def test_outputs_keep_their_names():
    """Also where they are an input, a constant, or one value."""
    nodes = [node("Relu", "x", "r"), *(node("Identity", *each) for each in (("r", "a"), ("r", "b"), ("x", "c")))]
    nodes += [node("Add", "one one", "two")]
    outputs = dict.fromkeys(("a", "b", "c", "two"))
    found = read(model(nodes, {"x": ["N", 2]}, outputs, {"one": np.float32([1])}))
    assert [each.name for each in found.outputs] == ["a", "b", "c", "two"]
    assert [(each.type, each.inputs, each.outputs) for each in found.nodes] == [
        ("Relu", ("x",), ("a",)),
        ("Identity", ("a",), ("b",)),
        ("Identity", ("x",), ("c",)),
    ]
    assert found.constants["two"].tolist() == [2]


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        (node("Dropout", "x ratio training", "y"), "Dropout"),
        (node("Pad", "x wide", "y"), "Pad"),
        (node("Slice", "x start end axes back", "y"), "Slice"),
    ],
)
def test_operators_that_do_something_stay(changed, kept):
    constants = {
        "ratio": np.float32(0.5),
        "training": np.array(True),
        "wide": np.array([0, 1, 0, 0]),
        "start": np.array([-1]),
        "end": np.array([-99]),
        "axes": np.array([1]),
        "back": np.array([-1]),
    }
    assert [each.type for each in read(model([changed], {"x": ["N", 2]}, {"y": None}, constants)).nodes] == [kept]


def test_inputs_and_outputs_of_other_types_are_read_and_named():
    made = model([node("Relu", "x", "y")], [value("x", ["N", 2], DOUBLE)], {"y": None})
    with pytest.raises(InputError, match=r"input 'x' is of type double, expected float32 \(convert it first"):
        check_types(read(made))
    made = model([node("ArgMax", "x", "y", axis=1)], {"x": ["N", 2]}, [value("y", None, INT64)])
    with pytest.raises(InputError, match="output 'y' is of type int64"):
        check_types(read(made))


def test_operators_that_are_not_onnx_are_read():
    nodes = [node("NoisyRelu", "x", "a", domain="MyDomain"), node("LSTM", "a w r", "y")]
    found = read(model(nodes, {"x": [2, 3, 4]}, {"y": None}, {"w": random(1, 8, 4), "r": random(1, 8, 2)}))
    assert [(each.type, each.domain, each.version) for each in found.nodes] == [
        ("NoisyRelu", "MyDomain", 0),
        ("LSTM", "", 7),
    ]


def test_views_take_no_memory():
    """4 weights of 400 MB each would not fit: the file has 16 bytes of them."""
    nodes = [node("ConstantOfShape", "s", f"w{n}", value=numpy_helper.from_array(np.float32([n]))) for n in range(4)]
    nodes += [node("Gemm", f"{'x' if n == 0 else f'y{n - 1}'} w{n}", f"y{n}") for n in range(4)]
    found = read(model(nodes, {"x": ["N", 10_000]}, {"y3": None}, {"s": np.array([10_000, 10_000])}))
    assert [found.constants[f"w{n}"].strides for n in range(4)] == [(0, 0)] * 4


@pytest.mark.parametrize(("version", "fits"), [("1.21.0", False), ("1.22.0", True), ("2.0.0", True)])
def test_an_older_package_onnx_is_refused_as_its_shape_inference_may_end_the_process(version, fits, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda name: version)
    content = small_net().SerializeToString()
    if fits:
        assert read_onnx(content).opset == 13
    else:
        message = r"needs the package onnx 1\.22 or later, 1\.21\.0 is installed \(pip install 'caffe64\[onnx\]'\)"
        with pytest.raises(UsageError, match=message):
            read_onnx(content)


def test_pyproject_asks_for_the_package_that_is_not_refused():
    extras = tomllib.loads((TESTS.parent / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    found = {each for extra in extras.values() for each in extra if each.startswith("onnx>")}
    assert found == {f"onnx>={'.'.join(map(str, OLDEST_PACKAGE))}"}
