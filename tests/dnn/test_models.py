"""Every Caffe model of the reference data, as OpenCV 4 computes it: names, numbers, inner layers and outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from reference.caffe_graphs import give_weights
from reference.wild_cases import MODELS as MODELS_OF_FORKS
from support import SHARED, needs_shared

import caffe64
from caffe64 import dnn
from caffe64.engine.graph.analysis.shapes import known_shapes

TOLERANCE = 1e-5  # of the largest magnitude
OF_DRAWN_WEIGHTS = 3e-5  # whose sums before a Softmax may be large: their rounding is relative in what it gives
CAFFE = SHARED / "caffe"
MODELS = {"deploy_68_new": "vgg_68_new", "train_val": "cifar10", "opt_train_val": "opt_cifar10"}
INPUTS = {  # shapes that the files do not say: of data layers
    "cifar10": (2, 3, 32, 32),
    "nets": (1, 3, 32, 32),
    "siamese": (2, 2, 8, 8),
    "train_pictures": (2, 3, 14, 20),
    "solver": (2, 1, 8, 8),
}
OPENCV_REFUSES = {  # or stops when it runs them, also in the form that caffe64 writes
    *("found/pspnet_bn", "found/segnet_bn"),
    *("wild/model_bn_pspnet", "wild/model_bn_segnet", "wild/model_pspnet", "wild/model_segnet", "wild/model_senet"),
}
OPENCV_STOPS = {"label_input"}  # it opens the net, but has no such loss
OWN_SCALE = {"model_bn_nvcaffe", "model_bn_nvcaffe_digits", "nv_bn", "nv_bn_filler"}  # two layers here
NOT_NETS = {"lenet_solver", "solver"}
LARGEST_BATCH = 2
pytestmark = needs_shared


def nets() -> list[Path]:
    found = [path for folder in ("cifar10", "face68", "models", "nets") for path in (CAFFE / folder).glob("*.prototxt")]
    found += [path for path in (CAFFE / "wild").glob("*.prototxt") if _model(path)]
    found += [path for path in (CAFFE / "solver").glob("*/net.prototxt") if _model(path)]
    found += [path for path in (SHARED / "found").glob("*.prototxt") if _model(path)]
    return sorted(path for path in found if path.stem not in NOT_NETS)


def _model(path: Path) -> Path | None:
    names = (f"{MODELS.get(path.stem, path.stem)}.caffemodel", f"{path.stem}.caffemodel.h5", "init.caffemodel")
    return next((path.parent / name for name in names if (path.parent / name).exists()), None)


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _close(found: np.ndarray, expected: np.ndarray, name: str, tolerance: float = TOLERANCE) -> None:
    assert found.shape == expected.shape, name
    scale = max(1e-30, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale, err_msg=name)


def _shapes(net: dnn.Net, path: Path) -> dict[str, tuple[int, ...]]:
    known = known_shapes(net._graph)
    default = next((shape for name, shape in INPUTS.items() if name in path.parts), (1, 3, 32, 32))
    shapes = {blob.name: known.get(blob, default) for blob in net._graph.inputs}
    return {name: (min(shape[0], LARGEST_BATCH), *shape[1:]) for name, shape in shapes.items()}


@pytest.mark.parametrize("path", nets(), ids=_name)
def test_a_net_is_that_of_opencv(path, tmp_path):
    cv2 = pytest.importorskip("cv2")
    model = _model(path)
    net = dnn.readNetFromCaffe(path, model or "")
    shapes = _shapes(net, path)
    if model is None:
        give_weights(net._graph, inputs=shapes)
    refused = _name(path) in OPENCV_REFUSES
    other = None if refused else _of_opencv(cv2, path, model, net, tmp_path)
    rng = np.random.default_rng(0)
    for name, shape in shapes.items():
        x = rng.standard_normal(shape, np.float32)
        for each in filter(None, (net, other)):
            each.setInput(x, name)
    outputs = net.getUnconnectedOutLayersNames()
    found = net.forward(outputs)
    assert all(np.isfinite(array).all() for array in found)
    if refused:
        with pytest.raises(cv2.error):
            _run_in_opencv(cv2, path, model, net, tmp_path)
    else:
        theirs = other.forward(other.getUnconnectedOutLayersNames())
        for name, array, expected in zip(outputs, found, theirs, strict=True):
            _close(array, expected, name, TOLERANCE if model else OF_DRAWN_WEIGHTS)
        _same_tables(net, other, two_layers=path.stem in OWN_SCALE)
        if path.stem not in OWN_SCALE:
            tolerance = TOLERANCE if model else OF_DRAWN_WEIGHTS
            _same_inner_layers(net, _of_opencv(cv2, path, model, net, tmp_path), tolerance)


def _of_opencv(cv2, path: Path, model: Path | None, net: dnn.Net, folder: Path):
    """OpenCV's net: from the files, or, where it does not open them, from those that caffe64 writes."""
    as_it_is = "solver" not in path.parts and path.stem not in OPENCV_STOPS
    if as_it_is and model is not None and model.suffix == ".caffemodel":
        try:
            return cv2.dnn.readNetFromCaffe(str(path), str(model))
        except cv2.error:
            pass
    caffe64.CaffeNet(net._graph).save(folder / "net.prototxt", folder / "net.caffemodel")
    return cv2.dnn.readNetFromCaffe(str(folder / "net.prototxt"), str(folder / "net.caffemodel"))


