"""Folded models give what the whole ones give: in onnxruntime, at the batch of the file and at others."""

from __future__ import annotations

import glob
import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from reference.onnx_models import INT64, model, node, random, small_net, value
from support import SHARED

from caffe64.formats.onnx import OnnxModel, read_onnx

onnxruntime = pytest.importorskip("onnxruntime")
LIGHT = sorted(glob.glob(os.path.join(os.path.dirname(onnx.__file__), "backend/test/data/light/light_*.onnx")))
LIGHT = [path for path in LIGHT if "vgg19" not in path]  # AlexNet's operators, with weights of 575 MB
WILD = sorted(map(str, (SHARED / "onnx").glob("*.onnx")))


def rebuilt(found: OnnxModel, batch: int) -> onnx.ModelProto:
    """A ModelProto of the records: 0 among the sizes of a Resize, which ONNX does not have, is the batch."""
    constants = dict(found.constants)
    nodes = []
    for each in found.nodes:
        inputs = list(each.inputs)
        if each.type == "Resize" and len(inputs) > 3 and found.free_batch:
            sizes = constants[inputs[3]].copy()
            sizes[sizes == 0] = batch
            inputs[3] = f"{each.name}/sizes"
            constants[inputs[3]] = sizes
        attributes = {
            key: numpy_helper.from_array(held) if isinstance(held, np.ndarray) else held
            for key, held in each.attributes.items()
        }
        nodes.append(
            helper.make_node(each.type, inputs, list(each.outputs), each.name, domain=each.domain, **attributes)
        )
    inputs = {each.name: (batch, *each.shape[1:]) for each in found.inputs}
    outputs = [value(each.name, None, TensorProto.DataType.Value(each.type.upper())) for each in found.outputs]
    return model(nodes, inputs, outputs, constants, opset=found.opset)


def run(made, feeds) -> dict[str, np.ndarray]:
    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def with_batch(made, batch):
    """The model as it is, at another batch: without the number that it may have in its inputs."""
    made = onnx.ModelProto.FromString(made.SerializeToString())
    given = {each.name for each in made.graph.initializer}
    for each in made.graph.input:
        if each.name not in given:
            each.type.tensor_type.shape.dim[0].dim_value = batch
    for each in made.graph.output:
        each.type.tensor_type.ClearField("shape")
    del made.graph.value_info[:]
    return made


def assert_free(made, shapes=None):
    """Two pictures at once give what each gives alone, by the model as it is."""
    found = read_onnx(made.SerializeToString(), shapes)
    assert found.free_batch
    rng = np.random.default_rng(0)
    feeds = {each.name: rng.standard_normal((2, *each.shape[1:]), np.float32) for each in found.inputs}
    alone = [run(with_batch(made, 1), {name: each[n : n + 1] for name, each in feeds.items()}) for n in range(2)]
    for name, values in run(rebuilt(found, 2), feeds).items():
        expected = np.concatenate([each[name] for each in alone])
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-5, err_msg=name)


def assert_same(made, batch=1, shapes=None, tolerance=0.0):
    found = read_onnx(made.SerializeToString(), shapes)
    rng = np.random.default_rng(0)
    feeds = {each.name: rng.standard_normal((batch, *each.shape[1:]), np.float32) for each in found.inputs}
    expected, got = run(with_batch(made, batch), feeds), run(rebuilt(found, batch), feeds)
    assert list(expected) == list(got)
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, rtol=tolerance, atol=tolerance, err_msg=name)
    return found


@pytest.mark.parametrize("opset", [7, 9, 13, 18])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_chain_of_shapes(opset, batch):
    assert len(assert_same(small_net(opset=opset), batch).nodes) == 4
    assert_same(small_net(1, opset), batch)


@pytest.mark.parametrize("path", LIGHT, ids=os.path.basename)
def test_the_light_models_of_onnx(path):
    made = onnx.load(path)
    found = assert_same(made, tolerance=1e-5)
    assert not {each.type for each in found.nodes} & {"Constant", "ConstantOfShape", "Shape", "Dropout", "Identity"}
    assert_free(made)


@pytest.mark.parametrize("path", WILD, ids=os.path.basename)
def test_models_of_the_wild(path):
    made = onnx.load(path)
    free = any(each.dim_param or each.dim_value < 1 for each in made.graph.input[0].type.tensor_type.shape.dim[1:])
    shapes = (1, 3, 64, 96) if free else None
    found = assert_same(made, shapes=shapes, tolerance=1e-5)
    assert not {each.type for each in found.nodes} & {"Constant", "ConstantOfShape", "Shape", "Dropout", "Identity"}
    if found.free_batch:
        assert_free(made, shapes)


