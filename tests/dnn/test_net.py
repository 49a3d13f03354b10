"""Net under OpenCV's names: layers, inputs, results, weights, costs; and what is refused."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from reference.dnn_nets import classifier, pose, source, ssd, text_detector, write_net
from support import assert_close

from caffe64 import dnn
from caffe64.errors import InputError, UsageError

cv2 = pytest.importorskip("cv2")
SLICES = """
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 6 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" }
layer { name: "parts" type: "Slice" bottom: "conv" top: "a" top: "b" slice_param { axis: 1 slice_point: 2 } }
layer { name: "dense" type: "InnerProduct" bottom: "b" top: "values" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "values" top: "prob" }
layer { name: "side" type: "Sigmoid" bottom: "conv" top: "side_values" }
"""
TWO_INPUTS = """
input: "first" input: "second"
layer { name: "sum" type: "Eltwise" bottom: "first" bottom: "second" top: "sum" }
layer { name: "twice" type: "Power" bottom: "sum" top: "sum" power_param { scale: 2 } }
"""


def values(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def both(folder, text: str, *inputs: np.ndarray, **options):
    """Our net and OpenCV's, from the same files, with the same inputs."""
    files = write_net(folder, text, **options)
    nets = dnn.readNetFromCaffe(*files), cv2.dnn.readNetFromCaffe(*files)
    for net in nets:
        for x in inputs:
            net.setInput(x)
    return nets


def close(found, expected, name: str = "") -> None:
    assert_close(name, found, expected, 1e-5 * max(1e-30, np.abs(expected).max(initial=0)))


@pytest.fixture
def slices(tmp_path):
    return both(tmp_path, source(1, 3, 8, 8) + SLICES, values(1, 3, 8, 8))


# ------------------------------------------------------------------------------------------------------------- layers
def test_layers_have_opencvs_names_numbers_and_types(slices):
    ours, theirs = slices
    assert ours.getLayerNames() == theirs.getLayerNames()
    assert ours.getUnconnectedOutLayersNames() == theirs.getUnconnectedOutLayersNames() == ("prob", "side")
    found, expected = ours.getUnconnectedOutLayers(), theirs.getUnconnectedOutLayers()
    assert (found.dtype, found.tolist()) == (expected.dtype, expected.tolist())
    for name in (*ours.getLayerNames(), "_input", "none"):
        assert ours.getLayerId(name) == theirs.getLayerId(name)
    for number in range(len(ours.getLayerNames()) + 1):
        assert ours.getLayer(number).name == theirs.getLayer(number).name
        assert len(ours.getLayer(number).blobs) == len(theirs.getLayer(number).blobs)
    assert ours.getLayerTypes() == theirs.getLayerTypes()
    assert ours.getLayersCount("ReLU") == theirs.getLayersCount("ReLU") == 1
    assert ours.empty() is theirs.empty() is False
    assert dnn.Net().empty() is cv2.dnn.Net().empty() is True
    assert isinstance(ours, dnn.Net)
    assert isinstance(ours.getLayer("conv"), dnn.Layer)
    assert ours.getLayer("conv").preferableTarget == theirs.getLayer("conv").preferableTarget
    assert [ours.getLayer("parts").outputNameToIndex(name) for name in ("a", "b", "parts", "c")] == [0, 1, 0, -1]


def test_a_convolution_is_called_as_its_blob_and_a_repeated_name_gets_a_number(tmp_path):
    text = source(1, 2, 4, 4) + (
        'layer { name: "c" type: "Convolution" bottom: "data" top: "t" '
        "convolution_param { num_output: 2 kernel_size: 1 } }\n"
        'layer { name: "r" type: "ReLU" bottom: "t" top: "t" }\n'
        'layer { name: "r" type: "Sigmoid" bottom: "t" top: "u" }\n'
    )
    ours, theirs = both(tmp_path, text, values(1, 2, 4, 4))
    assert ours.getLayerNames() == theirs.getLayerNames() == ("t", "r", "r_1")
    for name in ours.getLayerNames():
        close(ours.forward(name), theirs.forward(name), name)
    close(ours.forward("c"), ours.forward("t"))  # the name in the file is one too


# ------------------------------------------------------------------------------------------------------------ results
SINGLE = [(), ("",), (None,), ("prob",), ("conv",), ("relu",), ("drop",), ("parts",), ("dense",)]
SEVERAL = [(["prob", "side"],), (["parts"],), (("conv", "conv"),), ([],), ([], "parts")]


