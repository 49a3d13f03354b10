"""Targets of real numbers are scaled with the features, and everything that leaves a bundle is in their units."""

from __future__ import annotations

import json

import numpy as np
import polars
import pytest
from reference.compiled_c import needs_compiler, predict_rows, shared_library
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import caffe64
from caffe64 import Table
from caffe64.tables.columns import Feature, TableColumns
from caffe64.tables.columns_json import columns_from_json, columns_to_json
from caffe64.tables.raw import NUMBER

TARGETS = ["price", "rooms", "share"]
NET = "inp ? 10 / lin 8 glorot / tnh / lin ? glorot / l2l"
ROUNDING = 2.0**-24


def houses(rows: int = 300) -> polars.DataFrame:
    """Prices about 200,000, a few rooms, a share below 1: all follow from size and place."""
    random = np.random.default_rng(5)
    size, place = random.normal(90, 25, rows), random.choice(["hill", "lake"], rows)
    lake = place == "lake"
    price = 150_000 + 900 * size + 40_000 * lake + random.normal(0, 2000, rows)
    rooms, share = size / 30 + lake, 0.2 + 0.1 * lake + size / 1000
    return polars.DataFrame({"size": size, "place": place, "price": price, "rooms": rooms, "share": share})


def targets(data: polars.DataFrame) -> np.ndarray:
    return data.select(TARGETS).to_numpy()


@pytest.fixture(scope="module")
def bundle() -> caffe64.Bundle:
    table = Table(houses(), target=TARGETS, scale="standard")
    net = table.net(NET)
    net.fit(table.X, table.Y, caffe64.Optimizer(rate=0.05, step=0, factor=1, decay=0, momentum=0.9, epochs=60))
    return caffe64.Bundle(net, table.columns)


@pytest.mark.parametrize("scale", ["standard", "minmax"])
@pytest.mark.parametrize("loss", [None, "l2l", "hub"])
def test_they_are_scaled_by_the_training_rows(scale, loss):
    data = houses()
    first, second = Table(data, target=TARGETS, scale=scale, loss=loss).split(0.25)
    scaler = {"standard": StandardScaler, "minmax": MinMaxScaler}[scale]()
    held_out = polars.Series(np.isin(data["size"].to_numpy().astype(np.float32), raw_sizes(second)))
    scaler.fit(targets(data.filter(~held_out)))
    # A price of 2**18 is rounded to 2**-7 in float32, and it varies by 2**15.
    np.testing.assert_allclose(first.Y, scaler.transform(targets(data.filter(~held_out))), atol=64 * ROUNDING)
    np.testing.assert_allclose(second.Y, scaler.transform(targets(data.filter(held_out))), atol=64 * ROUNDING)
    np.testing.assert_allclose(second.columns.values(second.Y), targets(data.filter(held_out)), rtol=4 * ROUNDING)


def raw_sizes(table: Table) -> np.ndarray:
    """Which rows a table has, by a number that is theirs alone."""
    return table._raw.numbers(["size"])[:, 0]


def test_labels_shares_and_booleans_are_what_they_are():
    data = houses().with_columns(a=polars.col("size") > 90, b=(polars.col("rooms") > 3).cast(polars.Int64))
    for chosen, loss in ((["b"], "sce"), (["b"], "bce"), (["a", "b"], "bce"), (["a", "b"], "sft")):
        table = Table(data, target=chosen, scale="standard", loss=loss)
        assert set(np.unique(table.Y)) == {0, 1}, loss
        assert not table.columns.scales_targets
    mixed = Table(data, target=["a", "price"], scale="minmax")
    assert set(np.unique(mixed.Y[:, 0])) == {0, 1}
    assert (mixed.columns.target_shift[0], mixed.columns.target_factor[0]) == (0, 1)
    plain = Table(data, target=TARGETS)
    np.testing.assert_array_equal(plain.Y, targets(data).astype(np.float32))
    outputs = np.ones((2, 3), np.float32)
    assert plain.columns.values(outputs) is outputs


def test_a_constant_target():
    data = houses(30).with_columns(price=polars.lit(7.0))
    table = Table(data, target="price", scale="standard")
    assert not table.Y.any()
    assert table.columns.values(table.Y).tolist() == [[7]] * 30


def test_a_net_of_another_loss_is_refused():
    table = Table(houses(), target=["rooms", "share"], scale="standard")
    with pytest.raises(caffe64.UsageError, match=r"ends in bce, whose targets are not scaled: Table\(..., loss='bce'"):
        table.net("inp ? 10 / lin ? -1 / bce")
    net = caffe64.Net("inp 4 10 / lin 2 -1 / bce")
    net.initialise(0)
    with pytest.raises(caffe64.UsageError, match="whose targets are not scaled"):
        caffe64.Bundle(net, table.columns)


