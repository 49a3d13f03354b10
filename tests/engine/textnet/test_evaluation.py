"""Scores of outputs against scikit-learn's metrics, and what is printed of them."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from reference.html_page import Page
from sklearn import metrics

import caffe64
from caffe64 import results
from caffe64.engine.textnet import evaluate
from caffe64.engine.textnet.evaluation import Evaluation


def posteriors(rows: int, K: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Outputs float32 [rows, K] without ties, and classes of which the last has no rows and the first is common."""
    source = np.random.default_rng(seed)
    values = np.exp(source.normal(size=(rows, K)))
    true = np.minimum(source.integers(0, 2 * K, rows) % max(K - 1, 1), source.integers(0, K, rows))
    return (values / values.sum(axis=1, keepdims=True)).astype(np.float32), true


def of_classes(outputs, true, top=None, **more) -> Evaluation:
    return Evaluation(0.5, rows=len(true), loss_word="sce", **evaluate.of_classes(outputs, true, top), **more)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("K", [2, 5, 6, 12])
def test_classes_are_scored_as_by_sklearn(K):
    outputs, true = posteriors(700, K)
    found, predicted, labels = of_classes(outputs, true), outputs.argmax(axis=1), range(K)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(true, predicted))
    np.testing.assert_array_equal(found.confusion, metrics.confusion_matrix(true, predicted, labels=labels))
    expected = metrics.precision_recall_fscore_support(true, predicted, labels=labels, zero_division=np.nan)
    for name, values in zip(("precision", "recall", "f1", "rows"), expected, strict=True):
        np.testing.assert_allclose(getattr(found.per_class, name), values, rtol=1e-12, err_msg=name)
    assert found.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(true, predicted))
    assert found.top.keys() == ({5} if K > 5 else set())