@pytest.mark.parametrize("arguments", SINGLE + SEVERAL)
def test_forward_takes_what_opencvs_bindings_take(slices, arguments):
    found, expected = (net.forward(*arguments) for net in slices)
    assert type(found) is type(expected) is (np.ndarray if arguments in SINGLE else tuple)
    for each, other in zip(found, expected, strict=True):
        close(each, other)


def test_forward_takes_names_of_arguments(slices):
    ours, theirs = slices
    close(ours.forward(outputName="side"), theirs.forward(outputName="side"))
    close(ours.forward(outBlobNames=["dense"])[0], theirs.forward(outBlobNames=["dense"])[0])


def test_all_outputs_of_layers(slices):
    """OpenCV uses the memory of a second output again where another layer is asked for as well."""
    ours, theirs = slices
    for found, expected in zip(ours.forwardAndRetrieve(["parts"]), theirs.forwardAndRetrieve(["parts"]), strict=True):
        assert len(found) == len(expected) == 2
        for each, other in zip(found, expected, strict=True):
            close(each, other)
    parts, prob = ours.forwardAndRetrieve(["parts", "prob"])
    close(np.concatenate(parts, axis=1), ours.forward("drop"))
    close(prob[0], ours.forward("prob"))


def test_a_blob_names_the_layer_that_gives_it(slices):
    ours, _ = slices
    close(ours.forward("values"), ours.forward("dense"))
    close(ours.forward("b"), ours.forwardAndRetrieve(["parts"])[0][1])
    assert (ours.forward("conv") < 0).any()  # the layer of this name, not what the next ones make of its blob


@pytest.mark.parametrize("first", ["conv", "relu", "drop", "prob"])
def test_each_layer_gives_its_own_result_whatever_was_asked_before(slices, first):
    ours, _ = slices
    ours.forward(first)
    assert (ours.forward("conv") < 0).any()
    assert not (ours.forward("relu") < 0).any()
    close(ours.forward("relu"), np.maximum(ours.forward("conv"), 0))


def test_results_are_copies_and_inputs_stay(slices):
    ours, _ = slices
    first = ours.forward("prob")
    kept = first.copy()
    first[...] = -1
    np.testing.assert_array_equal(ours.forward("prob"), kept)
    x = values(1, 3, 8, 8, seed=1)
    ours.setInput(x)
    second = ours.forward("prob")
    x[...] = 0
    np.testing.assert_array_equal(ours.forward("prob"), second)
    assert np.abs(second - kept).max() > 1e-3


@pytest.mark.parametrize("text", [pose(), text_detector()])
def test_the_net_takes_the_shape_of_its_input(tmp_path, text):
    ours, theirs = both(tmp_path, text)
    for shape in [(1, 3, 48, 48), (3, 3, 48, 48), (1, 3, 40, 72), (2, 3, 33, 31)]:
        for net in (ours, theirs):
            net.setInput(values(*shape))
        names = ours.getUnconnectedOutLayersNames()
        for found, expected in zip(ours.forward(names), theirs.forward(names), strict=True):
            close(found, expected, str(shape))


def test_a_shape_that_weights_do_not_fit_is_refused_and_the_next_works(tmp_path):
    ours, theirs = both(tmp_path, classifier(4))
    ours.setInput(values(1, 3, 40, 40))
    with pytest.raises(InputError, match="'fc'"):
        ours.forward()
    for net in (ours, theirs):
        net.setInput(values(2, 3, 32, 32))
    close(ours.forward(), theirs.forward())


@pytest.mark.parametrize(("batch", "keep", "threshold"), [(1, 20, 0.2), (2, 5, 0.2), (2, 50, 0.45), (1, 20, 0.999)])
def test_detections_are_in_opencvs_order_with_zeros_after_them(tmp_path, batch, keep, threshold):
    x = 100 * values(batch, 3, 64, 64)
    ours, theirs = both(tmp_path, ssd(keep, threshold, classes=3), x)
    found, expected = ours.forward(), theirs.forward()
    assert found.shape == expected.shape == (1, 1, keep * batch, 7)
    close(found, expected)
    assert (threshold < 0.9) == bool(found.any())


