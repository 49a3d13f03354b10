"""ONNX models as graphs: names, batches, what is refused and how."""

from __future__ import annotations

import re

import numpy as np
import pytest
from reference.onnx_models import model, node, random, small_net

import caffe64
from caffe64.errors import InputError, UsageError

onnx = pytest.importorskip("onnx")
IMAGE = {"x": ["N", 4, 6, 6]}


def read(*args, **kwargs) -> caffe64.CaffeNet:
    return caffe64.load_onnx(model(*args, **kwargs).SerializeToString())


def types(net: caffe64.CaffeNet) -> list[str]:
    return [each.type for each in net.graph.nodes[1:]]


def refusal(*args, **kwargs) -> str:
    with pytest.raises(InputError) as caught:
        read(*args, **kwargs)
    return str(caught.value)


def test_names_are_onnxs():
    nodes = [node("Conv", "in:0 w", "c=1", name="a/b"), node("Relu", "c=1", "gpu_0/out", name="")]
    net = read(nodes, {"in:0": ["N", 3, 6, 6]}, {"gpu_0/out": None}, {"w": random(4, 3, 3, 3)})
    assert [each.name for each in net.graph.nodes] == ["in:0", "a/b", "gpu_0/out"]
    assert list(net.forward(**{"in:0": np.ones((2, 3, 6, 6))})) == ["gpu_0/out"] == net.outputs


def test_an_output_that_is_read_too_or_given_in_is_an_output():
    nodes = [node("Relu", "x", "r"), node("Tanh", "r", "t"), node("Identity", "x", "same")]
    net = read(nodes, {"x": ["N", 3]}, {"r": ["N", 3], "t": ["N", 3], "same": ["N", 3]})
    x = random(2, 3)
    found = net.forward(x=x)
    for each in (net, caffe64.optimize(net)[0]):
        found = each.forward(x=x)
        np.testing.assert_array_equal(found["r"], np.maximum(x, 0))
        np.testing.assert_array_equal(found["same"], x)
        np.testing.assert_allclose(found["t"], np.tanh(np.maximum(x, 0)), rtol=1e-5)


def test_a_constant_output():
    net = read([node("Relu", "x", "y")], {"x": ["N", 3]}, {"y": ["N", 3], "c": [2]}, {"c": np.float32([1, 2])})
    np.testing.assert_array_equal(net.forward(x=random(1, 3))["c"], [1, 2])


def test_the_batch_is_free_and_other_sizes_are_the_files():
    net = caffe64.load_onnx(small_net().SerializeToString())
    assert net.forward(x=random(3, 3, 6, 6))["y"].shape == (3, 5)
    with pytest.raises(InputError, match=r"shape \[3, 3, 7, 6\], expected \[N, 3, 6, 6\] \(input_shapes of load_onnx"):
        net.forward(x=random(3, 3, 7, 6))


def test_a_number_for_one_batch_alone_fixes_it_and_is_named():
    nodes = [node("Reshape", "x s", "r", name="flat"), node("Softmax", "r", "y", axis=-1)]
    net = read(nodes, {"x": [2, 3, 4]}, {"y": [1, 24]}, {"s": np.array([1, 24])})
    assert net.forward(x=random(2, 3, 4))["y"].shape == (1, 24)
    with pytest.raises(InputError, match=r"shape \[3, 3, 4\], expected \[2, 3, 4\]"):
        net.forward(x=random(3, 3, 4))


