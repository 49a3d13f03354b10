"""caffe64.sklearn: scikit-learn's own checks, and that an estimator is the net that its arguments say."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from inspect import signature
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from reference.pages import pieces
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import caffe64
from caffe64.errors import Diverged, InputError, UsageError
from caffe64.sklearn import Classifier, Regressor

ROOT = Path(__file__).resolve().parents[1]
SMALL = {"hidden": (8,), "epochs": 3, "random_state": 1}
X, Y = load_iris(return_X_y=True)
X_WINE, Y_WINE = load_wine(return_X_y=True)
X_DIABETES, Y_DIABETES = load_diabetes(return_X_y=True)
WORDS = np.array(["setosa", "versicolor", "virginica"])


# As scikit-learn has it for its own estimators of minibatches; 1.5 has neither this argument nor these checks.
NOT_REPETITIONS = dict.fromkeys(
    ("check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data"),
    "sample_weight is not equivalent to removing/repeating samples.",
)
EXPECTED = {"expected_failed_checks": lambda estimator: NOT_REPETITIONS}
KNOWN = EXPECTED.keys() & signature(parametrize_with_checks).parameters.keys()


@parametrize_with_checks(
    [Classifier(hidden=(20,)), Regressor(hidden=(20,))], **{name: EXPECTED[name] for name in KNOWN}
)
def test_all_of_scikit_learns_checks_pass(estimator, check):
    check(estimator)


# ------------------------------------------------------------------------------------- the net of the arguments
def standardised(values):
    deviation = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(deviation == 0, 1, deviation)


def trained(text, inputs, targets, epochs, seed):
    net = caffe64.Net(text)
    net.fit(inputs, targets, caffe64.Optimizer(0.01, 2, 0.5, 1e-3, 0.8, epochs), seed=seed)
    return net


OPTIONS = {"minibatch": 10, "rate": 0.01, "step": 2, "factor": 0.5, "decay": 1e-3, "momentum": 0.8, "epochs": 5}


def test_a_classifier_is_the_net_that_its_arguments_say():
    """lin's e is log10 of sqrt(2 / inputs), in the last layer of sqrt(1 / inputs)."""
    made = Classifier(hidden=(50, 8), random_state=7, **OPTIONS).fit(X, WORDS[Y])
    text = "inp 4 10 / lin 50 -0.151 / rel / lin 8 -0.699 / rel / lin 3 -0.452 / sce"
    seed = np.random.RandomState(7).randint(2**31 - 1)
    net = trained(text, standardised(X), Y, 5, seed)
    np.testing.assert_array_equal(made.net_.parameters, net.parameters)
    np.testing.assert_array_equal(made.predict_proba(X), net.predict(standardised(X)))
    np.testing.assert_array_equal(made.predict(X), WORDS[net.predict(standardised(X)).argmax(axis=1)])
    assert made.score(X, WORDS[Y]) == np.mean(made.predict(X) == WORDS[Y])
    assert len(made.loss_curve_) == 5
    assert made.loss_curve_[-1] < made.loss_curve_[0]


def test_a_regressor_is_the_net_that_its_arguments_say():
    targets = np.stack([X[:, 3] * 1000 + 1e6, X[:, 2]], axis=1)
    made = Regressor(hidden="lin 6 -1 / tnh", random_state=7, **OPTIONS).fit(X[:, :3], targets)
    seed = np.random.RandomState(7).randint(2**31 - 1)
    text = "inp 3 10 / lin 6 -1 / tnh / lin 2 -0.389 / l2l"
    net = trained(text, standardised(X[:, :3]), standardised(targets), 5, seed)
    np.testing.assert_array_equal(made.net_.parameters, net.parameters)
    expected = net.predict(standardised(X[:, :3])) * targets.std(axis=0) + targets.mean(axis=0)
    np.testing.assert_allclose(made.predict(X[:, :3]), expected, rtol=1e-12)