def test_without_a_limit_there_are_as_many_detections_as_are_found(tmp_path):
    net = dnn.readNetFromCaffe(*write_net(tmp_path, ssd(-1, 0.4)))
    net.setInput(100 * values(1, 3, 64, 64))
    rows = net.forward()[0, 0]
    assert len(rows) > 0
    assert (rows[:, 2] > 0.4).all()
    assert (np.diff(rows[:, 2]) <= 0).all()
    net.setInput(np.zeros((1, 3, 64, 64), np.float32))
    net.getLayer("conf").blobs = [np.zeros((4, 8, 3, 3)), [50, -50, 50, -50]]  # background everywhere
    assert net.forward().shape == (1, 1, 0, 7)


# ------------------------------------------------------------------------------------------------------------- inputs
@pytest.mark.parametrize("options", [{}, {"scalefactor": 0.5}, {"mean": (1, 2, 3)}, {"scalefactor": 2, "mean": 7}])
@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_set_input_prepares(tmp_path, options, kind):
    ours, theirs = both(tmp_path, pose())
    x = (20 * np.abs(values(1, 3, 48, 48))).astype(kind)
    for net in (ours, theirs):
        net.setInput(x, "data", **options)
    close(ours.forward(), theirs.forward())
    ours.setInput(x, "", *options.values()) if len(options) != 1 else None


@pytest.mark.parametrize("kind", ["f8", "i4", "i1", "f2", "i8"])
def test_numbers_of_any_type_are_inputs(tmp_path, kind):
    ours, theirs = both(tmp_path, pose())
    x = (20 * values(1, 3, 48, 48)).astype(kind)
    for net in (ours, theirs):
        net.setInput(x)
    close(ours.forward(), theirs.forward())


def test_inputs_without_shapes_and_with_other_names(tmp_path):
    (tmp_path / "net.prototxt").write_text(TWO_INPUTS)
    ours, theirs = (module.readNetFromCaffe(str(tmp_path / "net.prototxt")) for module in (dnn, cv2.dnn))
    x, y = values(1, 3, 4, 5), values(1, 3, 4, 5, seed=1)
    ours.setInput(x)
    with pytest.raises(UsageError, match="'second'"):
        ours.forward()
    for net in (ours, theirs):
        net.setInput(x, "first")
        net.setInput(y, "second")
    close(ours.forward(), theirs.forward())
    close(ours.forward("sum"), x + y)
    for net in (ours, theirs):
        net.setInputsNames(["p", "q"])
        net.setInputShape("q", (1, 3, 4, 5))
        net.setInput(y, "p")
        net.setInput(y, "q")
    close(ours.forward(), theirs.forward())
    with pytest.raises(UsageError, match="'first'"):
        ours.setInput(x, "first")
    for wrong in (["p"], ["p", "p"], "pq", [1, 2]):
        with pytest.raises(UsageError):
            ours.setInputsNames(wrong)


# ------------------------------------------------------------------------------------------------------------ weights
def test_weights_are_read_and_written(slices):
    ours, theirs = slices
    for name in ("conv", "dense"):
        for number in range(2):
            close(ours.getParam(name, number).ravel(), theirs.getParam(name, number).ravel())
            close(ours.getParam(ours.getLayerId(name), number), ours.getLayer(name).blobs[number])
    changed = values(6, 3, 3, 3, seed=7)
    ours.getParam("conv")[...] = 0  # a copy
    for net in slices:
        net.setParam("conv", 0, changed)
    close(ours.getParam("conv"), changed)
    close(ours.forward("prob"), theirs.forward("prob"))
    before = ours.forward("prob")
    ours.getLayer("conv").blobs = [2 * changed, np.zeros(6)]
    assert np.abs(ours.forward("prob") - before).max() > 1e-4  # also where it had run


def test_layers_without_weights_run_once_they_have_some(tmp_path):
    ours, theirs = both(tmp_path, classifier(4), values(1, 3, 32, 32), without=("conv2",))
    assert ours.getLayer("conv2").blobs == ()
    first = ours.forward("conv1")  # what does not need them runs
    with pytest.raises(InputError, match=r"'conv2'.*no weights"):
        ours.forward()
    for net in (ours, theirs):
        net.getLayer("conv2").blobs = [values(12, 8, 3, 3), values(12, 1)]
    close(ours.forward(), theirs.forward())
    close(first, ours.forward("conv1"))
    ours.getLayer("conv2").blobs = [np.zeros((12, 8, 3, 3)), values(12)]
    assert np.ptp(ours.forward("conv2"), axis=(2, 3)).max() == 0


