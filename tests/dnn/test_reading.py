"""readNet and its kin: names of files in any order, contents in memory, nets for training, ONNX; and the import."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from reference.child import run_json
from reference.dnn_nets import classifier, write_net
from support import SHARED, needs_shared

import caffe64
from caffe64 import dnn
from caffe64.errors import Caffe64Error, FileMissing, InputError, UsageError

X = np.random.default_rng(0).standard_normal((1, 3, 32, 32), np.float32)
TRAINING = """
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TRAIN } data_param { batch_size: 4 } }
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TEST } data_param { batch_size: 4 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


@pytest.fixture
def files(tmp_path) -> tuple[str, str]:
    return write_net(tmp_path, classifier(3))


def output(net: dnn.Net) -> np.ndarray:
    net.setInput(X)
    return net.forward()


def test_files_in_any_order_and_contents_of_any_kind(files):
    net, model = files
    expected = output(dnn.readNetFromCaffe(net, model))
    contents = Path(net).read_bytes(), Path(model).read_bytes()
    arrays = [np.frombuffer(content, np.uint8) for content in contents]
    reads = [
        dnn.readNetFromCaffe(prototxt=net, caffeModel=model),
        dnn.readNetFromCaffe(Path(net), Path(model)),
        dnn.readNetFromCaffe(*contents),
        dnn.readNetFromCaffe(*map(bytearray, contents)),
        dnn.readNetFromCaffe(*map(memoryview, contents)),
        dnn.readNetFromCaffe(*arrays),
        dnn.readNetFromCaffe(bufferProto=arrays[0], bufferModel=arrays[1]),
        dnn.readNetFromCaffe(list(contents[0]), list(contents[1])),
        dnn.readNetFromCaffe(net, contents[1]),
        dnn.readNet(net, model),
        dnn.readNet(model, net),
        dnn.readNet(model, net, "caffe"),
        dnn.readNet(Path(model), Path(net)),
        dnn.readNet(model=model, config=net, framework="Caffe"),
        dnn.readNet("caffe", contents[1], contents[0]),
        dnn.readNet("caffe", arrays[1], arrays[0]),
    ]
    for each in reads:
        np.testing.assert_array_equal(output(each), expected)


def test_a_net_alone(files):
    for net in (dnn.readNetFromCaffe(files[0]), dnn.readNet(files[0]), dnn.readNetFromCaffe(files[0], "")):
        assert net.getLayerNames()[0] == "conv1"


def test_a_net_for_training_becomes_one_that_predicts(tmp_path):
    (tmp_path / "net.prototxt").write_text(TRAINING)
    net = dnn.readNetFromCaffe(tmp_path / "net.prototxt")
    assert net.getLayerNames() == ("ip", "prob")
    net.getLayer("ip").blobs = [np.eye(3), np.zeros(3)]
    net.setInput(np.float32([[0, 0, 0], [9, 0, 0]]))
    np.testing.assert_allclose(net.forward()[:, 0], [1 / 3, 0.99975], atol=1e-4)


def test_weights_of_a_net_whose_shapes_are_not_known_are_those_of_the_model(tmp_path):
    (tmp_path / "net.prototxt").write_text(TRAINING)
    shaped = caffe64.load_caffe(tmp_path / "net.prototxt", deploy=True, input_shapes={"data": (1, 5)})
    shaped.save(tmp_path / "net.caffemodel")
    net = dnn.readNetFromCaffe(tmp_path / "net.prototxt", tmp_path / "net.caffemodel")
    x = np.random.default_rng(0).standard_normal((2, 5), np.float32)
    net.setInput(x)
    np.testing.assert_allclose(net.forward(), shaped.forward(data=x)["prob"], rtol=1e-6)
    net.setInput(x[:, :4])
    with pytest.raises(InputError, match="'ip'"):
        net.forward()


def test_an_onnx_model_has_its_outputs_as_layers(tmp_path, files):
    pytest.importorskip("onnx")
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "net.onnx"
    caffe64.export_onnx(caffe64.load_caffe(*files), path)
    content = path.read_bytes()
    theirs = cv2.dnn.readNetFromONNX(str(path))
    expected = output(theirs)
    for net in (
        dnn.readNetFromONNX(path),
        dnn.readNetFromONNX(str(path)),
        dnn.readNetFromONNX(content),
        dnn.readNetFromONNX(np.frombuffer(content, np.uint8)),
        dnn.readNetFromONNX(buffer=content),
        dnn.readNet(str(path)),
        dnn.readNet("onnx", content),
    ):
        np.testing.assert_allclose(output(net), expected, atol=1e-6)
        assert net.getUnconnectedOutLayersNames() == theirs.getUnconnectedOutLayersNames() == ("prob",)
        np.testing.assert_allclose(net.forward("prob"), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: dnn.readNetFromCaffe("none.prototxt"), FileMissing),
        (lambda: dnn.readNetFromCaffe(""), UsageError),
        (lambda: dnn.readNetFromCaffe(3), UsageError),
        (lambda: dnn.readNetFromCaffe(None), UsageError),
        (lambda: dnn.readNetFromCaffe(np.zeros(3)), UsageError),
        (lambda: dnn.readNetFromCaffe(b"layer { name: 'a' type: 'Nothing' bottom: 'a' }"), InputError),
        (lambda: dnn.readNetFromCaffe(b"input: 'a' layer { name: 'b' type: 'Nothing' bottom: 'a' }"), InputError),
        (lambda: dnn.readNetFromONNX(""), UsageError),
        (lambda: dnn.readNet("a.pb", "b.pbtxt"), UsageError),
        (lambda: dnn.readNet("a.cfg", "b.weights"), UsageError),
        (lambda: dnn.readNet("a.caffemodel", "b.onnx"), UsageError),
        (lambda: dnn.readNet("a.t7"), UsageError),
        (lambda: dnn.readNet(b"layer {}"), UsageError),
        (lambda: dnn.readNet("tensorflow", b"", b""), UsageError),
        (lambda: dnn.readNet(3), UsageError),
    ],
)
def test_wrong_files_are_refused(call, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Caffe64Error) as caught:
        call()
    assert type(caught.value) is kind


