"""X and Y as people hold them: what is a number is taken, everything else is refused by its place."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
import scipy.sparse
from reference.clouds import OPTIMIZER, classes

import caffe64
from caffe64.engine.textnet import arrays
from caffe64.engine.textnet.arrays import is_finite

TEXT = "inp 3 2 / lin 4 -1 / rel / lin 3 -1 / sce"
REAL = "inp 3 2 / lin 2 -1 / l2l"
X = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9], [0, 1, 0]], np.float32)
Y = np.array([0, 1, 2, 0], np.float32)
ONCE = caffe64.Optimizer(0.01, 0, 1, 0, 0, 1)


def net(text=TEXT):
    made = caffe64.Net(text)
    made.initialise(1)
    return made


def calls(X, Y, text=TEXT):
    """Everything that checks X and Y."""
    return {
        "fit": lambda: net(text).fit(X, Y, ONCE),
        "Training": lambda: caffe64.Training(net(text), X, Y, ONCE),
        "evaluate": lambda: net(text).evaluate(X, Y),
    }


@pytest.fixture(params=["fit", "Training", "evaluate"])
def check(request):
    """One of the calls that check X and Y, on these."""
    return lambda X, Y, text=TEXT: calls(X, Y, text)[request.param]()


# ------------------------------------------------------------------------------------------- nan and inf
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 1), (3, 2)])
def test_a_value_that_is_not_finite_is_named_by_row_and_column(check, value, row, column):
    wrong = X.copy()
    wrong[row, column] = value
    place = rf"X: row {row + 1}, column {column + 1} holds {value}, expected finite float32 numbers"
    with pytest.raises(caffe64.NotFinite, match=place) as caught:
        check(wrong, Y)
    assert (caught.value.row, caught.value.column, caught.value.exit_code) == (row, column, 3)


def test_infinities_that_cancel_and_sums_that_overflow_are_distinguished():
    assert not is_finite(np.array([np.inf, -np.inf], np.float32))
    assert not is_finite(np.array([3e38, np.nan, 3e38], np.float32))
    assert is_finite(np.full(1000, 3e38, np.float32))
    assert is_finite(np.zeros((0, 3), np.float32))


def test_a_number_too_large_for_float32_is_shown_as_it_was_given(check):
    with pytest.raises(caffe64.NotFinite, match=r"row 2, column 3 holds 1e\+39, expected finite float32"):
        check([[1, 2, 3], [4, 5, 1e39]], [0, 1])


def test_targets_are_checked_as_well(check):
    targets = np.zeros((4, 2))
    targets[1, 1] = np.nan
    with pytest.raises(caffe64.NotFinite, match=r"Y: row 2, column 2 holds nan"):
        check(X, targets, REAL)
    with pytest.raises(caffe64.LabelError, match="Y: row 2 holds nan, expected a class"):
        check(X, [0, np.nan, 1, 1])


def test_the_first_value_is_found_far_down(monkeypatch):
    monkeypatch.setattr(arrays, "SEARCHED_ROWS", 2)
    wrong = np.repeat(X, 3, axis=0)
    wrong[9, 2] = wrong[11, 0] = np.nan
    with pytest.raises(caffe64.NotFinite, match="row 10, column 3"):
        net().evaluate(wrong, np.repeat(Y, 3))


@pytest.mark.parametrize("hidden", ["lin 4 -1 / rel", "lin 4 -1 / tnh", "rel", "tnh", "smx", "lin 4 -1 / smx"])
@pytest.mark.parametrize("end", ["lin 3 -1 / sce", "lin 2 -1 / l2l", "lin 2 -1"])
def test_predictions_of_a_row_with_nan_are_nan_and_other_rows_do_not_notice(hidden, end):
    made = net(f"inp 3 2 / {hidden} / {end}")
    rows = np.random.default_rng(1).standard_normal((23, 3)).astype(np.float32)
    expected = made.predict(rows)
    spoilt = [0, 7, 22]
    rows[spoilt, [0, 1, 2]] = np.nan
    found = made.predict(rows)
    assert np.isnan(found[spoilt]).all()
    np.testing.assert_array_equal(np.delete(found, spoilt, axis=0), np.delete(expected, spoilt, axis=0))


# ------------------------------------------------------------------------------------------------ frames
def frame(**columns):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    return pandas.DataFrame(columns)


def test_a_frame_of_bools_integers_and_floats_is_taken_as_its_numbers():
    mixed = frame(a=[True, False, True, True], b=np.arange(4), c=[0.5, 1.5, 2.5, 3.5])
    assert np.asarray(mixed).dtype == object  # what NumPy makes of it
    plain = np.array([[1, 0, 0.5], [0, 1, 1.5], [1, 2, 2.5], [1, 3, 3.5]])
    np.testing.assert_array_equal(net().predict(mixed), net().predict(plain))
    assert net().fit(mixed, Y, ONCE).loss == net().fit(plain, Y, ONCE).loss


def test_nullable_columns_and_categories_of_numbers_are_taken_while_nothing_is_missing():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    nullable = frame(
        a=pandas.array([1, 4, 7, 0], "Int64"),
        b=pandas.array([True, False, True, True], "boolean"),
        c=pandas.Categorical([3, 6, 9, 0]),
    )
    plain = np.array([[1, 1, 3], [4, 0, 6], [7, 1, 9], [0, 1, 0]], np.float32)
    np.testing.assert_array_equal(net().predict(nullable), net().predict(plain))
    labels = pandas.Series([0, 1, 2, 0], dtype="Int8")
    assert net().evaluate(plain, labels).loss == net().evaluate(plain, Y).loss
    assert net().evaluate(plain, pandas.Series(pandas.Categorical([0, 1, 2, 0]))).loss == net().evaluate(plain, Y).loss


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda pandas: pandas.array([1, None, 3, 4], "Int64"), r"row 2, column 2 \('age'\) holds <NA>.*fillna"),
        (lambda pandas: pandas.array([1, 2, None, 4], "Float64"), r"row 3, column 2 \('age'\) holds (<NA>|nan).*fill"),
        (lambda pandas: pandas.array([True, True, True, None], "boolean"), r"row 4, column 2 \('age'\) holds <NA>"),
        (lambda pandas: pandas.Categorical(["a", "b", "a", "a"]), r"row 1, column 2 \('age'\) holds 'a'.*get_dummies"),
        (lambda pandas: ["1", "2", "3", "4"], r"row 1, column 2 \('age'\) holds '1'.*get_dummies"),
        (lambda pandas: [1.0, np.nan, 2.0, 3.0], r"row 2, column 2 \('age'\) holds nan"),
        (lambda pandas: [1, None, "x", 3], r"row 2, column 2 \('age'\) holds None"),
        (lambda pandas: pandas.date_range("2024-01-01", periods=4), r"row 1, column 2 \('age'\) holds .*2024.*days"),
    ],
)
def test_a_column_that_is_not_a_number_is_named(make, message):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    wrong = frame(a=[1.0, 2.0, 3.0, 4.0], age=make(pandas), c=[1, 2, 3, 4])
    with pytest.raises((caffe64.UsageError, caffe64.NotFinite), match=message):
        net().fit(wrong, Y, ONCE)


def test_a_frame_of_polars_is_taken_and_its_columns_are_named():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    plain = {"a": [1, 4, 7, 0], "b": [2.0, 5.0, 8.0, 1.0], "c": [True, False, True, True]}
    expected = net().predict(np.array(list(plain.values()), np.float32).T)
    np.testing.assert_array_equal(net().predict(polars.DataFrame(plain)), expected)
    with pytest.raises(caffe64.UsageError, match=r"column 2 \('b'\) holds 'x'"):
        net().predict(polars.DataFrame({**plain, "b": ["x"] * 4}))


# ---------------------------------------------------------------------------------- lists, tensors, others
@pytest.mark.parametrize(
    "same",
    [
        X.tolist(),
        [tuple(row) for row in X.tolist()],
        [list(map(Fraction, row)) for row in X.tolist()],
        np.array([[Decimal(int(value)) for value in row] for row in X], object),
        X.astype(ml_dtypes.bfloat16),
        X.astype(">f8"),
        np.ma.array(X, mask=False),
    ],
    ids=["lists", "tuples", "fractions", "decimals", "bfloat16", "big endian", "masked nowhere"],
)
def test_numbers_of_other_types_are_taken(same):
    np.testing.assert_array_equal(net().predict(same), net().predict(X))


class Tensor:
    """Stands for a tensor of torch: to NumPy it gives itself after `detach().cpu().float()` only."""

    def __init__(self, values, plain=False, imaginary=False):
        self.values, self.plain, self.imaginary = values, plain, imaginary

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")

    def is_complex(self):
        return self.imaginary

    def detach(self):
        return Tensor(self.values, self.plain)

    def cpu(self):
        return self

    def float(self):
        return Tensor(self.values.astype(np.float32), plain=True)

    def numpy(self):
        if not self.plain:
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.values


def test_tensors_that_numpy_cannot_read_are_taken():
    np.testing.assert_array_equal(net().predict(Tensor(X)), net().predict(X))
    with pytest.raises(caffe64.UsageError, match=r"X \(Tensor\) cannot be read as an array: Can't call numpy"):
        net().predict(Tensor(X, imaginary=True))


def test_tensors_of_torch_are_taken():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    for tensor in (torch.tensor(X, requires_grad=True), torch.tensor(X, dtype=torch.bfloat16), torch.tensor(X)):
        np.testing.assert_array_equal(net().predict(tensor), net().predict(X))
    for wrong in (torch.tensor(X, dtype=torch.complex64), torch.tensor(X).to_sparse()):
        with pytest.raises(caffe64.UsageError, match="X "):
            net().predict(wrong)


WRONG = {
    "ragged": ([[1, 2, 3], [4, 5]], "X: row 2 holds 2 values and row 1 3, expected rows of one length"),
    "ragged in depth": ([[1, [2, 3], 4], [1, 2, 3]], r"X \(list\) cannot be read as an array"),
    "words": ([["a", "b", "c"]], "X has the type <U1, expected numbers"),
    "missing": ([[1, None, 3]], "X: row 1, column 2 holds None, expected a number .*fill"),
    "masked": (np.ma.array(X, mask=X == 6), r"X: row 2, column 3 is masked, expected a number \(X.filled\(value\)\)"),
    "sparse": (scipy.sparse.csr_matrix(X), r"X is sparse \(csr_matrix\), expected a dense array \(X.toarray\(\)"),
    "sparse array": (scipy.sparse.coo_array(X), r"X is sparse \(coo_array\)"),
    "dates": (np.zeros((2, 3), "M8[D]"), r"X has the type datetime64\[D\], expected numbers \(make it numbers: .*days"),
    "complex": (X * 1j, "X has the type complex64, expected numbers"),
    "a huge number": ([[10**400, 1, 1]], "X holds a whole number that is too large"),
    "nothing": (None, "X is a NoneType, expected an array of numbers"),
    "a file": ("X.txt", "X has the type <U5, expected numbers|read_matrix"),
    "a dictionary": ({"a": [1, 2, 3]}, "X is a dict, expected an array"),
    "one row": (X[0], r"X has the shape \(3,\), expected \[rows, 3\], .*one row is X.reshape\(1, -1\)"),
    "rows in a line": (X.ravel(), r"rows one after another are X.reshape\(-1, 3\)"),
    "pictures": (np.zeros((5, 1, 3)), r"X.reshape\(len\(X\), -1\) makes each a row"),
    "features first": (X.T, r"a row for each sample: X.T"),
    "another width": (np.zeros((5, 4)), r"X has the shape \(5, 4\), expected \[rows, 3\], the features of the net$"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_argument_that_is_not_an_array_of_numbers_is_named_with_what_to_do(name):
    wrong, message = WRONG[name]
    for call in (lambda: net().predict(wrong), *calls(wrong, Y).values()):
        with pytest.raises(caffe64.UsageError, match=message):
            call()


def test_one_dimension_for_one_feature_is_rows():
    assert net("inp 1 2 / lin 2 -1 / sce").predict([1.0, 2.0, 3.0]).shape == (3, 2)


# ------------------------------------------------------------------------------------------------ labels
def test_labels_from_1_get_a_hint_that_classes_count_from_0(check):
    with pytest.raises(
        caffe64.LabelError, match=r"row 3 holds 3.*run from 1 to 3, but classes count from 0: subtract 1"
    ):
        check(X, [1, 2, 3, 1])
    with pytest.raises(caffe64.LabelError, match=r"row 3 holds 3.*does the net end with as many channels\?"):
        check(X, [0, 2, 3, 1])
    with pytest.raises(caffe64.LabelError, match=r"row 3 holds 4.*does the net end with as many channels\?"):
        check(X, [1, 2, 4, 1])


def test_one_hot_targets_get_a_hint(check):
    with pytest.raises(
        caffe64.UsageError, match=r"Y has the shape \(4, 3\).*one-hot rows become classes by Y.argmax\(axis=1\);.*sft\)"
    ):
        check(X, np.eye(3)[Y.astype(int)])


SOFT = np.array([[0.25, 0.75, 0], [1, 0, 0], [0.2, 0.3, 0.5], [0, 0, 1]])


@pytest.mark.parametrize("loss", ["sft", "bce"])
@pytest.mark.parametrize("share", [-0.25, 1.5])
def test_a_share_that_is_none_is_named(check, loss, share):
    wrong = SOFT.copy()
    wrong[2, 1] = share
    place = rf"Y: row 3, column 2 holds {share}, expected a number from 0 to 1"
    with pytest.raises(caffe64.TargetError, match=place) as caught:
        check(X, wrong, f"inp 3 2 / lin 3 -1 / {loss}")
    assert (caught.value.row, caught.value.column) == (2, 1)


@pytest.mark.parametrize("change", [0.0009, -0.0009, 0.0011, -0.0011])
def test_probabilities_sum_to_1_as_nearly_as_printed_ones(check, change):
    changed = SOFT.copy()
    changed[2, 0] += change
    check(X, changed, "inp 3 2 / lin 3 -1 / bce")
    if abs(change) < 0.001:
        check(X, changed, "inp 3 2 / lin 3 -1 / sft")
        return
    with pytest.raises(caffe64.TargetError, match=r"Y: row 3 sums to .*expected probabilities that sum to 1"):
        check(X, changed, "inp 3 2 / lin 3 -1 / sft")


@pytest.mark.parametrize("loss", ["sft", "bce"])
def test_classes_for_a_net_of_probabilities_get_a_hint(check, loss):
    for labels in (Y, Y[:, None]):
        with pytest.raises(caffe64.UsageError, match=r"ends with sce, or become rows by numpy.eye\(3\)\[Y\]"):
            check(X, labels, f"inp 3 2 / lin 3 -1 / {loss}")
    with pytest.raises(caffe64.UsageError, match=r"one row is Y.reshape\(1, -1\)"):
        check(X, [0, 1, 0], f"inp 3 2 / lin 3 -1 / {loss}")


# ------------------------------------------------------------------------------------------------ validation
@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ((X,), "validation is of the type tuple, expected a pair"),
        (X, "validation is of the type ndarray, expected a pair"),
        ((X[:, :2], Y), r"validation X has the shape \(4, 2\)"),
        ((X, Y[:3]), "validation X has 4 rows and validation Y has 3"),
        ((X[:0], Y[:0]), "validation X has 0 rows"),
        ((X, Y + 1), "validation Y: row 3 holds 3.*subtract 1"),
        ((X * np.nan, Y), "validation X: row 1, column 1 holds nan"),
    ],
)
def test_validation_is_checked_before_the_first_epoch(validation, message):
    made, seen = caffe64.Net(TEXT), []
    with pytest.raises(caffe64.Caffe64Error, match=message):
        made.fit(X, Y, ONCE, validation=validation, on_epoch=seen.append)
    assert made.parameters is None
    assert seen == []


def test_validation_may_be_a_list_and_one_hot():
    windows, labels = np.random.default_rng(1).integers(0, 3, (20, 2)), np.arange(20) % 3
    made = caffe64.Net("inp 6 5 / lin 3 -1 / sce")
    history = made.fit(caffe64.OneHot(windows, 3), labels, ONCE, validation=[caffe64.OneHot(windows, 3), labels])
    assert history.validation[0].loss == made.evaluate(caffe64.OneHot(windows, 3), labels).loss


def test_the_data_of_these_tests_trains():
    assert caffe64.Net("inp 6 10 / lin 3 -1 / sce").fit(*classes(), OPTIMIZER).loss[-1] < 0.5
