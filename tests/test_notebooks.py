"""Whole scripts as notebooks of 2016 have them, for Python 3: only the import says that it is not Caffe."""

from __future__ import annotations

import contextlib
import io
import itertools

import numpy as np
import pytest
from PIL import Image
from reference.caffe_graphs import conv, data, graph_of, layer
from scipy import ndimage

import caffe64

CLASSES = "n01 tabby cat\nn02 dog\nn03 ship\nn04 horse\n"
POOL = layer("pool1", "Pooling", "conv1", more="pooling_param { pool: MAX kernel_size: 3 stride: 2 }")
NORM = layer("norm1", "LRN", "pool1", more="lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")
FC = layer("fc8", "InnerProduct", "norm1", more="inner_product_param { num_output: 4 }")
LAYERS = (
    data("10 3 15 13"), conv("conv1", "data", outputs=6, more="pad: 1"), layer("relu1", "ReLU", "conv1", "conv1"),
    POOL, NORM, FC, layer("prob", "Softmax", "fc8"),
)  # fmt: skip
PIXELS = np.random.default_rng(5).integers(0, 256, (24, 31, 3), np.uint8)
MEANS = np.random.default_rng(6).random((3, 20, 20)).astype(np.float32) * 50 + 100


def save_net(name, *layers):
    net = caffe64.CaffeNet(graph_of(*layers))
    net.save(f"{name}.prototxt", f"{name}.caffemodel")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """run(script) in a folder with a net, a picture, a mean and names of classes: its variables, and what it prints."""
    monkeypatch.chdir(tmp_path)
    save_net("deploy", *LAYERS)
    save_net("forced", "force_backward: true\n", *LAYERS)
    Image.fromarray(PIXELS).save("cat.png")
    np.save("mean.npy", MEANS)
    mean = caffe64.proto.caffe_pb2.BlobProto(num=1, channels=3, height=20, width=20, data=MEANS.reshape(-1))
    (tmp_path / "mean.binaryproto").write_bytes(mean.SerializeToString())
    (tmp_path / "synset_words.txt").write_text(CLASSES)

    def execute(script):
        names, printed = {}, io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("import numpy as np\nimport caffe64 as caffe\n" + script, "notebook", "exec"), names)
        return names, printed.getvalue()

    return execute


def resized(picture, height, width):
    """Linear interpolation at the centres of pixels, by SciPy."""
    old = picture.shape[:2]
    places = [(np.arange(new) + 0.5) * size / new - 0.5 for new, size in zip((height, width), old, strict=True)]
    grid = np.meshgrid(*places, indexing="ij")
    return np.stack([ndimage.map_coordinates(picture[..., c], grid, order=1) for c in range(3)], axis=2)


def prepared(height, width):
    """cat.png as the net takes it."""
    picture = resized(PIXELS / 255.0, height, width)[:, :, ::-1].transpose(2, 0, 1)
    return np.float32(picture * 255 - MEANS.mean((1, 2))[:, None, None])


CLASSIFICATION = """
import os
import matplotlib

os.environ['GLOG_minloglevel'] = '2'
caffe.set_mode_cpu()
net = caffe.Net('deploy.prototxt', 'deploy.caffemodel', caffe.TEST)

mu = np.load('mean.npy').mean(1).mean(1)
print('mean-subtracted values:', list(zip('BGR', mu)))
transformer = caffe.io.Transformer({'data': net.blobs['data'].data.shape})
transformer.set_transpose('data', (2, 0, 1))
transformer.set_mean('data', mu)
transformer.set_raw_scale('data', 255)
transformer.set_channel_swap('data', (2, 1, 0))

net.blobs['data'].reshape(50, 3, 15, 13)
image = caffe.io.load_image('cat.png')
transformed_image = transformer.preprocess('data', image)
net.blobs['data'].data[...] = transformed_image
output = net.forward()
output_prob = output['prob'][0]
print('predicted class is:', output_prob.argmax())
labels = np.loadtxt('synset_words.txt', str, delimiter='\\t')
top_inds = output_prob.argsort()[::-1][:5]
print('probabilities and labels:', list(zip(output_prob[top_inds], labels[top_inds])))

for layer_name, blob in net.blobs.items():
    print(layer_name + '\\t' + str(blob.data.shape))
for layer_name, param in net.params.items():
    print(layer_name + '\\t' + str(param[0].data.shape), str(param[1].data.shape))
filters = net.params['conv1'][0].data.transpose(0, 2, 3, 1)
feat = net.blobs['conv1'].data[0, :36]
probs = net.blobs['prob'].data[0]

net.blobs['data'].data[...] = transformer.preprocess('data', caffe.io.load_image('cat.png'))
net.forward()
again = net.blobs['prob'].data[0]
"""