def test_a_net_without_a_model_needs_weights(tmp_path):
    (tmp_path / "net.prototxt").write_text(classifier(4))
    net = dnn.readNetFromCaffe(tmp_path / "net.prototxt")
    net.setInput(values(1, 3, 32, 32))
    with pytest.raises(InputError, match=r"'conv1'.*no weights"):
        net.forward()


@pytest.mark.parametrize(
    "given", [[], [values(6, 3, 3, 3)], [values(6, 3, 3), values(6)], [["a"], ["b"]], values(2, 3)]
)
def test_weights_of_other_shapes_are_refused(slices, given):
    ours, _ = slices
    with pytest.raises(UsageError):
        ours.getLayer("conv").blobs = given


def test_a_wrong_number_of_missing_weights_is_refused_when_the_net_runs(tmp_path):
    net = dnn.readNetFromCaffe(*write_net(tmp_path, classifier(4), without=("fc",)))
    net.setInput(values(1, 3, 32, 32))
    for given in ([values(4, 3072)], [values(4, 3071), values(4)], [values(4, 3072), values(4), values(4)]):
        other = copy.deepcopy(net)
        other.getLayer("fc").blobs = given
        with pytest.raises(InputError, match="'fc'"):
            other.forward()


# -------------------------------------------------------------------------------------------------------------- costs
@pytest.mark.parametrize("text", [source(1, 3, 8, 8) + SLICES, pose(), classifier(5)])
def test_shapes_memory_and_operations_are_opencvs(tmp_path, text):
    ours, theirs = both(tmp_path, text)
    shape = (2, 3, 32, 32) if "fc" in ours.getLayerNames() else (2, 3, 8, 8)
    if "norm1" not in ours.getLayerNames():  # whose operations OpenCV counts otherwise
        assert ours.getFLOPS(shape) == theirs.getFLOPS(shape)
    for number in range(1, len(ours.getLayerNames()) + 1):
        if ours.getLayer(number).type != "LRN":
            assert ours.getFLOPS(number, shape) == theirs.getFLOPS(number, shape), ours.getLayer(number).name
    assert ours.getMemoryConsumption(shape) == theirs.getMemoryConsumption(shape)
    assert ours.getMemoryConsumption(1, shape) == theirs.getMemoryConsumption(1, shape)
    assert ours.getFLOPS([shape]) == ours.getFLOPS(np.array(shape)) == ours.getFLOPS(shape)
    found, expected = ours.getLayersShapes(shape), theirs.getLayersShapes(shape)
    assert found[0].tolist() == expected[0].tolist()
    for each, other in zip(found[1:], expected[1:], strict=True):
        assert [[shape.tolist() for shape in layer] for layer in each] == [
            [shape.tolist() for shape in layer] for layer in other
        ]


def test_the_profile_has_a_time_for_each_layer(slices):
    ours, theirs = slices
    total, timings = ours.getPerfProfile()
    assert (total, timings.size) == (0, 0)
    ours.forward()
    theirs.forward()
    total, timings = ours.getPerfProfile()
    expected = theirs.getPerfProfile()[1]
    assert (timings.dtype, timings.shape) == (expected.dtype, expected.shape)
    assert timings[ours.getLayerId("conv") - 1] > 0
    assert total == pytest.approx(timings.sum(), abs=1)
    assert 1e3 < total < 1e10  # nanoseconds


# ----------------------------------------------------------------------------------------------------------- settings
def test_backends_and_targets_have_opencvs_numbers_and_are_accepted(slices):
    ours, _ = slices
    for name in dir(cv2.dnn):
        if name.startswith(("DNN_BACKEND_", "DNN_TARGET_")):
            assert getattr(dnn, name) == getattr(cv2.dnn, name)
    before = ours.forward()
    ours.setPreferableBackend(dnn.DNN_BACKEND_CUDA)
    with pytest.warns(UserWarning, match="CPU"):
        ours.setPreferableTarget(dnn.DNN_TARGET_CUDA)
    ours.setPreferableTarget(dnn.DNN_TARGET_CPU)
    np.testing.assert_array_equal(ours.forward(), before)
    for wrong in (99, -1, "cpu", None):
        with pytest.raises(UsageError):
            ours.setPreferableTarget(wrong)
        with pytest.raises(UsageError):
            ours.setPreferableBackend(wrong)
    assert dnn.getAvailableTargets(dnn.DNN_BACKEND_OPENCV) == cv2.dnn.getAvailableTargets(3)


