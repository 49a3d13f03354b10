"""Tables and bundles on the command line: a CSV file with holes to predictions, with nothing but the model."""

from __future__ import annotations

import csv
import io
import json
import re

import numpy as np
import polars
import pytest

import caffe64

NET = "5\ninp ? 10\nlin 8 -1\nrel\nlin ? -1\nsce\n"
TRAIN = "train net.txt model.c64 optim.txt all people.csv --quiet"
FITTED = "--drop name --impute median --scale standard"


@pytest.fixture(scope="module")
def people() -> str:
    """300 people, most of whose wishes follow from income and city; each name is of two lines."""
    random = np.random.default_rng(0)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["name", "age", "city", "member", "income", "wish"])
    for number in range(300):
        city, income = random.choice(["Bern", "Oslo", "Rome"]), random.normal(50_000, 10_000)
        age = "" if number % 50 == 7 else f"{random.normal(40, 10):.1f}"
        wish = "sea" if city == "Rome" else "car" if income > 50_000 else "book"
        writer.writerow([f"P.\n{number}", age, city, random.choice(["true", "false"]), f"{income:.2f}", wish])
    return stream.getvalue()


@pytest.fixture
def here(task, people):
    (task / "people.csv").write_text(people)
    (task / "net.txt").write_text(NET)
    (task / "optim.txt").write_text("0.05 20 0.5 0 0.9 30\n")
    return task


def test_from_a_table_to_predictions(cli, here, people):
    done = cli(f"{TRAIN} --target wish {FITTED} --validation 0.2 --log log.jsonl".replace(" --quiet", ""))
    assert done.exit_code == 0, done.stderr
    assert "4 columns are 6 features, 'wish' has 3 labels; 60 rows are held out" in done.stderr
    records = [json.loads(line) for line in (here / "log.jsonl").read_text().splitlines()]
    assert records[-1]["validation_accuracy"] > 0.85

    # Nothing but the model and the table is needed, in any order of columns, and without the target.
    (here / "net.txt").unlink()
    frame = polars.read_csv(here / "people.csv").select("wish", "income", "member", "city", "age")
    frame.drop("wish").write_parquet(here / "new.parquet")
    done = cli("predict model.c64 new.parquet -o out.csv")
    assert done.exit_code == 0, done.stderr
    shown = cli("predict model.c64 people.csv").stdout
    assert (here / "out.csv").read_text() == shown
    found = polars.read_csv(io.StringIO(shown))
    assert found.columns == ["prediction", "p(book)", "p(car)", "p(sea)"]
    bundle = caffe64.Bundle.read(here / "model.c64")
    assert found.with_columns(polars.col(polars.Float64).cast(polars.Float32)).equals(
        bundle.predict(here / "people.csv")
    )
    share = float((found["prediction"] == frame["wish"]).mean())
    assert share > 0.85

    scores = json.loads(cli("eval model.c64 all people.csv --json").stdout)
    assert scores["accuracy"] == pytest.approx(share)
    assert [each["name"] for each in scores["classes"]] == ["book", "car", "sea"]
    assert max(map(len, cli("eval model.c64 all people.csv").stdout.splitlines())) <= 80

    assert cli("test --threads 1 model.c64 5 people.csv rows.txt --quiet").exit_code == 0
    np.testing.assert_allclose(np.loadtxt(here / "rows.txt"), found.drop("prediction").to_numpy()[:5], atol=1e-6)

    shown = cli("info model.c64").stdout
    assert re.search(r"^city +category +(Bern|Oslo|Rome) +Bern, Oslo, Rome$", shown, re.MULTILINE)
    assert "target wish: book, car, sea" in shown
    assert json.loads(cli("info model.c64 --json").stdout)["columns"]["labels"] == ["book", "car", "sea"]


