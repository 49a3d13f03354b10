"""`caffe64.Bundle` and its file: the same net and columns, predictions by hand, damaged and hostile files."""

from __future__ import annotations

import contextlib
import json
import zipfile

import numpy as np
import pandas
import polars
import pytest

import caffe64
from caffe64.tables.columns_json import columns_from_json, columns_to_json
from caffe64.tables.predictions import Predictions, write_predictions

DATA = polars.DataFrame(
    {
        "size": [1.0, 2.5, None, 4.0, 0.5, 3.0, 2.0, 1.5] * 5,
        "color": ["red", "blue", "red", "green", "blue", "red", None, "green"] * 5,
        "heavy": [True, False, True, True, False, False, True, False] * 5,
        "kind": ["a", "b", "a", "c", "b", "c", "a", "b"] * 5,
    }
)


def trained(scale="standard") -> caffe64.Bundle:
    table = caffe64.Table(DATA, target="kind", impute="mean", scale=scale)
    net = table.net("inp ? 4 / lin 6 -1 / tnh / lin ? -1 / sce")
    net.initialise(3)
    return caffe64.Bundle(net, table.columns)


def by_hand(bundle: caffe64.Bundle, data: polars.DataFrame) -> np.ndarray:
    """Probabilities float64, from the JSON and the weights alone."""
    known = json.loads(columns_to_json(bundle.columns))
    inputs = []
    for feature in known["features"]:
        values = [feature["fill"] if value is None else value for value in data[feature["name"]].to_list()]
        if feature["kind"] == "category":
            inputs += [[float(value == each) for value in values] for each in feature["values"]]
        else:
            shift, factor = feature.get("shift", 0), feature.get("factor", 1)
            inputs.append([(value - shift) * factor for value in values])
    x = np.array(inputs, np.float64).T
    first, second = (np.float64(blob) for blob in bundle.net.layer_parameters() if len(blob))
    size = x.shape[1]
    hidden = np.tanh(x @ first[: size * 6].reshape(size, 6) + first[size * 6 :])
    raw = np.exp(hidden @ second[:18].reshape(6, 3) + second[18:])
    return raw / raw.sum(axis=1, keepdims=True)


def test_predictions_are_those_of_the_weights_and_the_json(tmp_path):
    bundle = trained()
    bundle.save(tmp_path / "m.c64")
    expected = by_hand(bundle, DATA)
    found = caffe64.Bundle.read(tmp_path / "m.c64").predict(DATA)
    assert found.columns == ["prediction", "p(a)", "p(b)", "p(c)"]
    np.testing.assert_allclose(found.drop("prediction").to_numpy(), expected, rtol=2e-5)
    assert found["prediction"].to_list() == [("a", "b", "c")[k] for k in expected.argmax(axis=1)]
    DATA.write_csv(tmp_path / "t.csv")
    DATA.select(DATA.columns[::-1]).write_parquet(tmp_path / "t.parquet")  # in another order, with a target
    for source in (tmp_path / "t.csv", tmp_path / "t.parquet", pandas.DataFrame(DATA.to_dict(as_series=False))):
        assert bundle.predict(source).equals(found)


def test_equal_bundles_make_equal_bytes_and_read_back(tmp_path):
    bundle = trained()
    for name in ("a.c64", "b.C64"):
        bundle.save(tmp_path / name)
    assert (tmp_path / "a.c64").read_bytes() == (tmp_path / "b.C64").read_bytes()
    again = caffe64.Bundle.read(tmp_path / "b.C64")
    assert again.columns == bundle.columns
    np.testing.assert_array_equal(again.net.parameters, bundle.net.parameters)
    assert zipfile.ZipFile(tmp_path / "a.c64").namelist() == ["net.txt", "weights.bin", "columns.json"]
    alone = caffe64.Bundle(bundle.net)
    alone.save(tmp_path / "c.c64")
    assert caffe64.Bundle.read(tmp_path / "c.c64").columns is None
    other = caffe64.Net(bundle.net.spec).load(tmp_path / "c.c64")
    np.testing.assert_array_equal(other.parameters, bundle.net.parameters)


def test_evaluation_has_the_names():
    scores = trained().evaluate(DATA)
    assert scores.labels == ("a", "b", "c")
    assert scores.confusion.sum() == len(DATA)


def test_unknown_categories_and_other_kinds():
    bundle, row = trained(), {"size": 1.0, "color": "pink", "heavy": True}
    with pytest.raises(
        caffe64.InputError, match=r"row 1, column 'color': found the category 'pink', expected one of .*'red'"
    ):
        bundle.predict(polars.DataFrame([row]))
    found = bundle.outputs(polars.DataFrame([row]), ignore_unknown=True).outputs
    assert np.isfinite(found).all()
    wrong = {
        "found 'x', expected a number": {**row, "color": "red", "size": "x"},
        "found 2, expected true or false": {**row, "color": "red", "heavy": 2},
        "no column 'heavy'": {"size": 1.0, "color": "red"},
    }
    for message, other in wrong.items():
        with pytest.raises(caffe64.InputError, match=message):
            bundle.predict(polars.DataFrame([other]))


def test_a_target_of_true_and_false_is_as_good_as_numbers(tmp_path):
    DATA.write_csv(tmp_path / "t.csv")
    table = caffe64.Table(tmp_path / "t.csv", target="heavy", features=["size"], impute="mean", loss="l2l")
    net = table.net("inp ? 4 / lin ? -1 / l2l")
    net.initialise(0)
    bundle, numbers = caffe64.Bundle(net, table.columns), DATA.with_columns(polars.col("heavy").cast(polars.Int8))
    assert bundle.evaluate(tmp_path / "t.csv") == bundle.evaluate(numbers) == bundle.evaluate(DATA)
    np.testing.assert_array_equal(table.like(numbers).Y, table.Y)


