"""caffe64.sklearn: update rules, schedules, early stopping and weights are those of `Net.fit`, and what scikit-learn
means by them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import AdaBoostClassifier
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.utils.class_weight import compute_class_weight

import caffe64
from caffe64.errors import UsageError
from caffe64.estimators.weights import weights_of_classes
from caffe64.sklearn import Classifier, Regressor

X, Y = load_iris(return_X_y=True)
WORDS = np.array(["setosa", "versicolor", "virginica"])
TEXT = "inp 4 40 / lin 8 -0.151 / rel / lin 3 -0.452 / sce"
SMALL = {"hidden": (8,), "minibatch": 40, "epochs": 4, "random_state": 7}  # 150 rows: 30 in the last minibatch
NUMBERS = (0.01, 0, 0.1, 1e-4, 0.9, 4)  # the optimizer of SMALL


def standardised(values, like):
    return (values - like.mean(axis=0)) / like.std(axis=0)


def seed_of(state):
    return int(state.randint(2**31 - 1))


def trained(inputs, targets, optimizer, *, text=TEXT, remainder=True, **options):
    """The net of SMALL, and its history."""
    net = caffe64.Net(text)
    seed = seed_of(np.random.RandomState(7))
    return net, net.fit(inputs, targets, optimizer, seed=seed, remainder=remainder, **options)


def check_same(estimator, net):
    np.testing.assert_array_equal(estimator.net_.parameters, net.parameters)


# ------------------------------------------------------------------------------------------------- the optimizer
@pytest.mark.parametrize(
    "words",
    [
        {"rule": "adam", "second": 0.99, "epsilon": 1e-6, "schedule": "exp", "warmup": 1.5, "clip": 0.5},
        {"rule": "nesterov", "clip": 1.0},
    ],
    ids=lambda words: words["rule"],
)
def test_words_are_those_of_the_optimizer(words):
    numbers = {"rate": 0.02, "step": 2, "factor": 0.5, "decay": 1e-3, "momentum": 0.8}
    made = Classifier(**SMALL | numbers | words).fit(X, WORDS[Y])
    net, history = trained(standardised(X, X), Y, caffe64.Optimizer(**numbers, epochs=4, **words))
    check_same(made, net)
    assert made.loss_curve_ == history.loss
    parts = Classifier(**SMALL | numbers | words)
    for _ in range(4):
        parts.partial_fit(X, WORDS[Y], classes=WORDS)
    check_same(parts, net)


@pytest.mark.parametrize(("rule", "momentum"), [("sgd", 0.9), ("adam", 0.9), ("rmsprop", 0.0), ("adadelta", 0.0)])
def test_rules_have_their_usual_momentum(rule, momentum):
    made = Classifier(**SMALL, rule=rule).fit(X, Y)
    net, _ = trained(standardised(X, X), Y, caffe64.Optimizer(0.01, 0, 0.1, 1e-4, momentum, 4, rule=rule))
    check_same(made, net)


def test_cosine_ends_with_the_last_epoch():
    made = Classifier(**SMALL, schedule="cosine").fit(X, Y)
    check_same(made, trained(standardised(X, X), Y, caffe64.Optimizer(*NUMBERS, schedule="cosine"))[0])
    with pytest.raises(UsageError, match="schedule='cosine' ends with the last epoch"):
        made.partial_fit(X, Y)


def test_a_schedule_may_be_a_function_of_the_epochs_done():
    asked = []

    def schedule(done):
        asked.append(done)
        return 0.02 * math.exp(-done)

    made = Classifier(**SMALL, schedule=schedule).fit(X, Y)
    assert asked == [quarter / 4 for quarter in range(16)]  # minibatches of 40, 40, 40 and 30 rows
    check_same(made, trained(standardised(X, X), Y, caffe64.Optimizer(*NUMBERS), schedule=schedule)[0])
    parts = Classifier(**SMALL, schedule=schedule)
    for _ in range(4):
        parts.partial_fit(X, Y, classes=[0, 1, 2])
    check_same(parts, made.net_)


@pytest.mark.parametrize("remainder", [True, False])
def test_rows_behind_the_last_minibatch(remainder):
    made = Classifier(**SMALL, remainder=remainder).fit(X, Y)
    net, _ = trained(standardised(X, X), Y, caffe64.Optimizer(*NUMBERS), remainder=remainder)
    check_same(made, net)


# ------------------------------------------------------------------------------------------------ early stopping
def test_a_classifier_holds_back_rows_of_each_class():
    """With rates that diverge from the best weights soon, so that it does stop early."""
    rows = np.r_[0:50, 50:80, 100:120]
    options = {"rate": 0.3, "epochs": 40, "early_stopping": True, "validation_fraction": 0.2, "patience": 3}
    made = Classifier(**SMALL | options).fit(X[rows], WORDS[Y[rows]])
    state = np.random.RandomState(7)
    seed_of(state)
    train, held = train_test_split(rows, test_size=0.2, random_state=state, stratify=Y[rows])
    assert np.bincount(Y[held]).tolist() == [10, 6, 4]
    inputs, validation = standardised(X[train], X[train]), (standardised(X[held], X[train]), Y[held])
    optimizer = caffe64.Optimizer(0.3, 0, 0.1, 1e-4, 0.9, 40)
    net, history = trained(inputs, Y[train], optimizer, validation=validation, patience=3, keep_best=True)
    check_same(made, net)
    assert made.loss_curve_ == history.loss
    assert made.validation_loss_curve_ == [evaluation.loss for evaluation in history.validation]
    assert made.best_epoch_ == 1 + int(np.argmin(made.validation_loss_curve_))
    assert made.best_epoch_ + 3 == len(made.loss_curve_) < 40
    chosen = made.predict_proba(X[held])[np.arange(len(held)), Y[held]]
    np.testing.assert_allclose(-np.log(chosen).mean(), min(made.validation_loss_curve_), rtol=1e-4)


def test_a_regressor_scales_its_targets_by_the_rows_it_trains_on():
    inputs, targets = load_diabetes(return_X_y=True)
    targets = np.stack([targets, -(targets**2)], axis=1)
    options = {"rule": "adam", "epochs": 30, "early_stopping": True, "patience": None, "validation_fraction": 0.25}
    made = Regressor(**SMALL | options).fit(inputs, targets)
    state = np.random.RandomState(7)
    seed_of(state)
    train, held = train_test_split(np.arange(len(inputs)), test_size=0.25, random_state=state)
    x, y = (standardised(values[train], values[train]) for values in (inputs, targets))
    validation = standardised(inputs[held], inputs[train]), standardised(targets[held], targets[train])
    text = "inp 10 40 / lin 8 -0.349 / rel / lin 2 -0.452 / l2l"
    optimizer = caffe64.Optimizer(0.01, 0, 0.1, 1e-4, 0.9, 30, rule="adam")
    net, history = trained(x, y, optimizer, text=text, validation=validation, keep_best=True)
    # Means of many rows, summed in another order, differ by some 1e-16 from the scaler's.
    np.testing.assert_allclose(made.net_.parameters, net.parameters, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(made.validation_loss_curve_, [each.loss for each in history.validation], rtol=1e-4)
    assert made.best_epoch_ == history.best_epoch
    assert len(made.loss_curve_) == 30
    expected = net.predict(validation[0]) * targets[train].std(axis=0) + targets[train].mean(axis=0)
    np.testing.assert_allclose(made.predict(inputs[held]), expected, rtol=1e-2, atol=1e-3 * np.ptp(targets))


def test_without_early_stopping_there_is_no_best_epoch():
    made = Classifier(**SMALL | {"early_stopping": True}).fit(X, Y)
    assert made.best_epoch_
    made.set_params(early_stopping=False).fit(X, Y)
    assert made.best_epoch_ is made.validation_loss_curve_ is None


def test_rows_that_cannot_be_held_back():
    with pytest.raises(ValueError, match=r"early_stopping cannot hold back 0\.01 of 150 rows: .*number of classes = 3"):
        Classifier(early_stopping=True, validation_fraction=0.01).fit(X, Y)
    with pytest.raises(ValueError, match=r"early_stopping cannot hold back 0\.1 of 51 rows: The least populated class"):
        Classifier(early_stopping=True).fit(X[:51], Y[:51])
    for made in (Classifier(early_stopping=True), Regressor(early_stopping=True)):
        with pytest.raises(UsageError, match="partial_fit does not support early_stopping=True"):
            made.partial_fit(X, Y)


# ------------------------------------------------------------------------------------------------------ weights
WEIGHTS = np.tile([4.0, 0.0, 1.0, 0.5, 2.0], 30)


@pytest.mark.parametrize("given", [WEIGHTS, (WEIGHTS * 2.0**-40).tolist(), pd.Series(WEIGHTS), WEIGHTS * 2.0**1000])
def test_weights_of_rows_count_by_their_ratios(given):
    """Rows of weight 0 are as if they were not there, for the scaler too."""
    made = Classifier(**SMALL).fit(X, WORDS[Y], sample_weight=given)
    some = WEIGHTS > 0
    weights = WEIGHTS[some] / WEIGHTS[some].mean()
    inputs = standardised(X[some], X[some])
    net, history = trained(inputs, Y[some], caffe64.Optimizer(*NUMBERS), sample_weight=weights)
    check_same(made, net)
    assert made.loss_curve_ == history.loss


def test_equal_weights_are_none():
    for kind in (Classifier, Regressor):
        one, other = kind(**SMALL).fit(X, Y), kind(**SMALL).fit(X, Y, sample_weight=np.full(150, 3))
        check_same(one, other.net_)


def test_a_regressor_is_drawn_to_the_rows_that_weigh_more():
    """Constant inputs: the best output is the weighted mean of the targets."""
    made = Regressor(hidden=(), minibatch=4, decay=0.0, rate=0.1, epochs=300, random_state=0)
    made.fit(np.ones((4, 1)), [0.0, 0.0, 1.0, 5.0], sample_weight=[1, 2, 3, 0])
    np.testing.assert_allclose(made.predict([[1.0]]), 0.5, atol=1e-4)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros(150), "the weights of all rows are zero"),
        (np.r_[np.ones(9), -1, np.ones(140)], r"sample_weight\[9\] is -1, expected a finite number >= 0"),
        (np.r_[np.nan, np.ones(149)], r"sample_weight\[0\] is nan, expected"),
        (np.ones(149), r"sample_weight has the shape \(149,\), expected \(150,\), a weight for each row"),
        (2.0, r"sample_weight has the shape \(\), expected \(150,\)"),
    ],
)
def test_weights_that_are_none(weights, message):
    for made in (Classifier(**SMALL), Regressor(**SMALL)):
        with pytest.raises(ValueError, match=message):
            made.fit(X, Y, sample_weight=weights)


def test_partial_fit_takes_weights_as_they_are():
    weights = np.tile([0.25, 1.0, 0.0], 50)
    made = Classifier(**SMALL, class_weight={"setosa": 2.0})
    made.partial_fit(X, WORDS[Y], WORDS, weights)
    some = weights > 0
    net, _ = trained(
        standardised(X[some], X[some]), Y[some], caffe64.Optimizer(*NUMBERS[:5], 1), class_weight=[2, 1, 1],
        sample_weight=weights[some],
    )  # fmt: skip
    check_same(made, net)


def test_weights_of_labels():
    """Of the mean 1, as there are 50 rows of each."""
    made = Classifier(**SMALL, class_weight={"versicolor": 2, "setosa": 0.5, "virginica": 0.5}).fit(X, WORDS[Y])
    net, _ = trained(standardised(X, X), Y, caffe64.Optimizer(*NUMBERS), class_weight=[0.5, 2, 0.5])
    check_same(made, net)
    larger = {"versicolor": 32, "setosa": 8, "virginica": 8}
    check_same(Classifier(**SMALL, class_weight=larger).fit(X, WORDS[Y]), net)


def test_balanced_classes_are_scikit_learns():
    rows = np.r_[0:50, 50:60, 100:130]
    weights = compute_class_weight("balanced", classes=WORDS, y=WORDS[Y[rows]])
    np.testing.assert_allclose(weights_of_classes("balanced", WORDS, Y[rows], None), weights, rtol=1e-12)
    times = np.arange(90) % 4 + 1
    repeated = compute_class_weight("balanced", classes=WORDS, y=np.repeat(WORDS[Y[rows]], times))
    np.testing.assert_allclose(weights_of_classes("balanced", WORDS, Y[rows], times), repeated, rtol=1e-12)
    made = Classifier(**SMALL, class_weight="balanced").fit(X[rows], WORDS[Y[rows]])
    inputs = standardised(X[rows], X[rows])
    net, _ = trained(inputs, Y[rows], caffe64.Optimizer(*NUMBERS), class_weight=weights)
    # Their float32 may differ in the last bit.
    np.testing.assert_allclose(made.net_.parameters, net.parameters, rtol=1e-3, atol=1e-5)
    plain, _ = trained(inputs, Y[rows], caffe64.Optimizer(*NUMBERS))
    assert np.abs(made.net_.parameters - plain.parameters).max() > 0.01
    with pytest.raises(UsageError, match="partial_fit does not know how many rows of each class will come"):
        made.partial_fit(X, WORDS[Y])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("balance", "class_weight is 'balance', expected None, 'balanced' or a dict of weights by label"),
        ([1, 2, 3], r"class_weight is \[1, 2, 3\], expected None"),
        ({"rose": 2}, r"class_weight\['rose'\]: there is no such label, expected some of 'setosa', 'versicolor'"),
        ({"setosa": -1}, r"class_weight\['setosa'\] is -1, expected a finite number >= 0"),
        ({"setosa": "2"}, r"class_weight\['setosa'\] is '2', expected a number"),
    ],
)
def test_weights_of_labels_that_are_none(given, message):
    with pytest.raises(UsageError, match=message):
        Classifier(class_weight=given).fit(X, WORDS[Y])


def test_meta_estimators_pass_weights_on():
    """AdaBoost's have the sum 1."""
    boosted = AdaBoostClassifier(Classifier(**SMALL | {"epochs": 20}), n_estimators=3).fit(X, WORDS[Y])
    assert boosted.score(X, WORDS[Y]) > 0.9
    grid = {"class_weight": [None, "balanced", {"setosa": 2}], "rule": ["sgd", "adam"]}
    search = GridSearchCV(Classifier(**SMALL), grid, cv=3).fit(X, WORDS[Y], sample_weight=WEIGHTS)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