def test_the_import_is_light_and_caffe64_alone_does_not_do_it():
    code = (
        "import sys, json, numpy, time\n"
        "import caffe64\n"
        "alone = 'caffe64.dnn' in sys.modules\n"
        "started = time.process_time()\n"
        "import caffe64.dnn as dnn\n"
        "seconds = time.process_time() - started\n"
        "dnn.blobFromImage(numpy.zeros((40, 50, 3), numpy.uint8), 1.0, (20, 30))\n"
        "heavy = ['numba', 'llvmlite', 'cv2', 'PIL', 'google.protobuf', 'onnx', 'caffe64.dnn.net']\n"
        "print(json.dumps([alone, seconds, [name for name in heavy if name in sys.modules]]))\n"
    )
    dnn.blobFromImage(np.zeros((40, 50, 3), np.uint8), 1.0, (20, 30))  # compiled and kept
    alone, seconds, heavy = run_json(code)
    assert not alone
    assert heavy == []
    assert seconds < 0.5
    assert caffe64.dnn is dnn


@needs_shared
def test_a_net_runs_without_numba_once_its_kernels_are_kept():
    code = (
        "import sys, json, numpy\n"
        "import caffe64.dnn as dnn\n"
        "net = dnn.readNetFromCaffe(sys.argv[1] + '.prototxt', sys.argv[1] + '.caffemodel')\n"
        "net.setInput(numpy.zeros((1, 3, 40, 50), numpy.float32))\n"
        "net.forward(net.getUnconnectedOutLayersNames())\n"
        "print(json.dumps('numba' in sys.modules))\n"
    )
    path = SHARED / "caffe" / "models" / "mtcnn_det1"
    run_json(code, path)
    assert run_json(code, path) is False