def test_it_is_the_training_of_the_same_arrays(cli, here):
    """And its checkpoint goes on, on the same rows."""
    table = caffe64.Table(
        here / "people.csv", target="wish", drop=["name"], impute="median", scale="standard", loss="sce"
    )
    first, second = table.split(0.2)
    net = first.net(NET)
    net.fit(first.X, first.Y, caffe64.read_optimizer(here / "optim.txt"), validation=(second.X, second.Y), seed=3)
    caffe64.Bundle(net, first.columns).save(here / "same.c64")
    options = f"--target wish {FITTED} --validation 0.2 --seed 3"
    assert cli(f"{TRAIN} {options}").exit_code == 0
    assert (here / "model.c64").read_bytes() == (here / "same.c64").read_bytes()
    (here / "optim.txt").write_text("0.05 20 0.5 0 0.9 10\n")
    assert cli(f"{TRAIN} {options} --checkpoint run.ckpt").exit_code == 0
    (here / "optim.txt").write_text("0.05 20 0.5 0 0.9 30\n")
    assert cli(f"{TRAIN} {options} --checkpoint run.ckpt --resume run.ckpt").exit_code == 0
    assert (here / "model.c64").read_bytes() == (here / "same.c64").read_bytes()


def test_a_regression_of_three_targets(cli, here):
    random = np.random.default_rng(1)
    X = random.normal(size=(200, 3))
    Y = X @ random.normal(size=(3, 3)) + [1, 2, 3]
    polars.DataFrame(np.column_stack([X, Y]), schema=["a", "b", "c", "u", "v", "w"]).write_csv(here / "t.csv")
    (here / "net.txt").write_text("3\ninp ? 10\nlin ? -1\nl2l\n")
    (here / "optim.txt").write_text("0.05 0 1 0 0.9 20\n")
    assert cli("train net.txt model.c64 optim.txt all t.csv -q --target u,v --target w --val-x t.csv").exit_code == 0
    found = polars.read_csv(io.StringIO(cli("predict model.c64 t.csv").stdout))
    assert found.columns == ["u", "v", "w"]
    np.testing.assert_allclose(found.to_numpy(), Y, atol=0.05)
    scores = json.loads(cli("eval model.c64 all t.csv --json").stdout)
    assert [each["name"] for each in scores["targets"]] == ["u", "v", "w"]


def test_targets_of_other_sizes_are_scaled(cli, here):
    """All that is printed is in their units."""
    random = np.random.default_rng(1)
    X = random.normal(size=(200, 3))
    Y = (X @ random.normal(size=(3, 2)) + [1, 2]) * [200_000, 0.01]
    polars.DataFrame(np.column_stack([X, Y]), schema=["a", "b", "c", "u", "v"]).write_csv(here / "t.csv")
    (here / "net.txt").write_text("3\ninp ? 10\nlin ? -1\nl2l\n")
    (here / "optim.txt").write_text("0.05 0 1 0 0.9 20\n")
    done = cli("train net.txt model.c64 optim.txt all t.csv -q --target u,v --scale standard --validation 0.2")
    assert done.exit_code == 0, done.stderr
    found = polars.read_csv(io.StringIO(cli("predict model.c64 t.csv").stdout)).to_numpy()
    size = np.array([200_000, 0.01])
    np.testing.assert_allclose(found / size, Y / size, atol=0.01)
    mae = np.abs(found - Y).mean(axis=0)
    scores = json.loads(cli("eval model.c64 all t.csv --json").stdout)
    found_mae = np.array([each["mae"] for each in scores["targets"]])
    np.testing.assert_allclose(found_mae / size, mae / size, atol=2.0**-20)
    assert cli("test model.c64 4 t.csv rows.txt -q").exit_code == 0
    np.testing.assert_allclose(np.loadtxt(here / "rows.txt"), found[:4], rtol=1e-6, atol=1e-6)
    v = caffe64.Bundle.read(here / "model.c64").columns.target_columns[1]
    lines = [line.split() for line in cli("info model.c64").stdout.splitlines()]
    assert ["v", f"{v.shift:g}", f"{v.factor:g}"] in lines


