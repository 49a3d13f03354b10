"""`caffe64.Table`: what is fitted, by scikit-learn's own; what is refused; splits."""

from __future__ import annotations

import numpy as np
import polars
import pytest
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

import caffe64
from caffe64 import Table

NET = "inp ? 5 / lin 4 -1 / rel / lin ? -1 / sce"


def frame(rows: int = 60, seed: int = 0) -> polars.DataFrame:
    random = np.random.default_rng(seed)
    age, height = random.normal(40, 10, rows), random.normal(1.7, 0.1, rows)
    columns = {
        "age": [None if number % 7 == 3 else value for number, value in enumerate(age)],
        "city": [
            None if number % 9 == 4 else value for number, value in enumerate(random.choice(["Oslo", "Bern"], rows))
        ],
        "height": height,
        "member": random.random(rows) < 0.4,
        "label": np.where(age > 40, "old", "young"),
        "score": random.integers(0, 3, rows),
    }
    return polars.DataFrame(columns)


def numbers(data: polars.DataFrame, *names: str) -> np.ndarray:
    return data.select(names).to_numpy().astype(np.float64)


@pytest.mark.parametrize("impute", ["mean", "median"])
@pytest.mark.parametrize("scale", ["standard", "minmax", None])
def test_columns_are_fitted_as_by_scikit_learn(impute, scale):
    data = frame()
    table = Table(data, target="label", drop=["score"], impute=impute, scale=scale)
    plain = SimpleImputer(strategy=impute).fit_transform(numbers(data, "age", "height"))
    # Scaled after imputing, by the mean and deviation of the values that are there.
    scaler = {"standard": StandardScaler, "minmax": MinMaxScaler, None: None}[scale]
    if scaler:
        plain = scaler().fit(numbers(data, "age", "height")).transform(plain)
    city = SimpleImputer(strategy="most_frequent", missing_values=None).fit_transform(
        np.array(data["city"].to_list(), object)[:, None]
    )
    hot = OneHotEncoder(sparse_output=False).fit_transform(city)
    expected = np.column_stack([plain[:, 0], hot, plain[:, 1], data["member"].to_numpy()])
    assert table.columns.feature_names == ["age", "city=Bern", "city=Oslo", "height", "member"]
    assert table.X.dtype == np.float32
    np.testing.assert_allclose(table.X, expected, rtol=1e-5, atol=2e-6)
    assert table.columns.labels == ("old", "young")
    np.testing.assert_array_equal(table.Y, (data["label"] == "young").to_numpy())


def test_shift_and_factor_are_of_the_raw_values():
    table = Table(frame(), target="label", features=["height", "member"], scale="standard")
    raw = numbers(frame(), "height", "member").astype(np.float32)
    np.testing.assert_array_equal(table.X, (raw - table.columns.shift) * table.columns.factor)


def test_a_split_fits_to_its_first_part_alone():
    table = Table(frame(), target="label", features=["member", "height"], scale="standard")
    first, second = table.split(0.25)
    assert (len(first), len(second)) == (45, 15)
    heights = first.X[:, -1]
    np.testing.assert_allclose([heights.mean(dtype=float), heights.std(dtype=float)], [0, 1], atol=1e-5)
    np.testing.assert_array_equal(first.X, table.split(0.25)[0].X)
    assert not np.array_equal(first.X, table.split(0.25, seed=1)[0].X)
    assert second.columns is first.columns


def test_a_category_of_the_held_out_rows_alone_is_none_of_the_others():
    cities = ["Oslo", "Bern"] * 20
    data = polars.DataFrame({"city": cities, "y": [1.0, 2.0] * 20})
    table = Table(data, target="y", loss="l2l")
    first, second = table.split(0.1)
    row = next(k for k in range(40) if k not in first._raw.places)
    cities[row] = "Rome"
    first, second = Table(data.with_columns(polars.Series("city", cities)), target="y", loss="l2l").split(0.1)
    assert first.columns.feature_names == ["city=Bern", "city=Oslo"]
    assert second.X.sum(axis=1).tolist().count(0) == 1
    assert (first.X.sum(axis=1) == 1).all()


def test_every_row_is_in_one_part():
    data = polars.DataFrame({"n": np.arange(50), "y": np.arange(50.0)})
    first, second = Table(data, target="y").split(0.3, seed=5)
    both = np.concatenate([first.X[:, 0], second.X[:, 0]])
    assert sorted(both.tolist()) == list(range(50))
    assert np.array_equal(first.X[:, 0], np.sort(first.X[:, 0]))


def test_targets_of_each_kind():
    data = frame()
    assert Table(data, target="score", loss="sce", features=["height"]).columns.labels == (0, 1, 2)
    assert Table(data, target="member", features=["height"]).columns.labels == (False, True)
    assert Table(data, target="score", features=["height"]).columns.labels is None
    several = Table(data, target=["height", "score"], features=["member"])
    np.testing.assert_array_equal(several.Y, numbers(data, "height", "score").astype(np.float32))
    halves = polars.DataFrame({"x": range(8), "y": [0.1, 0.2, 0.3, 0.1] * 2})
    labelled = Table(halves, target="y", loss="sce")
    assert labelled.columns.labels == (0.1, 0.2, 0.3)
    np.testing.assert_array_equal(labelled.Y, [0, 1, 2, 0] * 2)