def constants_chain(kind, *arrays, opset=13, **attributes):
    """A node of constants whose result is added to, or is concatenated with, the input."""
    names = [f"c{number}" for number in range(len(arrays))]
    given = {name: np.asarray(array) for name, array in zip(names, arrays, strict=True)}
    used = " ".join(names)
    nodes = [node(kind, used, "made", **attributes), node("Cast", "made", "f", to=TensorProto.FLOAT)]
    nodes += [node("Add", "x f", "y")]
    return model(nodes, {"x": [1]}, {"y": None}, given, opset=opset)


F, I = np.float32, np.int64
CASES = [
    ("Add", F([1, 2]), F([3, 4])),
    ("Sub", I([1, 2]), I([3, 4])),
    ("Mul", F([1, 2]), F([3])),
    ("Div", I([-7, 7]), I([2, 2])),
    ("Div", F([-7, 7]), F([2, 2])),
    ("Mod", I([-7, 7]), I([3, 3])),
    ("Pow", F([2, 3]), F([2])),
    ("Min", F([1, 5]), F([3, 4])),
    ("Max", I([1, 5]), I([3, 4])),
    ("Equal", I([1, 2]), I([1, 3])),
    ("Less", I([1, 2]), I([2, 2])),
    ("Greater", F([1, 2]), F([0, 3])),
    ("And", np.array([True, False]), np.array([True, True])),
    ("Not", np.array([True, False])),
    ("Floor", F([1.5, -1.5])),
    ("Ceil", F([1.5, -1.5])),
    ("Round", F([0.5, 1.5, -2.5])),
    ("Sqrt", F([4, 2])),
    ("Neg", I([4, -2])),
    ("Abs", F([4, -2])),
    ("Gather", I([4, 5, 6]), I([-1, 0])),
    ("Slice", I([4, 5, 6]), I([-1]), I([-9]), I([0]), I([-1])),
    ("Reshape", F([1, 2, 3, 4]), I([2, -1])),
    ("Unsqueeze", F([1, 2]), I([0, 2])),
    ("Squeeze", F([[1, 2]]), I([0])),
    ("Tile", F([1, 2]), I([3])),
    ("Expand", F([[1], [2]]), I([2, 3])),
    ("Range", I(1), I(9), I(3)),
    ("Where", np.array([True, False]), F([1, 2]), F([3, 4])),
    ("NonZero", I([0, 3, 0, 4])),
    ("ReduceSum", F([[1, 2], [3, 4]]), I([1])),
    ("ConstantOfShape", I([3])),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
@pytest.mark.parametrize("opset", [13, 19])
def test_operators_on_constants(case, opset):
    found = assert_same(constants_chain(*case, opset=opset))
    assert [each.type for each in found.nodes] == ["Add"]


@pytest.mark.parametrize(
    ("kind", "arrays", "attributes"),
    [
        ("Concat", (I([1]), I([2, 3])), {"axis": 0}),
        ("Concat", (I([[1]]), I([[2]])), {"axis": 1}),
        ("Transpose", (F([[1, 2], [3, 4]]),), {}),
        ("Transpose", (F([[1, 2, 3], [3, 4, 5]]),), {"perm": [1, 0]}),
        ("ReduceMean", (F([[1, 2], [3, 5]]),), {"axes": [0], "keepdims": 0}),
        ("ReduceProd", (I([2, 3]),), {"keepdims": 0}),
        ("ReduceMax", (F([[1, 2], [3, 5]]),), {}),
        ("Cast", (F([1.7, -1.7]),), {"to": INT64}),
        ("Flatten", (F([[[1, 2], [3, 5]]]),), {"axis": 2}),
    ],
)
@pytest.mark.parametrize("opset", [9, 13])
def test_operators_with_attributes_on_constants(kind, arrays, attributes, opset):
    found = assert_same(constants_chain(kind, *arrays, opset=opset, **attributes))
    assert [each.type for each in found.nodes] == ["Add"]


@pytest.mark.parametrize("opset", [7, 8, 9, 10, 11, 12])
def test_old_forms_of_operators(opset):
    """Axes and ends as attributes, which opset 6 has as well, that onnxruntime does not run."""
    nodes = [node("Squeeze", "a", "b", axes=[0]), node("Unsqueeze", "b", "c", axes=[0, 2])]
    nodes += [node("ReduceSum", "c", "d", axes=[1], keepdims=0), node("Reshape", "d shape", "e")]
    if opset < 10:
        nodes.append(node("Slice", "e", "f", starts=[0], ends=[1], axes=[0]))
    else:
        nodes.append(node("Slice", "e start one", "f"))
    nodes.append(node("Mul", "x f", "y"))
    given = {"a": random(1, 3), "shape": np.array([-1]), "start": np.array([0]), "one": np.array([1])}
    found = assert_same(model(nodes, {"x": [1]}, {"y": None}, given, opset=opset))
    assert [each.type for each in found.nodes] == ["Mul"]