def test_weights_of_rows_and_classes(cli, here):
    """Those of rows are a column, which is no feature, those of classes are in the order of the labels."""
    data = polars.read_csv(here / "people.csv").with_columns(sure=polars.Series(np.linspace(0, 2, 300)))
    data.write_csv(here / "people.csv")
    (here / "classes.txt").write_text("1 2 0.5\n")
    asked = {"target": "wish", "drop": ["name"], "impute": "median", "scale": "standard", "weights": "sure"}
    first, _ = caffe64.Table(here / "people.csv", **asked).split(0.2)
    assert "sure" not in first.columns.feature_names
    for option, class_weight in (("balanced", "balanced"), ("classes.txt", [1, 2, 0.5])):
        net = first.net(NET)
        options = {"sample_weight": first.weights, "class_weight": class_weight}
        net.fit(first.X, first.Y, caffe64.read_optimizer(here / "optim.txt"), **options)
        caffe64.Bundle(net, first.columns).save(here / "same.c64")
        line = f"{TRAIN} --target wish {FITTED} --validation 0.2 --row-weights sure --class-weights {option}"
        done = cli(line.replace(" --quiet", ""))
        assert done.exit_code == 0, done.stderr
        assert (here / "model.c64").read_bytes() == (here / "same.c64").read_bytes()
    assert "weights of the classes: book 1, car 2, sea 0.5" in done.stderr
    (here / "classes.txt").write_text("1 2\n")
    done = cli(line)
    assert done.exit_code == 3
    assert "holds 2 numbers, expected 3, a weight for each class, in this order: book, car, sea" in done.stderr


def test_a_bundle_of_plain_numbers_stands_for_net_and_weights(cli, task):
    assert cli("train net.txt weights.bin optim.txt all X.txt Y.txt -q").exit_code == 0
    assert cli("train net.txt model.c64 optim.txt all X.txt Y.txt -q").exit_code == 0
    for command in ("eval {} all X.txt Y.txt", "test -q {} 7 X.txt -", "test {} 7 -q X.txt -", "predict {} X.txt"):
        pair, bundle = (cli(command.format(each)) for each in ("net.txt weights.bin", "model.c64"))
        assert (pair.exit_code, pair.stdout) == (0, bundle.stdout)
    assert cli("predict model.c64 X.txt").stdout.startswith("prediction,p(0),p(1),p(2)\n")
    assert "no columns" in cli("info model.c64").stdout
    assert cli("train net.txt again.bin optim.txt all X.txt Y.txt -q --init model.c64").exit_code == 0
    assert "--ignore-unknown" in cli("predict model.c64 X.txt --ignore-unknown").stderr
    assert cli("eval model.c64 all X.txt").exit_code == 2
    refused = cli("train model.c64 w.bin optim.txt all X.txt Y.txt")
    assert refused.exit_code == 3
    assert "model.c64: is a .c64 bundle, expected a text net (for caffe64 test, eval, predict" in refused.stderr
    assert cli("info model.c64 weights.bin").exit_code == 2


WRONG = {  # options behind the table -> exit code, message
    "": (2, "the file of targets, Y, is missing: ... N X Y, or ... N TABLE --target COLUMN"),
    "--scale standard": (2, "--scale is for a table: it needs --target COLUMN"),
    "--validation 0.2": (2, "--validation is for a table"),
    "people.csv --target wish": (2, "with --target, a table holds its targets itself: leave people.csv out"),
    "--target wish --val-x people.csv --val-y people.csv": (2, "leave people.csv out"),
    "--target wish --val-x people.csv --validation 0.2": (2, "one of them is enough"),
    "--target wish --validation 2": (2, "--validation 2: expected a share of the rows"),
    "--target wish --scale max": (2, "--scale max: expected standard or minmax"),
    "--target wish --impute zero": (2, "--impute zero: expected mean or median"),
    "--target wihs": (3, "people.csv: has no column 'wihs', expected one of 'name', 'age'"),
    "--target wish": (3, "column 'name' holds 300 different texts in 300 rows"),
    "--target wish --drop name": (3, "people.csv:16: column 'age': the value is missing"),
    "--target wish --features age": (3, "people.csv:16: column 'age': the value is missing"),
    "--target income,age": (2, "2 targets, expected one for 'sce'"),
    "people.csv": (3, "net.txt:2:5: found '?', expected F"),
}


@pytest.mark.parametrize("options", WRONG)
def test_wrong_requests(cli, here, options):
    code, message = WRONG[options]
    done = cli(f"{TRAIN} {options}")
    assert message in done.stderr
    assert done.exit_code == code
    assert not (here / "model.c64").exists()