def test_numbers_are_taken_as_they_are_without_standardize():
    made = Classifier(standardize=False, random_state=7, **OPTIONS | {"epochs": 1}, hidden=()).fit(X, Y)
    seed = np.random.RandomState(7).randint(2**31 - 1)
    net = trained("inp 4 10 / lin 3 -0.301 / sce", X, Y, 1, seed)
    np.testing.assert_array_equal(made.net_.parameters, net.parameters)
    made = Regressor(standardize=False, random_state=7, **OPTIONS | {"epochs": 1}, hidden="").fit(X[:, :2], X[:, 2])
    net = trained("inp 2 10 / lin 1 -0.151 / l2l", X[:, :2], X[:, 2], 1, seed)
    np.testing.assert_array_equal(made.predict(X[:, :2]), net.predict(X[:, :2])[:, 0])


def test_any_number_of_threads_gives_the_same():
    one, two = (Classifier(threads=threads, **SMALL).fit(X, Y) for threads in (1, 2))
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))


def test_random_state_is_scikit_learns():
    one, again, other = (Classifier(**SMALL | {"random_state": seed}).fit(X, Y).net_.parameters for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    shared = np.random.RandomState(3)
    first, second = (Classifier(**SMALL | {"random_state": shared}).fit(X, Y).net_.parameters for _ in range(2))
    np.testing.assert_array_equal(first, one)
    assert (first != second).any(), "a RandomState goes on"
    np.random.seed(3)
    np.testing.assert_array_equal(Classifier(**SMALL | {"random_state": None}).fit(X, Y).net_.parameters, one)


# --------------------------------------------------------------------------------------------- labels and targets
@pytest.mark.parametrize(
    "labels",
    [WORDS, WORDS.astype(object), np.array([-7, 3, 900]), np.array([0.0, 2.0, 5.0]), np.array([False, True, True])],
    ids=lambda labels: str(labels.dtype),
)
def test_labels_of_any_kind(labels):
    made = Classifier(hidden=(20,), epochs=20, random_state=1).fit(X, labels[Y])
    np.testing.assert_array_equal(made.classes_, np.unique(labels))
    assert made.predict(X).dtype == labels.dtype
    assert made.predict_proba(X).shape == (150, len(np.unique(labels)))
    assert np.mean(made.predict(X) == labels[Y]) > 0.9
    np.testing.assert_array_equal(made.predict(X), made.classes_[made.predict_proba(X).argmax(axis=1)])


@pytest.mark.parametrize("shape", [(150,), (150, 1), (150, 2)])
def test_predictions_have_the_shape_of_the_targets(shape):
    targets = X[:, : shape[1] if len(shape) > 1 else 1].reshape(shape)
    made = Regressor(random_state=1).fit(X, targets)
    assert made.predict(X[:7]).shape == (7, *shape[1:])
    assert made.score(X, targets) > 0.95


def test_frames_have_names():
    frame = pd.DataFrame(X, columns=list("abcd"))
    made = Classifier(**SMALL).fit(frame, WORDS[Y])
    assert made.feature_names_in_.tolist() == list("abcd")
    with pytest.raises(ValueError, match="feature names"):
        made.predict(frame[list("abdc")])


@pytest.mark.parametrize("estimator", [Classifier, Regressor])
def test_fewer_rows_than_a_minibatch(estimator):
    made = estimator(hidden=(8,), minibatch=1000, epochs=300, random_state=1).fit(X[::10], Y[::10])
    assert made.net_.spec.minibatch == 15
    assert made.score(X[::10], Y[::10]) > 0.95


# ------------------------------------------------------------------------------------------------- partial_fit
@pytest.mark.parametrize(("estimator", "options"), [(Classifier, {"classes": [2, 0, 1]}), (Regressor, {})])
def test_partial_fits_are_one_fit(estimator, options):
    """Of 4 epochs, in which the rate drops."""
    whole = estimator(**SMALL | OPTIONS | {"epochs": 4}).fit(X, Y)
    parts = estimator(**SMALL | OPTIONS)
    for _ in range(4):
        parts.partial_fit(X, Y, **options)
    np.testing.assert_array_equal(parts.net_.parameters, whole.net_.parameters)
    assert parts.loss_curve_ == whole.loss_curve_
    more = clone(whole).set_params(epochs=5).fit(X, Y)
    np.testing.assert_array_equal(whole.partial_fit(X, Y).predict(X), more.predict(X))


def test_chunks_of_any_number_of_rows():
    """The last one is smaller than a minibatch, the first one too."""
    order = np.random.default_rng(1).permutation(150)
    made = Classifier(hidden=(20,), minibatch=30, random_state=1)
    for _ in range(20):
        for start, end in ((0, 20), (20, 100), (100, 149), (149, 150)):
            made.partial_fit(X[order[start:end]], WORDS[Y[order[start:end]]], classes=WORDS)
    assert made.score(X, WORDS[Y]) > 0.85
    assert len(made.loss_curve_) == 80


def test_partial_fit_refuses_labels_and_targets_of_another_kind():
    with pytest.raises(UsageError, match=r"classes is None.*the first partial_fit needs them"):
        Classifier().partial_fit(X, Y)
    made = Classifier(**SMALL).partial_fit(X[:60], Y[:60], classes=[0, 1])
    with pytest.raises(ValueError, match="unseen labels"):
        made.partial_fit(X, Y)
    with pytest.raises(ValueError, match=r"classes are \[0 1 2\], expected those of the first call, \[0 1\]"):
        made.partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"y has the shape \(150, 2\), expected \('rows',\)"):
        Regressor(**SMALL).fit(X, Y).partial_fit(X, X[:, :2])


