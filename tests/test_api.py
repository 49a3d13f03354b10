"""The public API: nets, fit, predict, evaluate, files."""

from __future__ import annotations

import numpy as np
import pytest
from reference import text_net
from reference.child import run_json
from reference.clouds import OPTIMIZER, classes
from support import assert_close

import caffe64

TEXT = "inp 6 10 / lin 9 -1 / rel / lin 3 -1 / sce"
LAYERS = ["inp 6 10", "lin 9 -1", "rel", "lin 3 -1", "sce"]


@pytest.fixture
def fitted():
    net = caffe64.Net(TEXT)
    net.fit(*classes(), OPTIMIZER)
    return net


# ----------------------------------------------------------------------------------------------- imports
def loaded_after(statement):
    return set(run_json(f"import caffe64, json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"))


def test_importing_the_package_imports_neither_numba_nor_numpy():
    loaded = loaded_after("dir(caffe64); caffe64.__version__")
    assert "caffe64" in loaded
    assert not loaded & {"numba", "numpy", "llvmlite", "typer", "rich", "caffe64.api"}


def test_errors_and_specs_come_without_numba():
    loaded = loaded_after("caffe64.InputError, caffe64.Optimizer, caffe64.NetSpec")
    assert "caffe64.formats.network" in loaded
    assert "numba" not in loaded


def test_training_does_without_protobuf():
    loaded = loaded_after("caffe64.Net('inp 2 2 / lin 1 -1 / l2l')")
    assert "caffe64.engine.textnet.model" in loaded
    assert not [name for name in loaded if name.startswith("google")]


def test_every_exported_name_is_there():
    assert len(caffe64.__all__) > 15
    for name in caffe64.__all__:
        assert getattr(caffe64, name) is not None
        assert name in dir(caffe64)
    assert "gemm" in caffe64.kernels.__all__


def test_an_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="module 'caffe64' has no attribute 'Nett'"):
        caffe64.Nett  # noqa: B018


# -------------------------------------------------------------------------------------------------- nets
@pytest.mark.parametrize("text", [TEXT, "5 / " + TEXT, "\n".join(LAYERS), "5\n" + "\n".join(LAYERS) + "\n"])
def test_a_net_is_made_from_text_with_or_without_the_count(text):
    assert [info.text for info in caffe64.Net(text).layers] == LAYERS


def test_a_net_is_made_from_a_spec_and_from_a_file(tmp_path):
    net = caffe64.Net(TEXT)
    assert caffe64.Net(net.spec).spec == net.spec
    net.write(tmp_path / "net.txt")
    assert (tmp_path / "net.txt").read_text().split() == ["5", *" ".join(LAYERS).split()]
    assert caffe64.Net.read(tmp_path / "net.txt").spec == net.spec


def test_a_wrong_net_raises_input_error_that_says_where(tmp_path):
    with pytest.raises(caffe64.InputError, match=r"<net>.*found 'lim'.*did you mean 'lin'"):
        caffe64.Net("inp 3 3 / lim 3 -1 / sce")
    (tmp_path / "net.txt").write_text("3\ninp 3 3\nlin 0 -1\nsce\n")
    with pytest.raises(caffe64.InputError, match=r"net\.txt:3:5: found '0'"):
        caffe64.Net.read(tmp_path / "net.txt")


def test_a_net_larger_than_memory_is_refused_before_anything_is_allocated(tmp_path):
    text = "3\ninp 16777216 1\nlin 16777216 -1\nsce\n"
    with pytest.raises(caffe64.InputError, match=r"281474993487872 parameters.*GiB"):
        caffe64.Net(text)
    (tmp_path / "net.txt").write_text(text)
    with pytest.raises(caffe64.InputError, match=r"net\.txt: has 281474993487872 parameters"):
        caffe64.Net.read(tmp_path / "net.txt")


def test_layers_know_their_sizes():
    net = caffe64.Net(TEXT)
    sizes = [(info.word, info.inputs, info.outputs, info.parameters, info.macs) for info in net.layers]
    assert sizes == [("inp", 6, 6, 0, 0), ("lin", 6, 9, 63, 54), ("rel", 9, 9, 0, 0), ("lin", 9, 3, 30, 27),
                     ("sce", 3, 3, 0, 0)]  # fmt: skip
    assert net.parameter_count == 93


