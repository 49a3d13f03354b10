"""OpenCV 4's own reader of Caffe models agrees: it reads what we write, upgrades old nets alike, computes the same."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_messages import net
from support import FOUND, SHARED, assert_close, caffe_files, needs_shared

import caffe64
from caffe64.formats.caffe import (
    NetParameter,
    deploy_net,
    filter_net,
    format_prototxt,
    parse_prototxt,
    read_caffemodel,
    read_prototxt,
    write_caffemodel,
)

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2.dnn, "readNetFromCaffe"):
    pytest.skip("OpenCV 5 reads no Caffe models", allow_module_level=True)

FOLDER = SHARED / "caffe"
NETS = [path for path in caffe_files("*.prototxt") if path.stem != "lenet_solver"]
MODELS = {
    "face68/deploy_68_new": "face68/vgg_68_new",
    "face68/result": "face68/result",
    "models/hyperlpr_segmentation": "models/hyperlpr_segmentation",
    "models/mnet-deconv-0517": "models/mnet-deconv-0517",
    "models/mtcnn_det1": "models/mtcnn_det1",
}


def opencv(prototxt: bytes, model: bytes | None = None):
    return cv2.dnn.readNetFromCaffe(*(np.frombuffer(data, np.uint8) for data in (prototxt, model) if data is not None))


def outputs(network, x) -> dict[str, np.ndarray]:
    network.setInput(x)
    names = network.getUnconnectedOutLayersNames()
    return dict(zip(names, network.forward(names), strict=True))


def assert_same(ours, theirs, shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    expected = outputs(theirs, x)
    found = outputs(ours, x)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert np.abs(values).max() > 0
        assert np.array_equal(found[name], values), name


def rewritten(model, path) -> bytes:
    write_caffemodel(path, model.message, {index: found.arrays for index, found in enumerate(model.blobs)})
    return path.read_bytes()


@needs_shared
@pytest.mark.parametrize("path", NETS, ids=lambda path: path.stem)
def test_every_real_net_is_readable_after_our_rewrite(path):
    source = read_prototxt(path).message
    message = deploy_net(filter_net(source), {"data": (1, 1 if "lenet" in path.stem else 3, 32, 32)})
    network = opencv(format_prototxt(message).encode())
    assert len(network.getLayerNames()) == len(message.layer) - 1  # all but the input


@needs_shared
@pytest.mark.parametrize("name", MODELS)
def test_a_rewritten_model_computes_the_same_to_the_bit(name, tmp_path):
    path, model = FOLDER / f"{name}.prototxt", FOLDER / f"{MODELS[name]}.caffemodel"
    message = read_prototxt(path).message
    shape = list(message.layer[0].input_param.shape[0].dim)
    shape[2:] = [min(size, 64) for size in shape[2:]]
    ours = opencv(format_prototxt(message).encode(), rewritten(read_caffemodel(model), tmp_path / "m"))
    assert_same(ours, opencv(path.read_bytes(), model.read_bytes()), shape)


V1 = """
name: "old" input: "data" input_dim: [2, 3, 9, 8]
layers { name: "conv" type: CONVOLUTION bottom: "data" top: "c" blobs_lr: 1 blobs_lr: 2
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 } }
layers { name: "relu" type: RELU bottom: "c" top: "c" relu_param { negative_slope: 0.1 } }
layers { name: "pool" type: POOLING bottom: "c" top: "p" pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layers { name: "fc" type: INNER_PRODUCT bottom: "p" top: "fc" inner_product_param { num_output: 5 } }
layers { name: "prob" type: SOFTMAX bottom: "fc" top: "prob" }
"""
V0 = """
name: "older" input: "data" input_dim: [2, 3, 9, 8]
layers { layer { name: "pad" type: "padding" pad: 1 } bottom: "data" top: "padded" }
layers { layer { name: "conv" type: "conv" num_output: 4 kernelsize: 3 stride: 2 } bottom: "padded" top: "c" }
layers { layer { name: "relu" type: "relu" } bottom: "c" top: "c" }
layers { layer { name: "pool" type: "pool" pool: AVE kernelsize: 3 stride: 2 } bottom: "c" top: "p" }
layers { layer { name: "fc" type: "innerproduct" num_output: 5 } bottom: "p" top: "fc" }
layers { layer { name: "prob" type: "softmax" } bottom: "fc" top: "prob" }
"""


@pytest.mark.parametrize("text", [V1, V0], ids=["V1", "V0"])
def test_old_nets_are_upgraded_as_opencv_upgrades_them(text, tmp_path):
    rng = np.random.default_rng(1)
    shapes = {"conv": [(4, 3, 3, 3), (1, 1, 1, 4)], "fc": [(1, 1, 5, 16), (1, 1, 1, 5)]}
    old = NetParameter()
    for name, kind in (("conv", 4), ("fc", 14)):
        entry = old.layers.add(name=name, type=kind)
        for shape in shapes[name]:
            sizes = dict(zip(("num", "channels", "height", "width"), shape, strict=True))
            entry.blobs.add(data=rng.standard_normal(np.prod(shape)), **sizes)
    (tmp_path / "old").write_bytes(old.SerializeToString())
    model = read_caffemodel(tmp_path / "old")
    assert [found.type for found in model.blobs] == ["Convolution", "InnerProduct"]
    message = parse_prototxt(text).message
    ours = opencv(format_prototxt(message).encode(), rewritten(model, tmp_path / "new"))
    assert_same(ours, opencv(text.encode(), old.SerializeToString()), (2, 3, 9, 8))


def test_weights_that_we_write_are_the_ones_that_opencv_computes_with(tmp_path):
    shape, outs = {"shape": [{"dim": [1, 2]}]}, {"num_output": 3}
    message = net(
        {"name": "data", "type": "Input", "top": ["data"], "input_param": shape},
        {"name": "fc", "type": "InnerProduct", "bottom": ["data"], "top": ["fc"], "inner_product_param": outs},
    )
    weights, bias = np.float32([[1, 2], [3, 4], [5, 6]]), np.float32([0.5, -0.5, 0])
    write_caffemodel(tmp_path / "m", message, {1: [weights, bias]})
    network = opencv(format_prototxt(message).encode(), (tmp_path / "m").read_bytes())
    assert outputs(network, np.float32([[10, 100]]))["fc"].tolist() == [[210.5, 429.5, 650]]


@pytest.mark.parametrize("kind", ["raw_float", "raw_half"])
def test_raw_data_is_what_opencv_reads_and_its_rewrite_computes_the_same_to_the_bit(kind, tmp_path):
    prototxt = (FOUND / "conv.prototxt").read_bytes()
    model = FOUND / f"conv_{kind}.caffemodel"
    ours = opencv(prototxt, rewritten(read_caffemodel(model), tmp_path / "m"))
    assert_same(ours, opencv(prototxt, model.read_bytes()), (2, 3, 9, 10))


def test_a_model_that_opencv_shrank_holds_its_halves(tmp_path):
    cv2.dnn.shrinkCaffeModel(str(FOUND / "conv_float.caffemodel"), str(tmp_path / "half"))
    assert (tmp_path / "half").stat().st_size < (FOUND / "conv_float.caffemodel").stat().st_size
    (whole,) = read_caffemodel(FOUND / "conv_float.caffemodel").blobs
    (half,) = read_caffemodel(tmp_path / "half").blobs
    for found, expected in zip(half.arrays, whole.arrays, strict=True):
        assert found.tobytes() == expected.astype(np.float16).astype(np.float32).tobytes()


def test_batch_norm_with_its_own_scale_is_written_as_layers_that_compute_the_same(tmp_path):
    paths = FOUND / "nv_bn.prototxt", FOUND / "nv_bn.caffemodel"
    written = tmp_path / "plain.prototxt", tmp_path / "plain.caffemodel"
    net = caffe64.load_caffe(*paths)
    net.save(*written)
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 10)).astype(np.float32)
    own, plain = (opencv(*(path.read_bytes() for path in each)) for each in (paths, written))
    assert "b_scale" in plain.getLayerNames()
    (theirs,), (ours,) = outputs(own, x).values(), outputs(plain, x).values()
    for found in (ours, net.forward(data=x)["b"]):
        assert_close("b", found, theirs, 1e-6 * np.abs(theirs).max())