# ---------------------------------------------------------------------------------------------------- misuse
WRONG = {
    "hidden as a number": ({"hidden": 100}, UsageError, "hidden is 100, expected a list of whole numbers from 1"),
    "a size of 0": ({"hidden": (10, 0)}, UsageError, r"hidden is \[10, 0\], expected whole numbers from 1"),
    "a whole net": ({"hidden": "inp 4 10 / lin 3 -1 / sce"}, InputError, "hidden: found a second 'inp'"),
    "a loss": ({"hidden": "lin 3 -1 / sce"}, UsageError, "hidden has the line 'sce', expected the layers between"),
    "a misspelt layer": (
        {"hidden": "lni 3 -1"},
        InputError,
        "hidden: found 'lni', expected one of .*mean 'lin'",
    ),
    "no minibatch": ({"minibatch": 0}, UsageError, "minibatch is 0, expected a whole number from 1"),
    "a rate in words": ({"rate": "fast"}, InputError, "found 'fast', expected the learning rate"),
    "half an epoch": ({"epochs": 0.5}, InputError, "found 0.5, expected the number of epochs"),
    "a word for a flag": ({"standardize": "no"}, UsageError, "standardize is 'no', expected True or False"),
    "a rule that is none": ({"rule": "adm"}, InputError, "found 'adm', expected the update rule, one of sgd"),
    "what a rule has not": ({"second": 0.9}, InputError, "second is 0.9, which sgd does not use"),
    "a momentum that is not used": ({"rule": "rmsprop", "momentum": 0.9}, InputError, "which rmsprop does not use"),
    "a schedule that is none": ({"schedule": "linear"}, InputError, "found 'linear', expected the schedule"),
    "a function and a warm-up": ({"schedule": lambda t: 0.1, "warmup": 1}, UsageError, "choose one"),
    "a number for a flag": ({"remainder": 1}, UsageError, "remainder is 1, expected True or False"),
    "a word for early stopping": ({"early_stopping": "yes"}, UsageError, "early_stopping is 'yes', expected True"),
    "all rows held back": (
        {"early_stopping": True, "validation_fraction": 1.0},
        UsageError,
        "validation_fraction is 1, expected a number between 0 and 1",
    ),
    "no patience": ({"early_stopping": True, "patience": 0}, UsageError, "patience is 0, expected a whole number"),
    "no threads": ({"threads": 0}, UsageError, "threads is 0"),
}


