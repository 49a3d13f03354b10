"""What a training run takes and refuses, and that it allocates nothing on the way."""

from __future__ import annotations

import gc
import resource
import tracemalloc

import numpy as np
import pytest
from numba.core.runtime import _nrt_python, rtsys
from reference.running import LONG, data, finish, training

from caffe64.errors import LabelError, UsageError
from caffe64.formats.optimizer import Optimizer


def test_float32_arrays_in_c_order_are_not_copied():
    X, Y = data()
    run = training(arrays=(X, Y))
    assert np.shares_memory(run.X, X)
    assert np.shares_memory(run.Y, Y)
    flat = Y[:, 0].copy()
    assert np.shares_memory(training(arrays=(X, flat)).Y, flat)


@pytest.mark.parametrize(
    "change", [np.float64, np.asfortranarray, lambda a: np.repeat(a, 2, axis=0)[::2], np.ndarray.tolist]
)
def test_other_arrays_are_converted_with_the_same_result(change):
    X, Y = data()
    one, other = finish(training(arrays=(X, Y))), finish(training(arrays=(change(X), change(Y))))
    np.testing.assert_array_equal(one.model.parameters, other.model.parameters)


def test_integer_labels_are_taken():
    X, Y = data()
    for kind in (np.uint8, np.int64, np.float16):
        run = finish(training(arrays=(X, Y[:, 0].astype(kind))))
        np.testing.assert_array_equal(run.model.parameters, finish(training()).model.parameters)


def test_read_only_and_memory_mapped_arrays_are_taken_and_left_alone(tmp_path):
    X, Y = data()
    np.save(tmp_path / "X.npy", X)
    mapped, frozen = np.load(tmp_path / "X.npy", mmap_mode="r"), Y.copy()
    frozen.flags.writeable = False
    run = finish(training(arrays=(mapped, frozen)))
    assert np.shares_memory(run.X, mapped)
    np.testing.assert_array_equal(run.model.parameters, finish(training()).model.parameters)
    np.testing.assert_array_equal(mapped, X)


# ------------------------------------------------------------------------------------------------ errors
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, Y: (X[:29], Y[:29]), "there are 29 rows, but a minibatch of the net takes 30"),
        (lambda X, Y: (X[:0], Y[:0]), "there are 0 rows"),
        (lambda X, Y: (X[:, :19], Y), r"X has the shape \(95, 19\), expected \[rows, 20\]"),
        (lambda X, Y: (X[0], Y), r"X has the shape \(20,\)"),
        (lambda X, Y: (X[None], Y), r"X has the shape \(1, 95, 20\)"),
        (lambda X, Y: (X, np.repeat(Y, 2, axis=1)), r"Y has the shape \(95, 2\), expected \[rows, 1\]"),
        (lambda X, Y: (X, Y[:-1]), "X has 95 rows and Y has 94"),
        (lambda X, Y: (X.astype(str), Y), "X has the type <U"),
        (lambda X, Y: (X, Y.astype(complex)), "Y has the type complex"),
    ],
)
def test_arrays_that_do_not_fit_raise_usage_error(change, message):
    with pytest.raises(UsageError, match=message):
        training(arrays=change(*data()))


@pytest.mark.parametrize("label", [-1, 5, 0.5, np.nan, np.inf])
def test_a_label_that_is_not_a_class_is_named_by_row(label):
    X, Y = data()
    Y[[7, 70]] = label
    with pytest.raises(LabelError, match=r"row 8 holds .* a class, a whole number from 0 to 4") as caught:
        training(arrays=(X, Y))
    assert (caught.value.row, caught.value.column, caught.value.classes) == (7, 0, 5)


def test_a_net_without_a_loss_cannot_train():
    with pytest.raises(UsageError, match="no loss layer"):
        training("inp 20 30 / lin 5 -1 / rel")


# ------------------------------------------------------------------------------------------------ memory
def test_an_epoch_allocates_nothing_that_grows_with_its_minibatches():
    _nrt_python.memsys_enable_stats()
    runs, kept, peaks = (
        [training(LONG, (X := np.ones((n, 4), np.float32), X[:, :1].copy())) for n in (200, 20_000)],
        [],
        [],
    )
    for run in runs:
        run.run_epoch(), run.run_epoch()
        before = rtsys.get_allocation_stats()
        tracemalloc.start()
        run.run_epoch()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        after = rtsys.get_allocation_stats()
        kept.append((after.alloc - before.alloc, after.mi_alloc - before.mi_alloc))
    assert kept[0] == kept[1], "a compiled step allocates"
    # The order of the rows, the losses and the rates are arrays of their own, of a size known before the first step.
    assert peaks[1] - peaks[0] < 20_000 * (8 + 16) + 100_000


def outstanding() -> int:
    """Blocks that compiled code has allocated and not freed."""
    stats = rtsys.get_allocation_stats()
    return stats.alloc - stats.free


def test_memory_does_not_grow_from_epoch_to_epoch():
    run = training(optimizer=Optimizer(0.01, 0, 1, 0, 0, 100_000), threads=2)
    for _ in range(100):
        run.run_epoch()
    _nrt_python.memsys_enable_stats()
    blocks = outstanding()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    for _ in range(300):
        run.run_epoch()
    run.history.clear()  # the one thing that may grow
    gc.collect()  # empties Python's free lists of tuples
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert outstanding() == blocks
    assert kept < 20_000  # bytes; the orders of 95 rows of 300 epochs alone would have 228 000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident < 2048  # KiB