def test_a_file_of_numbers_alone_may_hold_categories(tmp_path):
    """Read as numbers, "01" and "1" would be one category."""
    (tmp_path / "t.csv").write_text("zip,x,y\n01,1,a\n1,2,b\nA7,3,a\nB7,4,b\n")
    table = caffe64.Table(tmp_path / "t.csv", target="y", features=["zip"])
    assert table.columns.feature_names == ["zip=01", "zip=1", "zip=A7", "zip=B7"]
    (tmp_path / "new.csv").write_text("zip,x\n1,1\n01,2\n")
    np.testing.assert_array_equal(
        table.columns.inputs(table.like(tmp_path / "new.csv")._raw), [[0, 1, 0, 0], [1, 0, 0, 0]]
    )


def test_predictions_are_written_so_that_they_read_back(tmp_path):
    outputs = np.float32([[1 / 3, 2 / 3], [1e-20, 1], [0.1, 0.9]])
    for labels in (("a,b", "q;"), (3, 7), (False, True), (0.5, 2.5)):
        found = Predictions(outputs, labels, [str(label) for label in labels])
        write_predictions(tmp_path / "p.csv", found)
        write_predictions(tmp_path / "p.parquet", found)
        for read in (polars.read_csv(tmp_path / "p.csv"), polars.read_parquet(tmp_path / "p.parquet")):
            assert read["prediction"].to_list() == [labels[1]] * 3
            np.testing.assert_array_equal(read.drop("prediction").to_numpy().astype(np.float32), outputs)
            assert read.columns[1:] == [f"p({label})" for label in labels]


def rewritten(path, changes: dict, **options) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in {**members, **changes}.items():
            if data is not None:
                archive.writestr(name, data)


def test_damaged_and_hostile_files(tmp_path):
    path = tmp_path / "m.c64"
    trained().save(path)
    whole = path.read_bytes()

    def refused(match=".") -> None:
        with pytest.raises(caffe64.InputError, match=match):
            caffe64.Bundle.read(path)

    for size in range(0, len(whole), 41):
        path.write_bytes(whole[:size])
        refused()
    for place in range(60, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with contextlib.suppress(caffe64.InputError):  # a byte of the calendar is not damage
            caffe64.Bundle.read(path)
    for changes, match in (
        ({"net.txt": None}, "it has no net.txt"),
        ({"weights.bin": None}, "it has no weights.bin"),
        ({"weights.bin": b"\1"}, "weights.bin: is 1 bytes long"),
        ({"net.txt": b"2\ninp 3 1\nlin 2 -1\n"}, "holds weights of"),
        ({"net.txt": b"\xff"}, "not UTF-8"),
        ({"columns.json": b"[]"}, "columns.json: is damaged"),
        ({"columns.json": b"\xff"}, "not UTF-8"),
    ):
        path.write_bytes(whole)
        rewritten(path, changes)
        refused(match)
    path.write_bytes(whole)
    rewritten(path, {"columns.json": b"x" * 10_000_000}, compression=zipfile.ZIP_DEFLATED)
    refused("compressed or too large")
    other = trained().columns
    text = columns_to_json(other)
    path.write_bytes(whole)
    rewritten(path, {"columns.json": text.replace('"labels": ["a", ', '"labels": [').encode()})
    refused("is damaged: the net has")


WRONG = {  # a change of the JSON's text
    '"version": 1': '"version": 2',
    '"kind": "number"': '"kind": "date"',
    '"format": "caffe64 columns",': "",
    '"targets": [{"name": "kind", "shift": 0.0, "factor": 1.0}]': '"targets": []',
    '"name": "size"': '"name": "color"',
    '"name": "heavy"': '"name": 7',
    '"values": [': '"values": [ 1,',
    '"a", "b"': '"a", "a"',
    '"a", "b", "c"': '"a"',
    '"factor": ': '"factor": 1e',
    '"fill": ': '"fill": true, "x": ',
}


@pytest.mark.parametrize("old", WRONG)
def test_the_json_is_checked(old):
    text = columns_to_json(trained().columns)
    assert columns_from_json(text, "x") == trained().columns
    assert old in text
    with pytest.raises(caffe64.InputError, match="x: is damaged"):
        columns_from_json(text.replace(old, WRONG[old]), "x")
    for deep in ("[" * 100_000, '{"a":' * 50_000, "NaN", ""):
        with pytest.raises(caffe64.InputError, match="x: is damaged"):
            columns_from_json(deep, "x")


def test_polars_is_needed_for_words_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    (tmp_path / "n.csv").write_text("x,y\n1,0\n2,1\n3,0\n4,1\n")
    table = caffe64.Table(tmp_path / "n.csv", target="y", loss="sce")
    net = table.net("inp ? 2 / lin ? -1 / sce")
    net.initialise(0)
    found = caffe64.Bundle(net, table.columns).outputs(tmp_path / "n.csv")
    write_predictions(tmp_path / "p.csv", found)
    assert (tmp_path / "p.csv").read_text().startswith("prediction,p(0),p(1)\n")
    (tmp_path / "w.csv").write_text("x,y\n1,a\n2,b\n")
    with pytest.raises(caffe64.UsageError, match=r"pip install 'caffe64\[tables\]'"):
        caffe64.Table(tmp_path / "w.csv", target="y")
