"""Public calls refuse what they would misuse: a wrong type, number or length is an error that names the argument."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas
import pytest
from reference.clouds import OPTIMIZER, classes

import caffe64
from caffe64.arguments import MOST_THREADS

TEXT = "inp 6 10 / lin 9 -1 / rel / lin 3 -1 / sce"
X, Y = classes(40)


def net():
    made = caffe64.Net(TEXT)
    made.initialise(1)
    return made


def fit(**changed):
    return net().fit(**{"X": X, "Y": Y, "optimizer": OPTIMIZER, **changed})


def train(**changed):
    return caffe64.Training(**{"model": net(), "X": X, "Y": Y, "optimizer": OPTIMIZER, **changed})


def resume(**changed):
    given = {"checkpoint": train().checkpoint(), "model": net(), "X": X, "Y": Y, **changed}
    return caffe64.Training.resume(**given)


def rate(value):
    return caffe64.Optimizer(value, 0, 1, 0, 0, 1)


def table(**changed):
    return caffe64.Table(pandas.DataFrame({"x": [1.0, 2.0], "y": [0.5, 1.5]}), **{"target": "y", **changed})


def assign(value):
    net().parameters = value


CASES = {  # the call -> what its message says
    # nets
    "a path": (lambda: caffe64.Net(Path("net.txt")), r"the net is .*net\.txt.*Net\.read reads a file"),
    "a name": (lambda: caffe64.Net("net.txt"), r"the net is 'net\.txt'.*Net\.read reads a file"),
    "a file that exists": (lambda: caffe64.Net(os.fspath(Path(__file__))), r"Net\.read reads a file"),
    "bytes": (lambda: caffe64.Net(b"inp 2 2 / sce"), "the net is of the type bytes, expected its text"),
    "a list": (lambda: caffe64.Net(["inp 2 2", "sce"]), "the net is of the type list"),
    "no net": (lambda: caffe64.Net(None), "the net is of the type NoneType"),
    "a spec of words": (lambda: caffe64.NetSpec(("inp", "sce")), "not a tuple of LayerSpec"),
    "read a number": (lambda: caffe64.Net.read(0), "the path is 0, expected the name of a file"),
    "write to a number": (lambda: net().write(1), "the path is 1, expected the name of a file"),
    "save to a number": (lambda: net().save(1), "the path is 1, expected the name of a file"),
    "save to bytes": (lambda: net().save(b"w.bin"), "the path is of the type bytes"),
    "load from nothing": (lambda: net().load(None), "the path is None, expected the name of a file"),
    "parameters of a list": (lambda: assign([1.0]), r"not a float32 array \[\d+\] such as unpack"),
    "parameters of float64": (lambda: assign(net().parameters.astype(float)), r"not a float32 array"),
    "parameters of another length": (lambda: assign(net().parameters[1:]), r"not a float32 array"),
    "parameters with gaps": (lambda: assign(np.repeat(net().parameters, 2)[::2]), r"not a float32 array"),
    "unpack of another length": (lambda: net().unpack([1.0, 2.0]), "2 parameters, but the net has 93"),
    # fit
    "an optimizer's name": (lambda: fit(optimizer="opt.txt"), "optimizer is 'opt.txt', expected .*read_optimizer"),
    "six numbers": (lambda: fit(optimizer=(0.1, 0, 1, 0, 0, 1)), "optimizer is of the type tuple"),
    "shuffle of words": (lambda: fit(shuffle="no"), "shuffle is 'no', expected True or False"),
    "shuffle of a number": (lambda: fit(shuffle=1), "shuffle is 1, expected True or False"),
    "fresh of words": (lambda: fit(fresh="yes"), "fresh is 'yes', expected True or False"),
    "on_epoch": (lambda: fit(on_epoch=3), "on_epoch is 3, expected a function"),
    "validation": (lambda: fit(validation=3), "validation is of the type int, expected a pair"),
    "three of validation": (lambda: fit(validation=(X, Y, 3)), "expected a pair"),
    "X and Y exchanged": (lambda: fit(X=Y, Y=X), r"X has the shape \(40,\)"),
    "fewer labels": (lambda: fit(Y=Y[1:]), "X has 40 rows and Y has 39"),
    # predict, evaluate
    "watch": (lambda: net().predict(X, watch=3), "watch is 3, expected a function"),
    "evaluate without rows": (lambda: net().evaluate(X[:0], Y[:0]), "at least one"),
    # trainings
    "a text to train": (lambda: train(model=TEXT), "the net is 'inp.*expected a caffe64.Net"),
    "a watch of an epoch": (lambda: train().run_epoch(3), "watch is 3, expected a function"),
    "a name to resume": (lambda: resume(checkpoint="run.c64"), "checkpoint is 'run.c64', expected .*read_checkpoint"),
    "another net to resume": (lambda: resume(model=TEXT), "the net is 'inp"),
    "another optimizer to resume": (lambda: resume(optimizer="opt.txt"), "optimizer is 'opt.txt'"),
    "no X to resume": (lambda: resume(X=None), "X is a NoneType"),
    # one-hot rows
    "symbols of floats": (lambda: caffe64.OneHot([[1.0]], 3), "symbols are float64"),
    "symbols of bools": (lambda: caffe64.OneHot([[True]], 3), "symbols are bool"),
    "ragged symbols": (lambda: caffe64.OneHot([[1], [1, 2]], 3), "symbols: row 2 holds 2 values and row 1 1"),
    "symbols of a line": (lambda: caffe64.OneHot([1, 2], 3), r"symbols are int64 \(2,\)"),
    "a float of classes": (lambda: caffe64.OneHot([[1]], 3.0), "classes is 3.0, expected a whole number from 1"),
    "no classes": (lambda: caffe64.OneHot([[0]], 0), "classes is 0"),
    "one row": (lambda: caffe64.OneHot([[1]], 3)[0], r"rows are 0, expected a slice or an array"),
    # tables
    "a table of an array": (lambda: caffe64.Table(X, target="y"), "of the type ndarray, expected a file's name or a"),
    "a target of nothing": (lambda: caffe64.Table("t.csv", target=None), "target is None, expected a list of names"),
    "no targets": (lambda: caffe64.Table("t.csv", target=[]), "target is empty"),
    "features as a word": (lambda: table(features="x"), "features is 'x', expected a list of names"),
    "drop a word": (lambda: table(drop="x"), "drop is 'x', expected a list of names"),
    "impute zeros": (lambda: table(impute="zero"), "impute is 'zero', expected 'mean' or 'median'"),
    "scale by 2": (lambda: table(scale=2), "scale is 2, expected 'standard' or 'minmax'"),
    "a loss of a number": (lambda: table(loss=3), "loss is 3, expected the word of a loss layer"),
    "an unknown loss": (lambda: table(loss="lin"), "loss is 'lin', expected the word of a loss layer"),
    "a feature twice": (lambda: table(features=["x", "x"]), "the feature 'x' is named twice"),
    "a target as a feature": (lambda: table(features=["x", "y"]), "'y' is a target, so that it cannot be a feature"),
    "a target dropped": (lambda: table(drop=["y"]), "'y' is a target, so that it cannot be dropped"),
    "a share of rows": (lambda: table().split(3), "share is 3, expected a number between 0 and 1"),
    "a share of all": (lambda: table().split(1.0), "share is 1.0"),
    "a seed of a share": (lambda: table().split(0.5, seed=-1), "seed is -1"),
    "head of none": (lambda: table().head(0), "rows is 0"),
    "a net of a file": (lambda: table().net("net.txt"), "the net is 'net.txt'"),
    "a bundle of a text": (lambda: caffe64.Bundle(TEXT), "net is 'inp.*expected a caffe64.Net"),
    "columns of names": (lambda: caffe64.Bundle(net(), ["x"]), "columns is of the type list, expected those of a"),
    "columns of another net": (lambda: caffe64.Bundle(net(), table().columns), "6 features and 3 outputs, but the col"),
    "a bundle's name": (lambda: caffe64.Bundle(net()).save("m.bin"), "the path is 'm.bin', expected a name that ends"),
    "predict without columns": (lambda: caffe64.Bundle(net()).predict("t.csv"), "was not trained on a table"),
    # files
    "rows of a word": (
        lambda: caffe64.read_matrix(__file__, "all", 1),
        "rows is 'all', expected a whole number from 1",
    ),
    "no columns": (lambda: caffe64.read_matrix(__file__, 1, 0), "columns is 0, expected a whole number from 1"),
    "half a column": (lambda: caffe64.read_matrix(__file__, 1, 2.5), "columns is 2.5"),
    "a number to read": (lambda: caffe64.read_matrix(0, 1, 1), "the path is 0"),
    "an optimizer of nothing": (lambda: caffe64.read_optimizer(None), "the path is None"),
    "a checkpoint of a number": (lambda: caffe64.read_checkpoint(3), "the path is 3"),
    "write no optimizer": (lambda: caffe64.write_optimizer("o.txt", (1, 2)), "optimizer is of the type tuple"),
    "write no checkpoint": (lambda: caffe64.write_checkpoint("c.c64", {}), "checkpoint is of the type dict"),
    "write words": (lambda: caffe64.write_numbers("n.txt", ["a"]), "the values are not numbers"),
    "write a line": (lambda: caffe64.write_numbers("n.txt", [1, 2]), r"the values have the shape \(2,\)"),
    "write pictures": (lambda: caffe64.write_numbers("n.txt", np.zeros((2, 2, 2))), "the values have the shape"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_would_be_misused_is_a_usage_error(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, message = CASES[name]
    with pytest.raises(caffe64.UsageError, match=message):
        call()
    assert not any(tmp_path.iterdir())


NO_RATES = ["a", None, [1], 1 + 0j, True, np.True_, -1, np.nan, np.inf, 10**400]


@pytest.mark.parametrize("value", NO_RATES, ids=lambda value: repr(value)[:9])
def test_an_optimizer_field_that_is_not_a_number_is_refused_by_name(value):
    with pytest.raises(caffe64.InputError, match=r"<optimizer>: found .*, expected the learning rate, a finite"):
        rate(value)


@pytest.mark.parametrize("threads", [0, -1, -2, MOST_THREADS + 1, 1.0, 2.5, True, "2", np.float32(1)], ids=repr)
def test_threads_are_a_whole_number_from_1_everywhere(threads, tmp_path):
    (tmp_path / "net.prototxt").write_text(
        "layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: 1 } } }"
    )
    calls = [
        lambda: fit(threads=threads),
        lambda: train(threads=threads),
        lambda: resume(threads=threads),
        lambda: net().predict(X, threads=threads),
        lambda: net().evaluate(X, Y, threads=threads),
        lambda: caffe64.load_caffe(tmp_path / "net.prototxt", threads=threads),
    ]
    for call in calls:
        with pytest.raises(caffe64.UsageError, match=rf"threads is .*expected a whole number from 1 to {MOST_THREADS}"):
            call()


def test_threads_of_numpy_and_more_than_there_are_rows_are_taken():
    expected = net().predict(X)
    for threads in (1, np.int8(2), 50, MOST_THREADS):
        np.testing.assert_array_equal(net().predict(X, threads=threads), expected)


def test_a_net_of_one_word_says_what_is_wrong_with_it():
    with pytest.raises(caffe64.InputError, match="found 'sce' as the first layer"):
        caffe64.Net("sce")


def test_public_classes_print_by_their_public_names():
    assert repr(rate(0.5)) == "Optimizer(rate=0.5, step=0, factor=1.0, decay=0.0, momentum=0.0, epochs=1)"
    assert eval(repr(rate(0.5)), {"Optimizer": caffe64.Optimizer}) == rate(0.5)
    adam = caffe64.Optimizer(0.5, 0, 1, 0, 0.9, 1, rule="adam", second=0.9)
    assert repr(adam).endswith("epochs=1, rule='adam', second=0.9)")
    assert eval(repr(adam), {"Optimizer": caffe64.Optimizer}) == adam
    assert repr(caffe64.OneHot([[1, 2], [3, 0]], 4)) == "OneHot(2 rows, 2 positions, 4 classes)"
    for name in caffe64.__all__:
        public = getattr(caffe64, name)
        assert not isinstance(public, type) or public.__name__ == name