@pytest.mark.parametrize("estimator", [Classifier, Regressor])
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_an_error_of_fit(case, estimator):
    arguments, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        estimator(**arguments).fit(X, Y)


def test_after_a_fit_that_failed_the_estimator_is_not_fitted():
    made = Regressor(**SMALL).fit(X, Y)
    with pytest.raises(Diverged, match="try a smaller learning rate"):
        made.set_params(rate=1e9).fit(X, Y)
    with pytest.raises(NotFittedError):
        made.predict(X)


@pytest.mark.parametrize("estimator", [Classifier, Regressor])
def test_numbers_beyond_float32_are_refused(estimator):
    made = estimator(**SMALL).fit(X, Y)
    far = X.copy()
    far[2, 1] = 1e39
    with pytest.raises(ValueError, match="row 3 of X holds numbers that are too large"):
        made.predict(far)
    with pytest.raises(InputError, match="row 3, column 2 holds 1e\\+39"):
        made.set_params(standardize=False).fit(far, Y)


@pytest.mark.parametrize("estimator", [Classifier, Regressor])
def test_sparse_data_are_refused(estimator):
    with pytest.raises(TypeError, match="Sparse data was passed"):
        estimator().fit(csr_matrix(X), Y)


# ------------------------------------------------------------------------------------- scikit-learn's own tools
def test_a_grid_search_gives_the_same_in_processes_threads_and_here():
    grid = {"hidden": [(8,), "lin 8 -1 / tnh"], "rate": [0.01, 0.05]}
    searches = [GridSearchCV(Classifier(**SMALL), grid, cv=3, n_jobs=jobs).fit(X, WORDS[Y]) for jobs in (1, 2)]
    with joblib.parallel_backend("threading", n_jobs=2):
        searches.append(GridSearchCV(Classifier(**SMALL), grid, cv=3).fit(X, WORDS[Y]))
    scores = [search.cv_results_["mean_test_score"] for search in searches]
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])
    assert len(set(scores[0])) > 1
    assert searches[1].best_estimator_.predict(X).tolist() == searches[0].predict(X).tolist()


def test_defaults_learn():
    """Wine's columns have deviations from 0.1 to 315."""
    assert cross_val_score(Classifier(random_state=0), X_WINE, Y_WINE).mean() > 0.95
    pipeline = make_pipeline(StandardScaler(), Classifier(standardize=False, random_state=0))
    assert cross_val_score(pipeline, X_WINE, Y_WINE).mean() > 0.95
    assert cross_val_score(Regressor(epochs=20, decay=0.1, random_state=0), X_DIABETES, Y_DIABETES).mean() > 0.35


# -------------------------------------------------------------------------------------------------- the import
def child(code):
    """What the code prints in a Python of its own that is started in the root of the checkout."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def test_the_file_of_that_name_does_not_hide_scikit_learn():
    code = "import sys, caffe64; caffe64.Net('inp 2 1'); assert 'sklearn' not in sys.modules; "
    code += "import sklearn; from sklearn.base import clone; print(sklearn.base.clone is clone, sklearn.__version__)"
    assert child(code) == f"True {version('scikit-learn')}"


def test_without_scikit_learn_the_import_says_what_to_install():
    code = "import sys; sys.modules['sklearn'] = None; import caffe64; caffe64.sklearn.Classifier()"
    assert child(code) == "ImportError: caffe64.sklearn needs scikit-learn: pip install 'caffe64[sklearn]'"


def test_the_page_tunes_with_optuna(tmp_path):
    pytest.importorskip("optuna")
    (script,) = [piece for piece in pieces("docs/how-to/scikit-learn.md") if piece.name == "tune.py"]
    (tmp_path / "tune.py").write_text(script.text)
    done = subprocess.run([sys.executable, "tune.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "'rate'" in done.stdout
