"""Every error of the package survives pickle and copy: pools send them from process to process."""

from __future__ import annotations

import copy
import importlib
import inspect
import multiprocessing
import pickle
import pkgutil
from concurrent.futures import ProcessPoolExecutor

import pytest
from reference import jobs

import caffe64
from caffe64.errors import Caffe64Error

VALUES = {  # an argument of a constructor, by its name -> what it may be
    "path": "X.txt",
    "found": "found 'abc'",
    "expected": "a number",
    "hint": "is it text?",
    "line": 3,
    "column": 14,
    "row": 7,
    "label": 5.0,
    "value": float("inf"),
    "classes": 4,
    "epoch": 2,
    "minibatch": 9,
    "loss": float("inf"),
    "message": "stopped",
    "exit_code": 143,
    "failed": [{"exit_code": 3, "type": "InputError"}],
    "total": 4,
    "rank": 1,
    "field": "rate",
}


def kinds() -> list[type]:
    """All subclasses of Caffe64Error that the package defines."""
    for module in pkgutil.walk_packages(caffe64.__path__, "caffe64."):
        if not module.name.startswith(("caffe64.tests", "caffe64.demos", "caffe64.perf", "caffe64.__main__")):
            importlib.import_module(module.name)
    found, left = [], [Caffe64Error]
    while left:
        kind = left.pop()
        found += [kind] * kind.__module__.startswith("caffe64")
        left += kind.__subclasses__()
    return found


def examples(kind: type) -> list[Caffe64Error]:
    """With all arguments, and with those alone that are needed."""
    parameters = [
        parameter
        for parameter in list(inspect.signature(kind.__init__).parameters.values())[1:]
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if not parameters:
        return [kind("what went wrong"), kind()]
    needed = {each.name: VALUES[each.name] for each in parameters if each.default is each.empty}
    return [kind(**{each.name: VALUES[each.name] for each in parameters}), kind(**needed)]


def assert_same(twin: Caffe64Error, error: Caffe64Error) -> None:
    assert type(twin) is type(error)
    assert (str(twin), repr(twin), twin.args) == (str(error), repr(error), error.args)
    assert vars(twin) == vars(error)
    assert twin.exit_code == error.exit_code


def test_the_walk_finds_the_errors_of_all_folders():
    assert {"UsageError", "InputError", "LabelError", "NotFinite", "Diverged", "Interrupted", "CheckFailed"} <= {
        kind.__name__ for kind in kinds()
    }


def test_every_error_survives_pickle_and_copy_with_its_text_and_fields():
    for kind in kinds():
        for error in examples(kind):
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                assert_same(pickle.loads(pickle.dumps(error, protocol)), error)
            assert_same(copy.copy(error), error)
            assert_same(copy.deepcopy(error), error)


def test_notes_and_fields_set_later_survive_too():
    error = caffe64.InputError("X.txt", "found 'a'", line=3)
    error.add_note("while reading the second file")
    error.attempts = 2
    twin = pickle.loads(pickle.dumps(error))
    assert twin.__notes__ == ["while reading the second file"]
    assert twin.attempts == 2


def test_a_subclass_of_users_with_other_arguments_survives():
    error = jobs.Tagged("X.txt", tag="a")
    twin = pickle.loads(pickle.dumps(error))
    assert_same(twin, error)
    assert twin.tag == "a"


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_pool_over_seeds_raises_what_one_of_them_raised(method):
    with multiprocessing.get_context(method).Pool(1) as pool:
        with pytest.raises(caffe64.Diverged) as caught:
            pool.map_async(jobs.train_too_fast, [1, 2]).get(timeout=240)  # without a limit, a lost error hangs
        with pytest.raises(caffe64.LabelError, match="row 1 holds 9") as wrong:
            pool.apply_async(jobs.train_on_wrong_labels).get(timeout=240)
    assert caught.value.exit_code == 5
    assert (wrong.value.row, wrong.value.classes) == (0, 3)


def test_an_executor_keeps_the_results_of_the_seeds_that_did_not_diverge():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(jobs.train, rate) for rate in (1e9, 0.02)]
        assert isinstance(futures[0].exception(timeout=240), caffe64.Diverged)
        assert futures[1].result(timeout=240)[1].loss[-1] < 1