def test_free_sizes_are_given_for_an_input():
    made = model([node("GlobalAveragePool", "x", "y")], {"x": ["N", 3, "h", "w"]}, {"y": None}).SerializeToString()
    with pytest.raises(InputError, match="--input-shape x:1x3x320x320"):
        caffe64.load_onnx(made)
    for shapes in ({"x": (1, 3, 8, 6)}, (1, 3, 8, 6)):
        assert caffe64.load_onnx(made, input_shapes=shapes).forward(x=random(2, 3, 8, 6))["y"].shape == (2, 3, 1, 1)
    with pytest.raises(UsageError, match="input_shapes"):
        caffe64.load_onnx(made, input_shapes={"z": (1, 3, 8, 6)})


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((), ["Power"]),
        ((4, 1, 1), ["Scale"]),
        ((1, 4, 1, 1), ["Scale"]),
        ((6,), ["Scale"]),
        ((4, 1, 6), ["Scale"]),
        ((4, 6, 6), ["Scale"]),
    ],
)
def test_constants_multiply_the_axes_that_they_have(shape, expected):
    factor, x = random(*shape), random(2, 4, 6, 6, seed=1)
    net = read([node("Mul", "f x", "y")], IMAGE, {"y": None}, {"f": factor})
    assert types(net) == expected
    np.testing.assert_allclose(net.forward(x=x)["y"], x * factor, rtol=1e-6)


def test_mul_and_add_are_one_layer_where_nothing_else_reads_between():
    constants = {"f": random(4, 1, 1), "a": random(4, 1, 1, seed=1), "n": np.float32(3), "m": np.float32(-1)}
    chain = [node("Mul", "x f", "u"), node("Add", "u a", "v"), node("Mul", "v n", "w"), node("Add", "w m", "y")]
    net = read(chain, IMAGE, {"y": None}, constants)
    assert types(net) == ["Scale", "Power"]
    x = random(2, 4, 6, 6)
    expected = (x * constants["f"] + constants["a"]) * 3 - 1
    np.testing.assert_allclose(net.forward(x=x)["y"], expected, rtol=1e-4, atol=1e-5)
    net = read(chain, IMAGE, {"y": None, "u": None, "w": None}, constants)
    assert sorted(types(net)) == ["Bias", "Power", "Power", "Scale", "Split", "Split"]
    np.testing.assert_allclose(net.forward(x=x)["y"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (["N", 4, 1, 1], ["Reshape", "Scale"]),
        (["N", 1, 6, 6], ["Tile", "Eltwise"]),
        (["N", 4, 6, 6], ["Eltwise"]),
    ],
)
def test_values_are_broadcast(other, expected):
    net = read([node("Mul", "x z", "y")], {**IMAGE, "z": other}, {"y": None})
    assert [each for each in types(net) if each != "Input"] == expected
    for batch in (1, 3):
        x, z = random(batch, 4, 6, 6), random(*(batch, *other[1:]), seed=2)
        np.testing.assert_allclose(net.forward(x=x, z=z)["y"], x * z, rtol=1e-6)


def test_unknown_operators_are_named_all_at_once():
    nodes = [
        node("LSTM", "s w r", "l", name="one", hidden_size=2),
        node("MatMul", "x x", "m", name="two"),
        node("MatMul", "m x", "n", name="three"),
        node("Resize", "x - z", "q", mode="cubic", name="four"),
    ]
    constants = {"w": random(1, 8, 3), "r": random(1, 8, 2), "z": np.float32([1, 1, 2, 2])}
    inputs = {"x": ["N", 4, 6, 6], "s": [2, 1, 3]}
    text = refusal(nodes, inputs, {"l": None, "n": None, "q": None}, constants)
    assert "LSTM (1: 'one'), MatMul of two computed values (2: 'two', 'three')" in text
    assert "summary, draw and verify work with any operator" in text
    assert "cubic" not in text


def test_operators_of_other_domains_are_named():
    text = refusal([node("Noisy", "x", "y", domain="own", name="n0")], IMAGE, {"y": None}, imports=[("own", 1)])
    assert "Noisy of the domain 'own' (1: 'n0')" in text


def test_all_details_are_named_at_once():
    nodes = [
        node("Resize", "x - z", "a", mode="cubic", name="r"),
        node("Relu", "a", "b"),
        node("LRN", "b", "y", size=4, name="l"),
    ]
    text = refusal(nodes, IMAGE, {"y": None}, {"z": np.float32([1, 1, 2, 2])})
    assert "node 'r' (Resize): mode 'cubic', expected nearest or linear" in text
    assert "node 'l' (LRN): has size 4, expected an odd number" in text