def test_fusion_and_winograd_change_rounding_at_most(slices):
    ours, _ = slices
    before = ours.forward("prob")
    ours.enableFusion(False)
    close(ours.forward("prob"), before)
    timings = dict(zip(ours.getLayerNames(), ours.getPerfProfile()[1], strict=True))
    assert timings["relu"] > 0
    ours.enableWinograd(False)
    close(ours.forward("prob"), before)
    for wrong in (ours.enableFusion, ours.enableWinograd):
        with pytest.raises(UsageError):
            wrong("no")


def test_a_net_survives_pickle_and_copy(slices):
    ours, _ = slices
    before = ours.forward("prob")
    for other in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours)):
        np.testing.assert_array_equal(other.forward("prob"), before)
        other.setParam("conv", 0, np.zeros((6, 3, 3, 3)))
        np.testing.assert_array_equal(ours.forward("prob"), before)


def test_many_different_requests_do_not_pile_up(slices):
    ours, _ = slices
    for name in ours.getLayerNames():
        ours.forward(name)
    assert len(ours._parts) <= 4


# ------------------------------------------------------------------------------------------------------------ refusals
@pytest.mark.parametrize(
    "call",
    [
        lambda net: net.setInput(values(1, 3, 8, 8), "none"),
        lambda net: net.setInput("a.png"),
        lambda net: net.setInput(None),
        lambda net: net.setInput(values(1, 3, 8, 8), "", "2"),
        lambda net: net.setInput(values(1, 3, 8, 8), "", 1.0, (1, 2, 3, 4, 5)),
        lambda net: net.setInput(values(1, 5, 8, 8), "", 1.0, (1, 2, 3)),
        lambda net: net.forward("none"),
        lambda net: net.forward(3),
        lambda net: net.forward("_input"),
        lambda net: net.forward(["prob", "none"]),
        lambda net: net.forward(output="prob"),
        lambda net: net.forward(outputName=3),
        lambda net: net.forward(outBlobNames="prob"),
        lambda net: net.getLayer("none"),
        lambda net: net.getLayer(99),
        lambda net: net.getLayer(-1),
        lambda net: net.getLayer(1.0),
        lambda net: net.getParam("conv", 2),
        lambda net: net.getParam("relu"),
        lambda net: net.setParam("conv", 2, [1.0]),
        lambda net: net.setParam("conv", 0, "a"),
        lambda net: net.getFLOPS((1, 3, -8, 8)),
        lambda net: net.getFLOPS(5),
        lambda net: net.getFLOPS(((1, 3, 8, 8), (1, 3, 8, 8))),
        lambda net: net.getFLOPS(),
        lambda net: net.getMemoryConsumption("conv", "a"),
        lambda net: net.setInputShape("none", (1, 2)),
        lambda net: net.setInputShape("data", 3),
    ],
)
def test_wrong_calls_are_refused(slices, call):
    with pytest.raises(UsageError):
        call(slices[0])


def test_a_layer_that_takes_no_weights_is_refused_when_it_runs(slices):
    """Until then it is not known how many it takes."""
    slices[0].setParam("relu", 0, [1.0])
    with pytest.raises(InputError, match="'relu'"):
        slices[0].forward("relu")


def test_an_empty_net_says_so():
    net = dnn.Net()
    for call in (net.forward, lambda: net.forward(["a"]), lambda: net.setInput(values(1, 2)), lambda: net.forward([])):
        with pytest.raises(UsageError, match="empty"):
            call()


def test_missing_names_of_opencv_have_a_hint(slices):
    for owner, name in ((slices[0], "dump"), (slices[0], "forwardAsync"), (dnn, "readNetFromDarknet")):
        with pytest.raises(AttributeError, match=r"has: "):
            getattr(owner, name)
    with pytest.raises(AttributeError, match="nothing"):
        dnn.nothing  # noqa: B018
    assert set(dnn.__all__) == set(dir(dnn))
    public = {name for name in dir(cv2.dnn) if not name.startswith("_")}
    assert set(dnn.__all__) <= public