def test_a_net_prints_as_its_text():
    assert repr(caffe64.Net(TEXT)) == f"Net('{TEXT}')"


def test_compile_leaves_nothing_to_compile():
    net = caffe64.Net(TEXT)
    net.compile()
    net.compile(training=False)
    kernels = {kernel.__name__ for kernel in net.kernels()}
    assert {"run_minibatches", "forward", "backward", "update", "loss"} == kernels
    assert "run_rows" in {kernel.__name__ for kernel in net.kernels(training=False)}
    assert all(kernel.is_ready for training in (True, False) for kernel in net.kernels(training=training))


# ------------------------------------------------------------------------------------------ fit, predict
def test_fit_learns_and_records_every_epoch():
    X, Y = classes()
    net, seen = caffe64.Net(TEXT), []
    history = net.fit(X, Y, OPTIMIZER, validation=classes(seed=2), on_epoch=lambda *both: seen.append(both))
    assert [record.epoch for record in history.epochs] == list(range(1, 21))
    assert history.loss == [record.loss for record in history.epochs]
    assert history.loss[0] > 0.8 > 0.1 > history.loss[-1]
    assert history.validation[-1].accuracy > 0.95
    assert history.validation[-1].loss == net.evaluate(*classes(seed=2)).loss
    assert seen == list(zip(history.epochs, history.validation, strict=True))
    assert all(record.seconds > 0 and record.rate == 0.02 for record in history.epochs)


def test_without_validation_there_is_none():
    seen = []
    history = caffe64.Net(TEXT).fit(*classes(), OPTIMIZER, on_epoch=lambda record, scores: seen.append(scores))
    assert history.validation == []
    assert seen == [None] * 20


def test_fit_is_repeatable_and_depends_on_the_seed_alone():
    weights = []
    for options in ({}, {"seed": 0, "threads": 2}, {"seed": 1}, {"shuffle": False}):
        net = caffe64.Net(TEXT)
        net.fit(*classes(), OPTIMIZER, **options)
        weights.append(net.parameters)
    np.testing.assert_array_equal(weights[0], weights[1])
    assert (weights[0] != weights[2]).any()
    assert (weights[0] != weights[3]).any()


def test_fit_goes_on_from_the_weights_that_are_there(fitted):
    before = fitted.evaluate(*classes()).loss
    slow = caffe64.Optimizer(1e-6, 0, 1, 0, 0, 1)
    assert fitted.fit(*classes(), slow).loss[0] == pytest.approx(before, rel=0.01)


def reference_of(net):
    return text_net.parse(str(net)[5:-2]), [each.astype(np.float64) for each in net.layer_parameters()]


@pytest.mark.parametrize("rows", [1, 2, 9, 10, 11, 255, 256, 257, 1000])
def test_predictions_are_the_references(fitted, rows):
    source = np.random.default_rng(rows)
    for threads in (None, 1, 3):
        X = source.standard_normal((rows, 6)).astype(np.float32)  # anew: the memory of the result may be the last one's
        predicted = fitted.predict(X, threads=threads)
        assert predicted.dtype == np.float32
        assert_close("posteriors", predicted, text_net.outputs(*reference_of(fitted), X.astype(np.float64)), 1e-5)


def test_prediction_takes_what_numpy_can_make_an_array_of(fitted):
    X, _ = classes()
    expected = fitted.predict(X)
    for same in (X.astype(np.float64), np.asfortranarray(X), X.tolist()):
        np.testing.assert_array_equal(fitted.predict(same), expected)
    assert fitted.predict(X[:0]).shape == (0, 3)


def test_the_watch_of_a_prediction_sees_the_last_row(fitted):
    seen = []
    fitted.predict(classes(5000)[0], watch=seen.append)
    assert seen[-1] == 5000


def test_a_net_without_weights_says_so(tmp_path):
    net, (X, Y) = caffe64.Net(TEXT), classes()
    for call in (lambda: net.predict(X), lambda: net.evaluate(X, Y), lambda: net.save(tmp_path / "w.bin")):
        with pytest.raises(caffe64.UsageError, match="no weights yet"):
            call()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("X", [np.zeros((4, 5)), np.zeros(6), np.zeros((2, 3, 6)), np.array([["a"] * 6])])