@pytest.mark.parametrize("top", [1, 2, 5, 6])
def test_the_class_is_among_the_largest_outputs_as_by_sklearn(top):
    """In more parts than one."""
    outputs, true = posteriors(evaluate.IN_CACHE // 7 + 50, 7, seed=1)
    found = of_classes(outputs, true, top).top
    assert found == {top: pytest.approx(metrics.top_k_accuracy_score(true, outputs, k=top, labels=range(7)))}
    if top == 1:
        assert found[1] == of_classes(outputs, true).accuracy


def test_of_equal_outputs_the_first_is_the_largest_and_nan_is_never_among_them():
    outputs, true = np.ones((6, 6), np.float32), np.arange(6)
    assert [of_classes(outputs, true, top).top[top] for top in (1, 2, 5)] == [1 / 6, 2 / 6, 5 / 6]
    outputs[0, 0] = np.nan
    assert of_classes(outputs, true, 5).top[5] == 4 / 6


def test_the_loss_of_sce_is_the_log_loss_and_a_net_takes_top():
    net = caffe64.Net("inp 5 10 / lin 8 -1 / sce")
    net.initialise(3)
    X, true = np.random.default_rng(4).normal(size=(90, 5)), posteriors(90, 8)[1]
    found = net.evaluate(X, true, top=3)
    outputs = net.predict(X).astype(np.float64)
    exact = metrics.log_loss(true, outputs / outputs.sum(axis=1, keepdims=True), labels=range(8))
    assert found.loss == pytest.approx(exact, rel=1e-6)
    assert (found.rows, found.top.keys(), found.per_target, found.r2) == (90, {3}, None, None)
    for wrong in (0, 9, 2.0, True):
        with pytest.raises(caffe64.UsageError, match=r"top is .*, expected a whole number from 1 to 8"):
            net.evaluate(X, true, top=wrong)


@pytest.mark.parametrize("K", [1, 3])
def test_real_targets_are_scored_as_by_sklearn(K):
    source = np.random.default_rng(5)
    targets = (1000 + source.normal(size=(400, K)) * [3, 1, 0.01][:K]).astype(np.float32)
    outputs = (targets + source.normal(size=(400, K)) * 0.5).astype(np.float32)
    found = Evaluation(0.5, rows=400, **evaluate.of_values(outputs, targets))
    wanted, given = targets.astype(np.float64), outputs.astype(np.float64)
    for each, name in (("raw_values", "per_target"), ("uniform_average", "overall")):
        scores = found.per_target if name == "per_target" else found
        np.testing.assert_allclose(scores.r2, metrics.r2_score(wanted, given, multioutput=each), rtol=1e-10)
        np.testing.assert_allclose(scores.mae, metrics.mean_absolute_error(wanted, given, multioutput=each), rtol=1e-12)
    squares = metrics.mean_squared_error(wanted, given, multioutput="raw_values")
    np.testing.assert_allclose(found.per_target.rmse, np.sqrt(squares), rtol=1e-12)
    assert found.rmse == pytest.approx(np.sqrt(squares.mean()), rel=1e-12)
    assert (found.accuracy, found.confusion, found.per_class, found.top) == (None, None, None, {})


def test_a_target_that_does_not_vary_has_no_r2():
    targets = np.column_stack([np.full(50, 0.1), np.arange(50)]).astype(np.float32)
    found = Evaluation(0.5, rows=50, **evaluate.of_values(targets, targets))
    assert np.isnan(found.per_target.r2[0])
    assert (found.per_target.r2[1], found.r2, found.mae, found.rmse) == (1, 1, 0, 0)
    alone = Evaluation(0.5, rows=50, **evaluate.of_values(targets[:, :1] + 1, targets[:, :1]))
    assert np.isnan(alone.r2)
    assert json.loads(alone.to_json())["r2"] is None
    assert "R2    -" in str(alone)


def test_labels_are_scored_as_by_sklearn():
    source = np.random.default_rng(6)
    outputs, targets = source.random((300, 4)).astype(np.float32), (source.random((300, 4)) > 0.6).astype(np.float32)
    targets[:, 3], outputs[:, 2] = 0, 0.5  # a label that no row has, and one that is never predicted
    found = Evaluation(0.5, rows=300, loss_word="bce", **evaluate.of_labels(outputs, targets))
    there, predicted = targets > 0.5, outputs > 0.5
    np.testing.assert_array_equal(found.label_counts, metrics.multilabel_confusion_matrix(there, predicted))
    assert found.accuracy == pytest.approx(metrics.accuracy_score(there, predicted))
    assert found.right_labels == pytest.approx(1 - metrics.hamming_loss(there, predicted))
    expected = metrics.precision_recall_fscore_support(there, predicted, zero_division=np.nan)
    for name, values in zip(("precision", "recall", "f1", "rows"), expected, strict=True):
        np.testing.assert_allclose(getattr(found.per_label, name), values, rtol=1e-12, err_msg=name)
    written = json.loads(found.to_json())
    assert [each["recall"] for each in written["labels"]][2:] == [0, None]
    assert written["counts"] == found.label_counts.tolist()
    assert str(found).splitlines()[-1].split()[:4] == ["3", "0", "0.00%", "-"]


# ------------------------------------------------------------------------------------------- what is printed
class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(scores: Evaluation, columns: int, monkeypatch) -> list[str]:
    """On a terminal of so many columns."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(results.sys, "stdout", Terminal())
    return str(scores).splitlines()


def cells(lines: list[str], start: str) -> list[list[str]]:
    """The words of a table's lines, from the first that begins so."""
    at = max(number for number, line in enumerate(lines) if line.startswith(start))
    return [line.split() for line in lines[at:]]


@pytest.mark.parametrize("columns", [80, 40])
def test_a_table_that_does_not_fit_gives_way_to_the_most_frequent_confusions(columns, monkeypatch):
    outputs, true = posteriors(2000, 10, seed=7)
    found = of_classes(outputs, true)
    lines = printed(found, columns, monkeypatch)
    if columns == 80:
        assert max(map(len, lines)) <= 80
        assert [row[1:] for row in cells(lines, "class")[1:]] == [list(map(str, row)) for row in found.confusion]
        return
    wrong = [(-n, i, j) for (i, j), n in np.ndenumerate(found.confusion) if i != j]
    expected = [[str(i), str(j), str(-n), f"{-n / (true == i).sum():.2%}"] for n, i, j in sorted(wrong)[:10]]
    assert cells(lines, "class")[1:] == expected
    assert "(the table of 10 classes, which --json has, is wider than 40 columns)" in lines


def test_a_pipe_and_a_notebook_take_a_wider_table():
    found = of_classes(*posteriors(500, 30, seed=8))
    assert len(cells(str(found).splitlines(), "class")) == 31
    assert Page(found._repr_html_()).count["table"] == 2
    assert "wider than 200 columns" in str(of_classes(*posteriors(9000, 70, seed=8)))


def test_names_of_classes_stand_in_tables_and_json(monkeypatch):
    found = of_classes(*posteriors(300, 3)).named(["setosa", "<b>\x1b[1m", "v" * 40])
    assert [each["name"] for each in json.loads(found.to_json())["classes"]] == ["setosa", "<b>\x1b[1m", "v" * 40]
    lines = printed(found, 90, monkeypatch)
    assert cells(lines, "class")[0] == ["class", "setosa", "<b>\\x1b[1m", "v" * 27 + "..."]
    assert "\x1b" not in str(found)
    assert "<b>" not in found._repr_html_()
    narrow = printed(found, 60, monkeypatch)  # the names stand on the left alone
    assert cells(narrow, "class")[0] == ["class", "0", "1", "2"]
    assert cells(narrow, "class")[1][:2] == ["0", "setosa"]


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", 3], "abc", 3])
def test_names_for_another_number_of_classes_are_refused(labels):
    with pytest.raises(caffe64.UsageError, match="labels"):
        of_classes(*posteriors(30, 3)).named(labels)


def test_without_mistakes_there_are_no_confusions_to_list():
    outputs = np.eye(80, dtype=np.float32)
    found = of_classes(outputs, np.arange(80))
    assert str(found).splitlines()[-1] == "confusion: none"
    assert found.balanced_accuracy == found.top[5] == 1


def test_evaluations_are_equal_by_what_they_hold():
    outputs, true = posteriors(60, 6)
    one = of_classes(outputs, true)
    assert one == of_classes(outputs.copy(), true.copy())
    assert one not in (of_classes(outputs, true, 2), of_classes(outputs[1:], true[1:]), one.named(list("abcdef")))
    values = outputs.astype(np.float32)
    assert Evaluation(1.0, **evaluate.of_values(values, 2 * values)) == Evaluation(
        1.0, **evaluate.of_values(values, 2 * values)
    )
    assert Evaluation(1.0, **evaluate.of_values(values, 2 * values)) != Evaluation(1.0)
    assert one != "one"


def test_a_loss_that_is_not_finite_is_null_in_json():
    assert json.loads(Evaluation(np.inf, rows=3).to_json()) == {"rows": 3, "loss": None, "accuracy": None}


# ------------------------------------------------------------------------------------------ by the loss of a net
def evaluated(loss: str, Y: np.ndarray, **options) -> tuple[Evaluation, np.ndarray]:
    """A net with this loss on random rows, and its outputs."""
    net = caffe64.Net(f"inp 4 5 / lin {Y.shape[1] if Y.ndim == 2 else 6} 0 / {loss}")
    net.initialise(2)
    X = np.random.default_rng(9).normal(size=(len(Y), 4))
    return net.evaluate(X, Y, **options), net.predict(X)


def test_hub_has_the_errors_of_real_targets():
    Y = np.random.default_rng(10).normal(size=(60, 3))
    found, outputs = evaluated("hub 0.5", Y)
    assert found.r2 == pytest.approx(metrics.r2_score(Y, outputs), rel=1e-5)  # Y is rounded to float32
    assert "loss  " in str(found)
    assert "Huber's loss" in str(found)


def test_bce_has_labels_and_sft_the_likeliest_classes():
    shares = np.random.default_rng(11).dirichlet(np.full(6, 0.3), 80)
    found, outputs = evaluated("sft", shares, top=2)
    np.testing.assert_array_equal(found.confusion, metrics.confusion_matrix(shares.argmax(1), outputs.argmax(1)))
    assert found.top.keys() == {2}
    found, outputs = evaluated("bce", (shares > 0.2).astype(float))
    np.testing.assert_array_equal(found.label_counts, metrics.multilabel_confusion_matrix(shares > 0.2, outputs > 0.5))
    assert "summed over the labels" in str(found)
    with pytest.raises(caffe64.UsageError, match="top is 2, but the net does not end in classes"):
        evaluated("bce", shares, top=2)