def test_labels_of_a_file_may_be_numbers_and_words(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n" + "1,2\n2,2\n3,1\n4,other\n5,1\n")
    assert Table(tmp_path / "t.csv", target="y", loss="sce").columns.labels == ("1", "2", "other")


def test_a_constant_column_keeps_its_scale():
    data = polars.DataFrame({"c": [0.1] * 9, "x": range(9), "y": range(9)})
    for scale in ("standard", "minmax"):
        table = Table(data, target="y", scale=scale)
        assert table.columns.factor[0] == 1
        np.testing.assert_allclose(table.X[:, 0], 0, atol=1e-8)


def test_a_net_is_completed_and_checked():
    table = Table(frame(), target="label", drop=["score", "age", "city"])
    net = table.net(NET)
    assert [str(layer) for layer in net.spec.layers][:1] == ["inp 2 5"]
    assert net.plan.outputs == 2
    wrong = {
        "inp 3 5 / lin 2 -1 / sce": r"has 3 features, expected 2, those of 2 columns \(write inp 2 5, or inp \? 5\)",
        "inp ? 5 / lin 4 -1 / sce": r"has 4 outputs, expected 2, .*labels of 'label' \(write lin 2 -1, or lin \? -1\)",
        "inp ? 5 / lin ? -1": "not a loss layer",
    }
    for text, message in wrong.items():
        with pytest.raises(caffe64.InputError, match=message):
            table.net(text)
    with pytest.raises(caffe64.UsageError, match="ends in l2l, but the table is for sce"):
        table.net("inp ? 5 / lin 1 -1 / l2l")
    with pytest.raises(caffe64.InputError, match=r"<net>:2:5: found '\?', expected F, .*--target"):
        caffe64.Net(NET)


REFUSED = {  # arguments of a table of `frame` -> the message
    "missing number": ({"target": "label"}, r"row 4, column 'age': the value is missing.*--impute"),
    "missing category": ({"target": "label", "features": ["city"]}, r"row 5, column 'city': the value is missing"),
    "missing target": ({"target": "age", "features": ["height"]}, r"row 4, column 'age': the target is missing"),
    "missing label": ({"target": "city", "features": ["height"]}, r"row 5, column 'city': the target is missing"),
    "a near name": ({"target": "lable"}, r"has no column 'lable', expected one of .*did you mean 'label'"),
    "another case": ({"target": "Label"}, r"has no column 'Label'.*did you mean 'label'"),
    "a feature": ({"target": "label", "features": ["hieght"]}, r"no column 'hieght'"),
    "a drop": ({"target": "label", "drop": ["scores"]}, r"no column 'scores'.*did you mean 'score'"),
    "words as numbers": ({"target": "label", "loss": "l2l"}, r"row 1, column 'label': found '(old|young)', expected a"),
    "numbers as labels": ({"target": "height", "loss": "sce", "features": ["member"]}, r"60 different labels in 60"),
    "nothing left": ({"target": "label", "features": ["age"], "drop": ["age"]}, "no columns for features"),
}  # fmt: skip


def arrays(table: Table) -> tuple[np.ndarray, np.ndarray]:
    return table.X, table.Y


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_table_should_not_hold(name):
    arguments, message = REFUSED[name]

    def use():
        return arrays(Table(frame(), **arguments))

    with pytest.raises(caffe64.InputError, match=message):
        use()


def test_columns_that_cannot_be_used():
    names = polars.DataFrame({"name": [f"n{k}" for k in range(30)], "x": range(30), "y": range(30)})
    with pytest.raises(caffe64.InputError, match=r"column 'name' holds 30 different texts in 30 rows.*--drop 'name'"):
        Table(names, target="y").X  # noqa: B018
    one = polars.DataFrame({"x": range(5), "y": ["a"] * 5})
    with pytest.raises(caffe64.InputError, match="column 'y' holds one label only, 'a'"):
        Table(one, target="y")
    empty = polars.DataFrame({"x": [None] * 5, "z": range(5), "y": range(5)})
    with pytest.raises(caffe64.InputError, match="column 'x' holds no value"):
        Table(empty, target="y", impute="mean").X  # noqa: B018


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("options", [{"drop": ["id", "note"]}, {"features": ["age", "city"]}])
def test_columns_that_are_not_used_are_not_looked_into(tmp_path, quote, options):
    """Their fields end where those of the others do, but their bytes may be anything."""
    rows = ['id,"age",note,city,plan']
    for k in range(200):
        note = '"1, ""2"", 3"' if k % 7 == 0 else f"{quote}{'n' * (k % 80)}{quote}"
        rows.append(f"{quote}{'x' * k}{quote},{k},{note},{'ab'[k % 2]},{'yn'[k % 3 == 0]}")
    path = tmp_path / "t.csv"
    path.write_bytes("\n".join(rows).replace("nnn", "n\xe9n").encode("latin-1"))
    table = caffe64.Table(path, target="plan", **options)
    assert table.X.tolist() == [[k, k % 2 == 0, k % 2 == 1] for k in range(200)]
    assert table.Y.tolist() == [float(k % 3 != 0) for k in range(200)]
    with pytest.raises(caffe64.InputError, match=r"has no column 'citi', expected one of .*'note'"):
        caffe64.Table(path, target="plan", drop=["id", "note", "citi"])


def test_a_column_that_is_not_used_may_hold_whatever_a_used_one_may(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('id,x,c,y\n"1" ,1,a,2\n 2 ,2,b,3\n"3",4,a,5\n,4,a,5\n')
    expected = caffe64.Table(path, target="y", impute="mean").X
    np.testing.assert_array_equal(caffe64.Table(path, target="y", drop=["id"]).X, expected[:, 1:])


def test_weights_may_be_dropped_and_are_read_of_a_table_like_another(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("w,c,y\n1,a,2\n3,b,4\n")
    for options in ({}, {"drop": ["w"]}, {"features": ["c"]}):
        table = caffe64.Table(path, target="y", weights="w", **options)
        assert table.weights.tolist() == table.like(path).weights.tolist() == [1, 3]


def test_a_part_without_rows_cannot_be_fitted(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,c,y\n1,a,2\n3,b,4\n")
    with pytest.raises(caffe64.InputError, match="column 'x' holds no value in the rows of the training"):
        caffe64.Table(path, target="y").parts(np.array([], np.int64), np.arange(2))


def test_one_row():
    table = Table(polars.DataFrame({"x": [3.0], "y": [4.0]}), target="y", scale="standard")
    assert (table.X.tolist(), table.columns.values(table.Y).tolist()) == ([[0]], [[4]])
    with pytest.raises(caffe64.UsageError, match="expected some rows in each part"):
        table.split(0.5)


@pytest.mark.parametrize("features", [["b", "c", "d"], ["a", "d"], ["c", "a"], ["b"], list("abcde"), ["e", "b"]])
def test_a_table_that_is_given_up_gives_the_same(tmp_path, features):
    """Of CSV of numbers, whose memory X takes over: more rows than are moved at a time."""
    values = np.random.default_rng(2).integers(0, 100, (2 * 4096 + 7, 6))
    polars.DataFrame(values, schema=list("abcdey")).write_csv(tmp_path / "t.csv")

    def table():
        return Table(tmp_path / "t.csv", target="y", features=features, scale="minmax")

    expected, kept = table(), table()
    X, Y = table().give_up()
    np.testing.assert_array_equal(X, expected.X)
    np.testing.assert_array_equal(Y, expected.Y)
    np.testing.assert_allclose(Y[:, 0], values[:, 5] / 99, rtol=1e-6)
    raw = values[:, ["abcde".index(name) for name in features]]
    np.testing.assert_allclose(X, raw / 99, rtol=1e-6)
    for part, other in zip(kept.split(0.25), expected.split(0.25), strict=True):
        np.testing.assert_array_equal(part.give_up()[0], other.X)


def test_a_column_weighs_the_rows():
    data = frame().with_columns(weight=polars.Series(np.arange(60) / 8))
    table = Table(data, target="label", features=["height"], weights="weight")
    first, second = table.split(0.25)
    for part in (table, first, second):
        rows = np.searchsorted(np.sort(data["height"].to_numpy().astype(np.float32)), part.X[:, 0])
        expected = data.sort("height")["weight"].to_numpy()[rows]
        np.testing.assert_array_equal(part.weights, expected)
        assert part.weights.dtype == np.float32
    assert table.head(3).weights.tolist() == [0, 0.125, 0.25]
    chosen = Table(data, target="label", drop=["age", "city", "score"], weights="weight")
    assert chosen.columns.feature_names == ["height", "member"]
    assert Table(data, target="label", features=["height"]).weights is None


WEIGHTS = {
    "x,y,w\n1,2,3\n4,5,-1\n": "t.csv:3: column 'w': found -1, expected a weight, a number from 0",
    "x,y,w\n1,2,3\n4,5,\n": "t.csv:3: column 'w': the weight is missing",
    "x,y,w\n1,2,much\n4,5,little\n": "t.csv:2: column 'w': found 'much', expected a weight",
    "x,y,v\n1,2,3\n": "has no column 'w'",
}


@pytest.mark.parametrize("text", WEIGHTS)
def test_what_weights_should_not_be(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(caffe64.InputError) as error:
        Table("t.csv", target="y", features=["x"], weights="w").weights  # noqa: B018
    assert WEIGHTS[text] in str(error.value)


def test_weights_are_one_column_that_is_nothing_else():
    for wrong, message in (
        ({"weights": "label"}, "so that it cannot be a target"),
        ({"weights": "age", "features": ["age"]}, "so that it cannot be a feature"),
        ({"weights": ["age"]}, "expected the name of a column"),
    ):
        with pytest.raises(caffe64.UsageError, match=message):
            Table(frame(), target="label", **wrong)
