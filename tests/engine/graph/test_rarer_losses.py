"""InfogainLoss, MultinomialLogisticLoss, CenterLoss and ContrastiveLoss: values and slopes against float64, the file
of a matrix, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import data, layer
from reference.caffe_layers import built, net_text, run_layer
from reference.caffe_running import drawn, run
from reference.caffe_slopes import check_slopes

import caffe64
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.errors import InputError
from caffe64.formats.caffe.schema import MESSAGES

few = settings(max_examples=25)


def labels_of(count, classes, seed=0):
    return np.random.default_rng(seed).integers(0, classes, count).astype(np.float32)


def refused(kind, shapes, parameters, message, tops=1):
    with pytest.raises(InputError, match=message):
        infer_shapes(built(net_text(kind, shapes, parameters, tops)))


# --------------------------------------------------------------------------------------------- InfogainLoss
MODES = {
    "": 3,
    "normalization: FULL": 4,
    "normalization: VALID": 3,
    "normalization: BATCH_SIZE": 2,
    "normalization: NONE": 1,
}


def infogain(scores, labels, matrix, ignored, mode):
    """Of two pictures of two pixels, value by value."""
    e = np.exp(scores - scores.max(1, keepdims=True))
    p, total, valid = e / e.sum(1, keepdims=True), 0.0, 0
    for n, i in np.ndindex(2, 2):
        if labels[n, i] != ignored:
            valid += 1
            total -= sum(matrix.reshape(3, 3)[int(labels[n, i]), c] * np.log(max(p[n, c, i], 1e-20)) for c in range(3))
    divisors = {"FULL": 4, "VALID": max(1, valid), "BATCH_SIZE": 2, "NONE": 1}
    return [np.array(total / divisors[mode.split()[-1] if mode else "VALID"]), p]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ignored", [None, 0, 7])
def test_infogain_loss(mode, ignored):
    scores, labels, matrix = drawn(2, 3, 2) * 3, labels_of((2, 2), 3), drawn(1, 1, 3, 3, seed=1)
    if ignored is not None:
        labels[1, 0] = ignored
    skip = "" if ignored is None else f"ignore_label: {ignored}"
    text = f"type: 'InfogainLoss' loss_param {{ {skip} {mode} }}"
    (loss, p), _ = run(text, [scores, labels, matrix], tops=2)
    expected = infogain(scores.astype(float), labels, matrix.astype(float), ignored, mode)
    np.testing.assert_allclose(loss, expected[0], rtol=1e-5)
    np.testing.assert_allclose(p, expected[1], rtol=1e-5)
    check_slopes(lambda *arrays: infogain(*arrays, ignored, mode)[0], text, [scores, labels, matrix], fixed=[1, 2])


def test_a_probability_of_0_counts_as_1e_20():
    scores, labels = np.float32([[0, 200]]), np.float32([0])
    (loss,) = run_layer("InfogainLoss", [scores, labels, np.eye(2, dtype=np.float32)])
    np.testing.assert_allclose(loss, -np.log(1e-20), rtol=1e-6)


@pytest.mark.parametrize(
    ("shapes", "parameters", "message"),
    [
        ([(2, 3), (2,), (3, 4)], "", r"has a matrix of 12 numbers, expected 3 \* 3, classes by classes"),
        ([(2, 3), (2,)], "", r"has neither a third bottom nor infogain_loss_param.source"),
        ([(2, 3), (3,), (3, 3)], "", "one size of the first axis"),
        ([(2, 3), (2,), (3, 3)], "loss_param { normalize: true }", "has loss_param.normalize"),
    ],
)
def test_infogain_losses_that_do_not_fit(shapes, parameters, message):
    refused("InfogainLoss", shapes, parameters, message)


def with_matrix(folder, source, numbers, *, where=None):
    """A net whose loss names the file `source`, which is written to `where`."""
    blob = MESSAGES["BlobProto"](num=1, channels=1, height=1, width=len(numbers), data=numbers)
    path = folder / (where or source)
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(blob.SerializeToString())
    net = data("2 2", "x") + data("2", "label")
    net += layer("loss", "InfogainLoss", "x label", None, f'infogain_loss_param {{ source: "{source}" }}')
    (folder / "net.prototxt").write_text(net)
    return folder / "net.prototxt"


@pytest.mark.parametrize("source", ["H.binaryproto", "matrices/H.binaryproto"])
def test_the_matrix_lies_beside_the_net(tmp_path, monkeypatch, source):
    net = caffe64.load_caffe(with_matrix(tmp_path, source, [1, 0, 0, 2]))
    monkeypatch.chdir("/")  # where the caller is does not matter
    found = net.forward(x=np.zeros((2, 2)), label=[0, 1])["loss"]
    np.testing.assert_allclose(found, 1.5 * np.log(2), rtol=1e-6)
    net.save(tmp_path / "again.prototxt")
    assert 'source: "' + source in (tmp_path / "again.prototxt").read_text()
    assert caffe64.load_caffe(tmp_path / "again.prototxt").forward(x=np.zeros((2, 2)), label=[0, 1])["loss"] == found


def test_no_matrix_is_read_from_elsewhere(tmp_path):
    folder = tmp_path / "net"
    folder.mkdir()
    (tmp_path / "H.binaryproto").write_bytes(b"")
    for source in ("../H.binaryproto", str(tmp_path / "H.binaryproto"), "a/../../H.binaryproto", "/dev/zero"):
        path = with_matrix(folder, source, [1, 0, 0, 1], where="there.binaryproto")
        with pytest.raises(InputError, match=r"layer 'loss' \(InfogainLoss\): has the source .* by its relative name"):
            caffe64.load_caffe(path)
    (folder / "link.binaryproto").symlink_to(tmp_path / "H.binaryproto")
    path = with_matrix(folder, "link.binaryproto", [1, 0, 0, 1], where="there.binaryproto")
    with pytest.raises(
        InputError, match=r"has the source 'link.binaryproto', expected a .binaryproto in the net's folder"
    ):
        caffe64.load_caffe(path)


def test_a_matrix_that_is_missing_or_of_another_size(tmp_path):
    with pytest.raises(InputError, match=r"has the source 'H.binaryproto': there is no such file in"):
        caffe64.load_caffe(with_matrix(tmp_path, "H.binaryproto", [1], where="other"))
    with pytest.raises(InputError, match=r"has a matrix of 3 numbers, expected 2 \* 2"):
        caffe64.load_caffe(with_matrix(tmp_path, "H.binaryproto", [1, 2, 3]))
    (tmp_path / "H.binaryproto").write_bytes(b"\xff\xff")
    with pytest.raises(InputError, match=r"H.binaryproto"):
        caffe64.load_caffe(tmp_path / "net.prototxt")
    with open(tmp_path / "H.binaryproto", "wb") as file:
        file.truncate(1 << 40)  # sparse
    with pytest.raises(InputError, match="of 1099511627776 bytes, expected at most 268435456"):
        caffe64.load_caffe(tmp_path / "net.prototxt")


# ---------------------------------------------------------------------------------- MultinomialLogisticLoss
def multinomial(p, labels):
    return np.array(-sum(np.log(max(p[n].flat[int(labels[n])], 1e-20)) for n in range(len(p))) / len(p))


@few
@given(rows=st.integers(1, 4), classes=st.integers(1, 5), seed=st.integers(0, 99))
def test_multinomial_logistic_loss(rows, classes, seed):
    source = np.random.default_rng(seed)
    p, labels = source.uniform(0.1, 1, (rows, classes, 1)).astype(np.float32), labels_of(rows, classes, seed)
    (found,) = run_layer("MultinomialLogisticLoss", [p, labels])
    np.testing.assert_allclose(found, multinomial(p.astype(float), labels), rtol=1e-5, atol=1e-6)


def test_the_slope_of_multinomial_logistic_loss():
    p = np.random.default_rng(0).uniform(0.1, 1, (4, 3)).astype(np.float32)
    check_slopes(multinomial, 'type: "MultinomialLogisticLoss"', [p, labels_of(4, 3)], fixed=[1])


# ----------------------------------------------------------------------------------------------- CenterLoss
def test_center_loss():
    x, labels, centres = drawn(4, 2, 3), np.float32([1, 0, 1, 1]), drawn(3, 6, seed=1)
    text = 'type: "CenterLoss" center_loss_param { num_output: 3 }'
    (found,), _ = run(text, [x, labels], [centres])
    distances = x.reshape(4, 6).astype(float) - centres[labels.astype(int)]
    np.testing.assert_allclose(found, (distances**2).sum() / 8, rtol=1e-6)


def test_centres_move_by_a_mean_that_counts_one_more():
    """Not the loss's slope, and for any weight of the loss: so the case is computed by hand."""
    text = data("3 1", "x") + data("3", "label")
    text += layer("loss", "CenterLoss", "x label", None, "center_loss_param { num_output: 2 } loss_weight: 10")
    graph = built("force_backward: true " + text)
    graph.nodes[-1].weights = [np.float32([[1], [5]])]
    net = caffe64.CaffeNet(graph)
    net.forward(x=[[2], [4], [5]], label=[0, 0, 1])
    net.backward()
    np.testing.assert_allclose(net.params["loss"][0].diff, [[-(1 + 3) / 3], [0]], rtol=1e-6)
    np.testing.assert_allclose(net.blobs["x"].diff, [[10 / 3], [30 / 3], [0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("", "has num_output 0"),
        ("center_loss_param { num_output: 2 axis: 2 }", "axis 2"),
    ],
)
def test_center_losses_that_do_not_fit(parameters, message):
    refused("CenterLoss", [(2, 3), (2,)], parameters, message)


# ------------------------------------------------------------------------------------------ ContrastiveLoss
def contrastive(a, b, similar, margin, legacy):
    total = 0.0
    for n in range(len(a)):
        square = ((a[n] - b[n]) ** 2).sum()
        if int(similar[n]):
            total += square
        else:
            total += max(margin - square, 0) if legacy else max(margin - np.sqrt(square), 0) ** 2
    return np.array(total / (2 * len(a)))


@few
@given(
    rows=st.integers(1, 5), features=st.integers(1, 4), margin=st.sampled_from([0.5, 1.0, 3.0]), legacy=st.booleans(),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_contrastive_loss(rows, features, margin, legacy, seed):
    source = np.random.default_rng(seed)
    a, b = (source.standard_normal((rows, features, 1, 1), np.float32) for _ in range(2))
    similar = source.choice(np.float32([0, 1, -1, 0.5, 2]), rows)
    text = f"contrastive_loss_param {{ margin: {margin} legacy_version: {str(legacy).lower()} }}"
    (found,) = run_layer("ContrastiveLoss", [a, b, similar], text)
    expected = contrastive(a.astype(float), b.astype(float), similar, margin, legacy)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("legacy", ["true", "false"])
def test_the_slope_of_contrastive_loss(legacy):
    a, b, similar = drawn(6, 3), drawn(6, 3, seed=1), np.float32([1, 0, 0, 1, 0, 0])
    text = f'type: "ContrastiveLoss" contrastive_loss_param {{ margin: 2.5 legacy_version: {legacy} }}'
    function = lambda *arrays: contrastive(*arrays, 2.5, legacy == "true")  # noqa: E731
    check_slopes(function, text, [a, b, similar], fixed=[2], tolerance=1e-4)  # 1e-4 is added to distances


def test_pairs_at_the_same_place_are_not_pushed():
    a = np.ones((1, 2), np.float32)
    text = net_text("ContrastiveLoss", [(1, 2), (1, 2), (1,)])
    net = caffe64.CaffeNet(built("force_backward: true " + text))
    net.forward(b0=a, b1=a, b2=[0])
    assert not net.backward()["b0"].any()


@pytest.mark.parametrize(
    "shapes", [[(2, 3), (2, 4), (2,)], [(2, 3), (2, 3), (3,)], [(2, 3, 2, 1), (2, 3, 2, 1), (2,)], [(2,), (2,), (2,)]]
)
def test_pairs_that_do_not_fit(shapes):
    refused("ContrastiveLoss", shapes, "", r"layer 'it' \(ContrastiveLoss\): .* expected \[")


LABELLED = {"InfogainLoss": (3, 3), "MultinomialLogisticLoss": None, "CenterLoss": None}


@pytest.mark.parametrize("kind", LABELLED)
@pytest.mark.parametrize(("label", "shown"), [(3, "3"), (-1, "-1"), (np.nan, "nan"), (1e30, "1e[+]30")])
def test_a_label_that_is_not_a_class(kind, label, shown):
    bottoms = [np.zeros((2, 3), np.float32), np.float32([0, label])]
    bottoms += [np.zeros(LABELLED[kind], np.float32)] if LABELLED[kind] else []
    weights = [np.zeros((3, 3))] if kind == "CenterLoss" else []
    with pytest.raises(InputError, match=rf"'b1' holds {shown} at position 1, expected a number from 0 to 2"):
        run_layer(kind, bottoms, "center_loss_param { num_output: 3 }", weights)


@pytest.mark.parametrize("kind", [*LABELLED, "ContrastiveLoss"])
def test_a_loss_without_a_top_still_runs_and_has_a_gradient(kind):
    more = {"InfogainLoss": [(3, 3)], "ContrastiveLoss": [(2, 3), (2,)]}.get(kind, [])
    shapes = [(2, 3), *([] if kind == "ContrastiveLoss" else [(2,)]), *more]
    graph = built("force_backward: true " + net_text(kind, shapes, "center_loss_param { num_output: 3 }", tops=0))
    graph.nodes[-1].weights = [np.ones((3, 3), np.float32)] if kind == "CenterLoss" else []
    net = caffe64.CaffeNet(graph)
    net.forward(**{f"b{number}": np.ones(shape) for number, shape in enumerate(shapes)})
    assert net.backward()["b0"].shape == (2, 3)