def test_inputs_of_another_width_or_type_raise_usage_error(fitted, X):
    with pytest.raises(caffe64.UsageError, match="X has the"):
        fitted.predict(X)


# ---------------------------------------------------------------------------------------------- evaluate
def test_evaluation_counts_and_averages(fitted):
    X, Y = classes(333, seed=3)
    found, posteriors, true = fitted.evaluate(X, Y), fitted.predict(X).astype(np.float64), Y.astype(int)
    predicted = posteriors.argmax(axis=1)
    assert found.loss == pytest.approx(-np.log(posteriors[np.arange(333), true]).mean(), rel=1e-5)
    assert found.accuracy == (predicted == true).mean()
    expected = np.zeros((3, 3), int)
    np.add.at(expected, (true, predicted), 1)
    np.testing.assert_array_equal(found.confusion, expected)
    assert found.confusion.sum(axis=1).tolist() == np.bincount(true).tolist()


def test_evaluation_of_real_targets_is_the_mean_squared_error():
    net = caffe64.Net("inp 6 10 / lin 2 -1 / l2l")
    net.initialise(1)
    X, Y = classes()[0], np.random.default_rng(4).standard_normal((200, 2))
    found = net.evaluate(X, Y)
    assert found.loss == pytest.approx(((net.predict(X) - Y) ** 2).sum(axis=1).mean(), rel=1e-5)
    assert found.accuracy is None
    assert found.confusion is None


def test_evaluation_refuses_other_shapes_and_labels(fitted):
    X, Y = classes()
    with pytest.raises(caffe64.UsageError, match="X has 200 rows and Y has 199"):
        fitted.evaluate(X, Y[:-1])
    with pytest.raises(caffe64.UsageError, match="at least one"):
        fitted.evaluate(X[:0], Y[:0])
    Y[0] = 3
    with pytest.raises(caffe64.LabelError, match="row 1 holds 3"):
        fitted.evaluate(X, Y)


# ------------------------------------------------------------------------------------------- save, load
def test_a_weights_file_has_the_originals_layout(fitted, tmp_path):
    fitted.save(tmp_path / "w.bin")
    parts = [np.array([5], "<u8").tobytes()]
    for values, size in zip(fitted.layer_parameters(), (0, 63, 0, 30, 0), strict=True):
        parts += [np.array([size], "<u8").tobytes(), values.astype("<f4").tobytes()]
    assert (tmp_path / "w.bin").read_bytes() == b"".join(parts)


def test_saved_weights_load_into_the_same_net_and_predict_the_same(fitted, tmp_path):
    fitted.save(tmp_path / "w.bin")
    loaded = caffe64.Net(TEXT).load(tmp_path / "w.bin")
    np.testing.assert_array_equal(loaded.predict(classes()[0]), fitted.predict(classes()[0]))


def test_weights_of_another_net_are_refused_and_the_present_ones_stay(fitted, tmp_path):
    fitted.save(tmp_path / "w.bin")
    other = caffe64.Net(TEXT.replace("lin 9", "lin 8"))
    other.initialise(0)
    before = other.parameters.copy()
    with pytest.raises(caffe64.InputError, match=r"w\.bin: .*63.*'lin 8 -1'"):
        other.load(tmp_path / "w.bin")
    np.testing.assert_array_equal(other.parameters, before)


def test_training_epoch_by_epoch_goes_on_from_a_checkpoint_file(tmp_path):
    X, Y = classes()
    net = caffe64.Net(TEXT)
    run = caffe64.Training(net, X, Y, OPTIMIZER, seed=3)
    for _ in range(7):
        run.run_epoch()
    caffe64.write_checkpoint(tmp_path / "run.c64", run.checkpoint())
    resumed = caffe64.Training.resume(caffe64.read_checkpoint(tmp_path / "run.c64"), caffe64.Net(TEXT), X, Y)
    while not resumed.finished:
        resumed.run_epoch()
    unbroken = caffe64.Net(TEXT)
    assert unbroken.fit(X, Y, OPTIMIZER, seed=3).loss == [record.loss for record in resumed.history]
    np.testing.assert_array_equal(resumed.model.parameters, unbroken.parameters)