def test_other_wrong_files(cli, here):
    assert "weights.bin must end with .c64" in cli(f"{TRAIN} --target wish".replace("model.c64", "weights.bin")).stderr
    (here / "net.txt").write_text(NET.replace("lin ?", "lin 4"))
    done = cli(f"{TRAIN} --target wish --features income")
    assert "net.txt: the net has 4 outputs, expected 3, the number of labels of 'wish' (write lin 3 -1" in done.stderr
    (here / "net.txt").write_text(NET)
    assert cli(f"{TRAIN} --target wish --features city,member").exit_code == 0
    (here / "new.csv").write_text("city,member\nRome,true\nOlso,false\n")
    done = cli("predict model.c64 new.csv")
    assert done.exit_code == 3
    assert not done.stdout
    assert "new.csv:3: column 'city': found the category 'Olso', expected one of those" in done.stderr
    assert len(cli("predict model.c64 new.csv --ignore-unknown").stdout.splitlines()) == 3
    assert "has no column 'wish'" in cli("eval model.c64 all new.csv --ignore-unknown").stderr
    assert "holds 2 rows, expected 3" in cli("test model.c64 3 new.csv out.txt").stderr


def test_info_of_long_names_and_many_values_fits_80_columns(cli, task):
    random = np.random.default_rng(0)
    towns = ["Castrop-Rauxel am Rhein-Herne-Kanal", *(f"Garmisch-Partenkirchen {n}" for n in range(2000))][:300]
    with open(task / "table.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["the town, in which people live", "a number, as large as it is", "flag", "kind"])
        for row in range(600):
            kind = ["a kind of a very long name", "another kind, whose name is longer", "third", "4", "fifth"][row % 5]
            writer.writerow([towns[row % 300], -1e9 * random.random(), "true", kind])
    (task / "net.txt").write_text("3\ninp ? 10\nlin ? -1\nsce\n")
    (task / "optim.txt").write_text("0.01 0 1 0 0 1")
    done = cli("train net.txt model.c64 optim.txt all table.csv --target kind --scale standard --quiet")
    assert done.exit_code == 0, done.stderr
    done = cli("info model.c64")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[-4:]] == ["the", "a", "flag", "target"]
    assert re.search(r"category  refused +Castrop-Rauxe\.\.\. and 299 more$", lines[-4])
    assert re.search(r"number    refused +\(value \+ \S+\) \* \S+$", lines[-3])


def test_a_net_beside_its_bundle_is_refused(cli, here):
    assert cli(f"{TRAIN} --target wish {FITTED}").exit_code == 0
    done = cli("predict net.txt model.c64 people.csv")
    assert done.exit_code == 2
    assert "model.c64 holds its net itself: leave net.txt out" in done.stderr


def test_weights_of_other_columns_are_no_start(cli, here, people):
    """Other inputs or labels are refused; another scale is said, rows of the same kind are not."""
    assert cli(f"{TRAIN} --target wish {FITTED}").exit_code == 0
    (here / "model.c64").rename("first.c64")
    (here / "people.csv").write_text(people.replace("Oslo", "Paris"))
    done = cli(f"{TRAIN} --target wish {FITTED} --init first.c64")
    assert done.exit_code == 2
    assert "--init first.c64: input 3 is 'city=Oslo' there, but 'city=Paris' of this table" in done.stderr
    (here / "people.csv").write_text(people.replace("sea", "bus"))
    assert "output 2 is 'car' there, but 'bus'" not in cli(f"{TRAIN} --target wish {FITTED}").stderr
    assert "output 2 is 'car' there, but 'bus' of" in cli(f"{TRAIN} --target wish {FITTED} --init first.c64").stderr
    (here / "people.csv").write_text("\n".join(people.splitlines()[:401]) + "\n")
    loud = TRAIN.replace(" --quiet", "")
    assert "scaled otherwise" not in cli(f"{loud} --target wish {FITTED} --init first.c64").stderr
    done = cli(f"{loud} --target wish {FITTED.replace('standard', 'minmax')} --init first.c64")
    assert done.exit_code == 0
    assert "--init first.c64: 'age' is scaled otherwise there than here" in done.stderr