def test_the_classification_example(run):
    names, printed = run(CLASSIFICATION)
    np.testing.assert_allclose(names["transformed_image"], prepared(15, 13), atol=2e-4)
    net = caffe64.load_caffe("deploy.prototxt", "deploy.caffemodel")
    expected = net.forward(data=np.stack([prepared(15, 13)] * 50))["prob"]
    np.testing.assert_allclose(names["output"]["prob"], expected, atol=1e-5)
    np.testing.assert_allclose(names["again"], names["output_prob"], atol=1e-6)
    np.testing.assert_allclose(names["probs"], names["output_prob"], atol=1e-6)
    assert names["feat"].shape == (6, 15, 13)
    assert names["feat"].min() == 0
    assert names["filters"].shape == (6, 3, 3, 3)
    lines = printed.splitlines()
    assert f"predicted class is: {expected[0].argmax()}" in lines
    assert CLASSES.splitlines()[expected[0].argmax()] in printed
    assert lines[-8:] == [
        "data\t(50, 3, 15, 13)", "conv1\t(50, 6, 15, 13)", "pool1\t(50, 6, 7, 6)", "norm1\t(50, 6, 7, 6)",
        "fc8\t(50, 4)", "prob\t(50, 4)", "conv1\t(6, 3, 3, 3) (6,)", "fc8\t(4, 252) (4,)",
    ]  # fmt: skip


CLASSIFIER = """
blob = caffe.proto.caffe_pb2.BlobProto()
blob.ParseFromString(open('mean.binaryproto', 'rb').read())
mean = np.array(caffe.io.blobproto_to_array(blob))[0]
net = caffe.Classifier('deploy.prototxt', 'deploy.caffemodel', mean=mean.mean(1).mean(1), channel_swap=(2, 1, 0),
                       raw_scale=255, image_dims=(18, 20))
image = caffe.io.load_image('cat.png')
ten = net.predict([image, image[:, ::-1]])
centre = net.predict([image], oversample=False)
print('predicted class:', ten[0].argmax())
"""


