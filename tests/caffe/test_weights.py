"""Weights of a CaffeNet from files and other nets, and into files."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_graphs import data, graph_of, layer
from reference.pycaffe_net import NET, X, dense

import caffe64 as caffe


@pytest.fixture
def net():
    return caffe.CaffeNet(graph_of(*NET))


@pytest.fixture
def files(net, tmp_path):
    net.save(tmp_path / "net.prototxt", tmp_path / "net.caffemodel")
    return tmp_path / "net.prototxt", tmp_path / "net.caffemodel"


def test_a_layer_that_the_model_does_not_have_is_filled_with_a_warning(net, files, tmp_path):
    other = tmp_path / "other.prototxt"
    other.write_text("".join(NET[:3]) + layer("new", "InnerProduct", "c", more="inner_product_param { num_output: 2 "
                     'weight_filler { type: "xavier" } bias_filler { value: 3 } }'))  # fmt: skip
    with pytest.warns(UserWarning, match="has no weights for 'new': its fillers drew them"):
        made = caffe.Net(other, str(files[1]), caffe.TEST)
    np.testing.assert_array_equal(made.params["c"][0].data, net.params["c"][0].data)
    assert made.params["new"][0].data.std() > 0
    assert made.params["new"][1].data.tolist() == [3, 3]
    with pytest.raises(caffe.InputError, match="has no weights for the layer 'new'"):
        caffe.load_caffe(other, files[1])
    other.write_text(NET[0] + dense("new", "data"))
    with pytest.raises(caffe.InputError, match="has no weights for the layer 'new'"):
        caffe.Net(other, str(files[1]), caffe.TEST)


def test_weights_are_copied_by_the_names_of_layers(net, files):
    other = caffe.CaffeNet(graph_of(*NET[:3], dense("new", "c"), seed=1))
    held, kept = other.params["c"][0].data, other.params["new"][0].data.copy()
    other.forward(data=X)
    other.copy_from(files[1])
    np.testing.assert_array_equal(held, net.params["c"][0].data)
    np.testing.assert_array_equal(other.params["new"][0].data, kept)
    assert other.notices == [f"{files[1]} has no weights for 'new', which keeps its own"]
    expected = net.forward(data=X, end="relu")["c"].reshape(2, -1) @ kept.T + other.params["new"][1].data
    np.testing.assert_allclose(other.forward(data=X)["new"], expected, atol=1e-5)
    with pytest.raises(caffe.InputError, match="'fc' blob 0 has the shape"):
        caffe.CaffeNet(graph_of(data("2 3 5 5"), *NET[1:])).copy_from(files[1])
    with pytest.raises(caffe.InputError, match="has weights for no layer of the net"):
        caffe.CaffeNet(graph_of(NET[0], dense("new", "data"))).copy_from(files[1])


def test_weights_are_shared_by_the_names_of_layers(net):
    other = caffe.CaffeNet(graph_of(*NET[:3], dense("new", "c"), seed=1))
    blob = other.params["c"][0]
    other.forward(data=X)
    other.share_with(net)
    assert blob.data is other.params["c"][0].data is net.params["c"][0].data
    net.params["c"][0].data[...] *= 2
    expected = net.forward(data=X, end="relu")["c"].reshape(2, -1) @ other.params["new"][0].data.T
    np.testing.assert_allclose(other.forward(data=X)["new"], expected + other.params["new"][1].data, atol=1e-5)
    with pytest.raises(caffe.UsageError, match="'fc' has weights of the shapes"):
        caffe.CaffeNet(graph_of(data("2 3 5 5"), *NET[1:])).share_with(net)


def test_one_file_is_saved_by_its_name(net, tmp_path):
    net.save(tmp_path / "w.caffemodel")
    net.save(tmp_path / "n.prototxt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["n.prototxt", "w.caffemodel"]
    again = caffe.Net(tmp_path / "n.prototxt", tmp_path / "w.caffemodel", caffe.TEST)
    np.testing.assert_array_equal(again.forward(data=X)["prob"], net.forward(data=X)["prob"])
    for names in (("x",), ("x.caffemodel.h5",), ("x.caffemodel", "x.prototxt")):
        with pytest.raises(caffe.UsageError, match=r"name it .caffemodel|the net comes first"):
            net.save(*(tmp_path / name for name in names))
    assert len(list(tmp_path.iterdir())) == 2