@pytest.mark.parametrize(
    ("nodes", "constants", "found"),
    [
        ([node("Conv", "x x", "y")], {}, "W is not a constant"),
        ([node("Conv", "x w", "y", strides=[0, 1])], {"w": random(4, 4, 3, 3)}, "strides"),
        ([node("Conv", "x w", "y", group=3)], {"w": random(4, 4, 3, 3)}, "group 3"),
        ([node("Reshape", "x s", "y")], {"s": np.array([-1, -1, 6])}, ""),
        ([node("MaxPool", "x", "y i", kernel_shape=[2, 2]), node("Cast", "i", "j", to=1)], {}, "indices"),
        ([node("MaxPool", "x", "y", kernel_shape=[2, 2], dilations=[2, 2])], {}, "dilations"),
        ([node("Cast", "x", "i", to=7), node("Cast", "i", "y", to=1)], {}, "converts"),
        ([node("Tile", "x s", "y")], {"s": np.array([1, 1 << 20, 1 << 20, 1])}, ""),
        ([node("Clip", "x a b", "y")], {"a": np.float32(2), "b": np.float32(1)}, "min 2 and max 1"),
        ([node("Pad", "x p", "y", mode="wrap")], {"p": np.array([0] * 8)}, ""),
        ([node("Gather", "x i", "y", axis=1)], {"i": np.array([9])}, ""),
        ([node("Expand", "x s", "y")], {"s": np.array([1, 4, 6, 7])}, ""),
    ],
)
def test_what_no_layer_does_is_refused_before_anything_runs(nodes, constants, found):
    outputs = {"y": None, "j": None} if any(each.output[0] == "j" for each in nodes) else {"y": None}
    if nodes[0].op_type == "Pad":  # which does nothing, and is not read
        assert types(read(nodes, IMAGE, outputs, constants, opset=19)) == ["Split"]
        return
    assert re.search(re.escape(found), refusal(nodes, IMAGE, outputs, constants))


def test_inputs_of_other_types_are_refused():
    made = model([node("Relu", "x", "y")], [onnx.helper.make_tensor_value_info("x", 11, [1, 3])], {"y": None})
    with pytest.raises(InputError, match="input 'x' is of type double, expected float32"):
        caffe64.load_onnx(made.SerializeToString())


def test_texts_order_and_batch_are_written_back(tmp_path):
    nodes = [node("Relu", "x", "z", name="first"), node("Tanh", "x", "a", name="second")]
    made = model(nodes, {"x": ["images", 3]}, {"z": ["images", 3], "a": ["images", 3]}, doc_string="what it is")
    made.graph.name = "its name"
    onnx.helper.set_model_props(made, {"author": "one", "stride": "32"})
    net, _ = caffe64.optimize(caffe64.load_onnx(made.SerializeToString()))
    caffe64.export_onnx(net, tmp_path / "y.onnx")
    found = onnx.load(tmp_path / "y.onnx")
    assert [each.name for each in found.graph.output] == ["z", "a"]
    assert [each.name for each in found.graph.node] == ["first", "second"]
    assert (found.graph.name, found.doc_string) == ("its name", "what it is")
    metadata = {each.key: each.value for each in found.metadata_props}
    assert metadata == {"author": "one", "stride": "32", "caffe64": caffe64.__version__}
    assert found.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "images"


def test_shared_initialisers_stay_shared():
    nodes = [node("Conv", "x w", "a", pads=[1] * 4), node("Conv", "a w", "y", pads=[1] * 4)]
    net = read(nodes, IMAGE, {"y": None}, {"w": random(4, 4, 3, 3)})
    first, second = (net.graph.nodes[number].weights[0] for number in (1, 2))
    assert np.shares_memory(first, second)


def test_a_net_is_pickled_drawn_and_summed_up(tmp_path):
    import pickle

    net = caffe64.load_onnx(small_net().SerializeToString())
    x = random(2, 3, 6, 6)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(net)).forward(x=x)["y"], net.forward(x=x)["y"])
    assert "conv" in str(caffe64.summary(net))
    caffe64.draw(net).save(tmp_path / "net.html")