def test_a_classifier_with_a_binary_mean(run):
    names, _ = run(CLASSIFIER)
    np.testing.assert_array_equal(names["mean"], MEANS)
    net = caffe64.load_caffe("deploy.prototxt", "deploy.caffemodel")
    whole = prepared(18, 20)
    corners = [(y, x) for y in (0, 3) for x in (0, 7)] + [(1, 3)]
    crops = np.stack([whole[:, y : y + 15, x : x + 13] for y, x in corners])
    crops = np.concatenate([crops, crops[..., ::-1]])
    found = net.forward(data=crops)["prob"]
    np.testing.assert_allclose(names["ten"][0], found.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(names["centre"][0], found[4], atol=1e-5)
    assert names["ten"].shape == (2, 4)


DREAM = """
net = caffe.Net('forced.prototxt', 'forced.caffemodel', caffe.TEST)
end = 'norm1'

def objective_L2(dst):
    dst.diff[:] = dst.data

def make_step(net, step_size=1.5, end=end, jitter=2, objective=objective_L2):
    src = net.blobs['data']
    dst = net.blobs[end]
    ox, oy = np.random.randint(-jitter, jitter + 1, 2)
    src.data[0] = np.roll(np.roll(src.data[0], ox, -1), oy, -2)
    net.forward(end=end)
    objective(dst)
    net.backward(start=end)
    g = src.diff[0]
    src.data[:] += step_size / np.abs(g).mean() * g
    src.data[0] = np.roll(np.roll(src.data[0], -ox, -1), -oy, -2)

norms = []
np.random.seed(0)
for octave in ((15, 13), (15, 13), (15, 13)):
    src = net.blobs['data']
    src.reshape(1, 3, *octave)
    if not norms:
        src.data[0] = np.random.rand(3, *octave)
    for i in range(4):
        make_step(net)
        net.forward(end=end)
        norms.append(float((net.blobs[end].data ** 2).sum()))
"""


def test_dreaming_climbs(run):
    norms = run(DREAM)[0]["norms"]
    assert all(later > earlier for earlier, later in itertools.pairwise(norms))


SALIENCY = """
net = caffe.Net('forced.prototxt', 'forced.caffemodel', caffe.TEST)
net.blobs['data'].reshape(1, 3, 15, 13)
net.blobs['data'].data[...] = np.random.RandomState(0).rand(1, 3, 15, 13)
net.forward()
label = np.zeros((1, 4))
label[0, 2] = 1
net.blobs['fc8'].diff[...] = label
saliency = net.backward(start='fc8', diffs=['conv1'])
before = net.forward(end='fc8')['fc8'][0, 2]
net.blobs['data'].data[0, 1, 7, 6] += 0.25
slope = (net.forward(end='fc8')['fc8'][0, 2] - before) / 0.25
"""


def test_a_saliency_map_holds_slopes(run):
    names, _ = run(SALIENCY)
    assert sorted(names["saliency"]) == ["conv1", "data"]
    assert abs(names["saliency"]["data"][0, 1, 7, 6] - names["slope"]) < 0.02 * abs(names["saliency"]["data"]).max()


SURGERY = """
net = caffe.Net('deploy.prototxt', 'deploy.caffemodel', caffe.TEST)
net_full_conv = caffe.Net('full.prototxt', 'deploy.caffemodel', caffe.TEST)
fc_params = {pr: (net.params[pr][0].data, net.params[pr][1].data) for pr in ['fc8']}
conv_params = {pr: (net_full_conv.params[pr][0].data, net_full_conv.params[pr][1].data) for pr in ['fc8-conv']}
conv_params['fc8-conv'][0].flat = fc_params['fc8'][0].flat
conv_params['fc8-conv'][1][...] = fc_params['fc8'][1]
net_full_conv.save('full.caffemodel')
im = np.random.RandomState(0).rand(1, 3, 15, 13).astype('f4')
whole = net.forward_all(data=im, blobs=['fc8'])
out = net_full_conv.forward_all(data=np.asarray([im[0]]))
net_full_conv.blobs['data'].reshape(1, 3, 23, 17)
wide = net_full_conv.forward()
print(out['prob'][0].argmax(axis=0), net_full_conv.layers[1].type, list(net_full_conv._layer_names)[-1])
"""


def test_net_surgery(run):
    shape = "num_output: 4 kernel_h: 7 kernel_w: 6"
    full = layer("fc8-conv", "Convolution", "norm1", more=f"convolution_param {{ {shape} }}")
    net = caffe64.CaffeNet(graph_of(*LAYERS[:-2], full, layer("prob", "Softmax", "fc8-conv")))
    net.save("full.prototxt")
    with pytest.warns(UserWarning, match="deploy.caffemodel has no weights for 'fc8-conv': its fillers drew them"):
        names, printed = run(SURGERY)
    np.testing.assert_allclose(names["out"]["prob"][:, :, 0, 0], names["whole"]["prob"], atol=1e-5)
    assert names["wide"]["prob"].shape == (1, 4, 5, 3)
    assert printed.split()[-2:] == ["Convolution", "prob"]
    saved = caffe64.Net("full.prototxt", "full.caffemodel", caffe64.TEST)
    np.testing.assert_array_equal(saved.params["fc8-conv"][0].data, names["conv_params"]["fc8-conv"][0])