def _run_in_opencv(cv2, path: Path, model: Path | None, net: dnn.Net, folder: Path) -> None:
    other = _of_opencv(cv2, path, model, net, folder)
    for name, blob in net._inputs.items():
        other.setInput(net._given[blob], name)
    other.forward()


def _same_tables(net: dnn.Net, other, *, two_layers: bool) -> None:
    ours = [(name, net.getLayer(name).type) for name in net.getLayerNames()]
    theirs = [(name, other.getLayer(other.getLayerId(name)).type) for name in other.getLayerNames()]
    if two_layers:
        assert [each for each in ours if each in theirs] == theirs
        return
    assert ours == theirs
    assert net.getUnconnectedOutLayers().tolist() == other.getUnconnectedOutLayers().tolist()
    assert [net.getLayerId(name) for name, _ in ours] == [other.getLayerId(name) for name, _ in ours]


def _same_inner_layers(net: dnn.Net, other, tolerance: float) -> None:
    """Without fusion: with it, OpenCV gives other numbers or none for a BatchNorm that went into a convolution."""
    other.enableFusion(False)
    for name, blob in net._inputs.items():
        other.setInput(net._given[blob], name)
    for name in other.getLayerNames()[:40]:
        if net.getLayer(name).type not in ("Dropout", "Silence"):
            _close(net.forward(name), other.forward(name), name, tolerance)


@pytest.mark.parametrize("name", ["mnet-deconv-0517", "mtcnn_det1", "hyperlpr_segmentation"])
def test_a_net_gives_what_caffe_does(name):
    expected = np.load(CAFFE / "models" / f"{name}_caffe.npz")
    net = dnn.readNetFromCaffe(CAFFE / "models" / f"{name}.prototxt", CAFFE / "models" / f"{name}.caffemodel")
    net.setInput(expected["input"])
    for blob in expected.files[1:]:
        _close(net.forward(blob.removeprefix("blob:")), expected[blob], blob)


@pytest.mark.parametrize("name", MODELS_OF_FORKS)
def test_a_net_gives_what_its_fork_of_caffe_does(name):
    with np.load(CAFFE / "wild" / f"{name}_io.npz") as answers:
        bottom, top = answers["bottom0"], answers["top0"]
    model = next((CAFFE / "wild").glob(f"{name}.caffemodel*"))
    net = dnn.readNetFromCaffe(CAFFE / "wild" / f"{name}.prototxt", model)
    net.setInput(bottom)
    _close(net.forward(), top, name)


def test_nets_on_pictures():
    cv2 = pytest.importorskip("cv2")
    files = [str(CAFFE / "face68" / name) for name in ("deploy_68_new.prototxt", "vgg_68_new.caffemodel")]
    pictures = [CAFFE / "face68" / "10.jpg", *sorted((CAFFE / "cifar10" / "images").glob("*.png"))[:5]]
    nets = [module.readNetFromCaffe(*files) for module in (dnn, cv2.dnn)]
    for path in pictures:
        image = cv2.imread(str(path))
        results = []
        for module, net in zip((dnn, cv2.dnn), nets, strict=True):
            net.setInput(module.blobFromImage(image, 1 / 64, (60, 60), (120, 127, 130)))
            results.append(net.forward())
        _close(*results, path.name)