def test_predictions_and_scores_are_in_units_of_the_targets(bundle, tmp_path):
    data = houses()
    bundle.save(tmp_path / "m.c64")
    again = caffe64.Bundle.read(tmp_path / "m.c64")
    assert again.columns == bundle.columns
    found = again.predict(data).to_numpy()
    assert r2_score(targets(data), found, multioutput="raw_values").min() > 0.98
    scores = again.evaluate(data)
    for name, measure in (("r2", r2_score), ("mae", mean_absolute_error), ("rmse", root_mean_squared_error)):
        expected = measure(targets(data), found, multioutput="raw_values")
        np.testing.assert_allclose(getattr(scores.per_target, name), expected, rtol=1e-3, err_msg=name)
    assert scores.mae == pytest.approx(mean_absolute_error(targets(data), found), rel=1e-3)
    # The loss is that of the scaled targets.
    scaled = StandardScaler().fit(targets(data))
    errors = scaled.transform(found) - scaled.transform(targets(data))
    assert scores.loss == pytest.approx(np.square(errors).sum(axis=1).mean(), rel=1e-3)
    assert "summed over the scaled targets" in str(scores)
    assert "price" in str(scores)


def by_hand(bundle: caffe64.Bundle, raw: np.ndarray) -> np.ndarray:
    """Values float64 of inputs [N, F] as in the table, from the JSON and the weights alone."""
    known = json.loads(columns_to_json(bundle.columns))
    x = raw.astype(np.float64)
    x[:, 0] = (x[:, 0] - known["features"][0]["shift"]) * known["features"][0]["factor"]
    net = bundle.net
    hidden = np.tanh(x @ net.layers[1].W.astype(np.float64) + net.layers[1].b)
    outputs = hidden @ net.layers[3].W.astype(np.float64) + net.layers[3].b
    return outputs / [each["factor"] for each in known["targets"]] + [each["shift"] for each in known["targets"]]


def raw_inputs(rows: int) -> np.ndarray:
    lake = np.random.default_rng(2).random(rows) < 0.5
    return np.column_stack([np.linspace(30, 150, rows), ~lake, lake]).astype(np.float32)


def test_an_onnx_model_gives_units(bundle, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    assert caffe64.export_onnx(bundle, tmp_path / "net.onnx")
    raw = raw_inputs(20)
    (found,) = onnxruntime.InferenceSession(tmp_path / "net.onnx").run(["y"], {"x": raw})
    np.testing.assert_allclose(found, by_hand(bundle, raw), rtol=1e-5)


@needs_compiler
def test_a_c_file_gives_units(bundle, tmp_path):
    raw, files = raw_inputs(20), [tmp_path / "net.c", tmp_path / "copy.c"]
    caffe64.export_c(bundle, files[0])
    # A net that does nothing, of features that are not scaled: the C file turns its outputs into units alone.
    columns = TableColumns(tuple(Feature(name, NUMBER) for name in "abc"), bundle.columns.target_columns)
    copy = caffe64.Net("inp 3 10 / l2l")
    copy.initialise(0)
    caffe64.export_c(caffe64.Bundle(copy, columns), files[1])
    library = shared_library(tmp_path / "net.so", *files)
    np.testing.assert_allclose(predict_rows(library, "net", raw, 3), by_hand(bundle, raw), rtol=1e-5)
    expected = raw / columns.target_factor.astype(np.float64) + columns.target_shift
    np.testing.assert_allclose(predict_rows(library, "copy", raw, 3), expected, rtol=4 * ROUNDING)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"factor": 1.0', '"factor": 0'),
        ('"factor": 1.0', '"factor": -1'),
        ('"factor": 1.0', '"factor": 1e-60'),
        ('"factor": 1.0', '"factor": NaN'),
        ('"shift": 0.0', '"shift": "0"'),
        ('"shift": 0.0', '"shift": 0.5'),
        ('"shift": 0.0, ', ""),
        ('{"name": "place", "shift": 0.0, "factor": 1.0}', '"place"'),
    ],
)
def test_the_json_of_targets_is_checked(old, new):
    """Here of labels, which are not scaled."""
    text = columns_to_json(Table(houses(), target="place", features=["rooms"]).columns)
    place = text.index('"targets"')
    assert old in text[place:]
    with pytest.raises(caffe64.InputError, match="x: is damaged"):
        columns_from_json(text[:place] + text[place:].replace(old, new), "x")
