"""X of columns of numbers, booleans and categories, at the edges of the blocks of rows that its threads fill."""

from __future__ import annotations

import numpy as np
import pytest

from caffe64.errors import InputError
from caffe64.tables import features
from caffe64.tables.columns import TableColumns
from caffe64.tables.features import Feature
from caffe64.tables.input_rows import INPUT_CHUNK
from caffe64.tables.raw import BOOLEAN, CATEGORY, NUMBER, RawColumn, RawTable

CITIES, WORDS = ("Bergen", "None", "Oslo"), ("Oslo", "None", "Narvik", "Bergen")
FEATURES = (
    Feature("age", NUMBER, (), 41.5, 30.25, 0.125),
    Feature("city", CATEGORY, CITIES, "Oslo"),
    Feature("owns", BOOLEAN, (), 1.0),
    Feature("score", NUMBER),
)
EDGES = [1, 2, INPUT_CHUNK - 1, INPUT_CHUNK, INPUT_CHUNK + 1, 2 * INPUT_CHUNK, 5 * INPUT_CHUNK + 3]


def draw_columns(rows, holes=True):
    draws = np.random.default_rng(rows)
    age = draws.normal(40, 10, rows)
    owns = draws.integers(0, 2, rows).astype(np.float64)
    city = draws.integers(-1 if holes else 0, len(WORDS), rows).astype(np.int32)
    if holes:
        age[draws.random(rows) < 0.2] = np.nan
        owns[draws.random(rows) < 0.2] = np.nan
    columns = [
        RawColumn("score", NUMBER, draws.normal(size=(rows, 2)).astype(np.float32)[:, 1]),  # not contiguous
        RawColumn("city", CATEGORY, city, WORDS),
        RawColumn("owns", BOOLEAN, owns),
        RawColumn("age", NUMBER, age),
    ]
    return RawTable("a.csv", {column.name: column for column in columns}, rows, lambda row: 2 + row)


def expected_inputs(raw):
    """Value by value."""
    found = []
    for row in range(raw.rows):
        age, code, owns, score = (raw.columns[name].values[row] for name in ("age", "city", "owns", "score"))
        age = np.float32(41.5 if np.isnan(age) else age)
        city = "Oslo" if code < 0 else WORDS[code]
        found.append(
            [
                (age - np.float32(30.25)) * np.float32(0.125),
                *(float(city == each) for each in CITIES),
                1.0 if np.isnan(owns) else owns,
                score,
            ]
        )
    return np.array(found, np.float32)


def make(raw, chosen=FEATURES, **options):
    return TableColumns(tuple(chosen), ()).inputs(raw, **options)


@pytest.fixture(params=[1, 2, 3])
def threads(request, monkeypatch):
    monkeypatch.setattr(features, "usable_threads", lambda: request.param)
    monkeypatch.setattr(features, "THREAD_VALUES", 1)
    return request.param


@pytest.mark.parametrize("rows", EDGES)
def test_inputs_are_those_of_each_value(rows, threads):
    raw = draw_columns(rows)
    np.testing.assert_array_equal(make(raw, ignore_unknown=True), expected_inputs(raw))


def test_a_table_of_more_inputs_than_rows(threads):
    raw = draw_columns(3)
    np.testing.assert_array_equal(make(raw, FEATURES * 500, ignore_unknown=True), np.tile(expected_inputs(raw), 500))


@pytest.mark.parametrize("first", [0, INPUT_CHUNK - 1, INPUT_CHUNK, 3 * INPUT_CHUNK + 1])
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("age", np.nan, "the value is missing"),
        ("age", np.inf, "found inf, expected a number below"),
        ("age", -1e39, "found -1e[+]39, expected a number below"),
        ("city", -1, "the value is missing"),
        ("city", 2, "found the category 'Narvik', expected one of those of the training: 'Bergen', 'None', 'Oslo'"),
        ("score", np.nan, "the value is missing"),
    ],
)
def test_the_first_row_with_a_value_that_is_refused_is_named(name, value, said, first, threads):
    raw = draw_columns(4 * INPUT_CHUNK + 1, holes=False)
    raw.columns["city"].values[raw.columns["city"].values == 2] = 0
    for row in (first, first + INPUT_CHUNK // 2, 4 * INPUT_CHUNK):
        raw.columns[name].values[row] = value
    chosen = [Feature(each.name, each.kind, each.values) for each in FEATURES]
    with pytest.raises(InputError, match=rf"a\.csv:{first + 2}: column '{name}': {said}"):
        make(raw, chosen)


def test_of_refused_values_in_several_columns_that_of_the_first_row_is_named(threads):
    raw = draw_columns(2 * INPUT_CHUNK, holes=False)
    raw.columns["city"].values[raw.columns["city"].values == 2] = 0
    raw.columns["age"].values[7] = raw.columns["score"].values[5] = np.nan
    raw.columns["city"].values[6] = raw.columns["city"].values[5] = -1
    chosen = [Feature(each.name, each.kind, each.values) for each in FEATURES]
    with pytest.raises(InputError, match=r"a\.csv:7: column 'city'"):
        make(raw, chosen)


def test_a_category_whose_values_are_all_missing_is_filled_or_refused():
    raw = draw_columns(3)
    raw.columns["city"] = RawColumn("city", NUMBER, np.full(3, np.nan))
    np.testing.assert_array_equal(make(raw, [FEATURES[1]]), [[0, 0, 1]] * 3)
    with pytest.raises(InputError, match="the value is missing"):
        make(raw, [Feature("city", CATEGORY, CITIES)])
