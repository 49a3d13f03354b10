"""Sweeps of a table: each job is what `caffe64.Table` and `fit` give, fitted to its own training rows."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import polars
import pytest

import caffe64
from caffe64.errors import InputError
from caffe64.jobs.checking import checked_job
from caffe64.jobs.grid import read_grid
from caffe64.jobs.run import run_job

NET = "inp ? 10 / lin 6 he / rel / lin ? -1 / sce"
VALUES = "inp ? 10 / lin 6 he / tnh / lin ? -1 / l2l"
ONE = f'net = "{NET}"\ntable = "t.csv"\ntarget = "wish"\nimpute = "mean"\nrate = 0.05\nepochs = 3\n'
PURPOSE = int.from_bytes(hashlib.blake2b(b"folds", digest_size=8).digest(), "little")


def people(rows: int = 90) -> polars.DataFrame:
    random = np.random.default_rng(4)
    city, income = random.choice(["Bern", "Köln", "Oslo"], rows), random.normal(50_000, 10_000, rows)
    age = [None if number % 20 == 3 else round(value) for number, value in enumerate(random.normal(40, 9, rows))]
    wish = np.where(city == "Köln", "sea", np.where(income > 50_000, "car", "book"))
    return polars.DataFrame({"age": age, "city": city, "income": income, "wish": wish})


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    people().write_csv("t.csv")
    return tmp_path


def ran(**fields) -> dict:
    outcome = run_job(checked_job({"net": NET, "table": "t.csv", "target": "wish", "rate": 0.05, "epochs": 3} | fields))
    return outcome.get("result") or outcome["error"]


def digest(net: caffe64.Net) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in net.layer_parameters())).hexdigest()[:16]


def expected(train: caffe64.Table, held_out: caffe64.Table | None, seed: int, text: str = NET) -> dict:
    net = train.net(text)
    optimizer = caffe64.Optimizer(rate=0.05, step=0, factor=1, decay=0, momentum=0, epochs=3)
    history = net.fit(train.X, train.Y, optimizer, seed=seed)
    found = {"loss": history.loss[-1], "weights": digest(net)}
    if held_out is not None:
        scores = net.evaluate(held_out.X, held_out.Y)
        found["validation_loss"] = scores.loss
        found |= {} if scores.accuracy is None else {"validation_accuracy": scores.accuracy}
        found |= {} if scores.r2 is None else {"validation_r2": scores.r2}
    return found


def test_a_job_is_the_training_of_the_table(here):
    fitted = {"impute": "mean", "scale": "standard"}
    table = caffe64.Table("t.csv", target="wish", **fitted)
    assert ran(**fitted, seed=2) == expected(table, None, 2)
    assert ran(**fitted, seed=2, validation=0.3) == expected(*table.split(0.3), 2)
    people(200)[120:].write_parquet("other.parquet")
    assert ran(**fitted, val_table="other.parquet") == expected(table, table.like("other.parquet"), 0)
    first = caffe64.Table("t.csv", target="wish", features=["city", "income"]).head(50)
    assert ran(features="city,income", rows=50, impute="none", scale="none") == expected(first, None, 0)
    dropped = caffe64.Table("t.csv", target="wish", drop=["age", "city"], scale="minmax")
    assert ran(drop=["age", "city"], scale="minmax") == expected(dropped, None, 0)


def test_a_fold_is_fitted_to_its_own_training_rows(here):
    order = np.random.Generator(np.random.Philox(key=np.array([5, PURPOSE], np.uint64))).permutation(90)
    held = np.sort(order[30:60])
    others = np.setdiff1d(np.arange(90), held)
    table = caffe64.Table(people()[others], target="wish", impute="median", scale="standard")
    found = ran(impute="median", scale="standard", folds=3, fold=1, seed=5)
    assert found == expected(table, table.like(people()[held]), 5)


def test_targets_that_are_numbers_have_r2(here):
    table = caffe64.Table("t.csv", target=["income", "age"], impute="mean", scale="standard", drop=["wish"])
    with pytest.raises(InputError, match="column 'age': the target is missing"):
        table.Y  # noqa: B018
    people().drop_nulls().write_csv("full.csv")
    table = caffe64.Table("full.csv", target=["income", "age"], scale="standard", loss="l2l")
    fields = {"net": VALUES, "table": "full.csv", "target": "income,age", "scale": "standard", "validation": 0.25}
    result = ran(**fields)
    assert result == expected(*table.split(0.25), 0, VALUES)
    assert result["validation_r2"] < 1


def test_a_changed_table_is_read_anew(here):
    before = ran(features="income", scale="standard")
    people(60).write_csv("t.csv")
    assert ran(features="income", scale="standard") != before


def test_fifty_seeds_of_a_table_in_processes(cli_folder, cli):
    """And `caffe64 train` gives the weights of each with its options and seed."""
    people().write_csv("t.csv")
    fields = 'scale = ["none", "standard"]\nvalidation = 0.2\n'
    (cli_folder / "g.toml").write_text(f"{ONE}{fields}seed = {list(range(25))}\n")
    done = cli("sweep g.toml --workers 2")
    assert done.exit_code == 0, done.stderr
    table = [line.split() for line in done.stdout.splitlines()]
    assert table[0][:3] == ["scale", "jobs", "validation_accuracy"]
    assert [line[:2] for line in table[1:3]] == [["standard", "25"], ["-", "25"]]
    records = [json.loads(line) for line in (cli_folder / "g.jsonl").read_text().splitlines()]
    assert len(records) == 50
    assert len({record["result"]["weights"] for record in records}) == 50
    record = next(each for each in records if each["job"]["seed"] == 17 and "scale" in each["job"])
    (cli_folder / "net.txt").write_text("5\n" + NET.replace(" / ", "\n"))
    (cli_folder / "optim.txt").write_text("0.05 0 1 0 0 3")
    options = "--target wish --impute mean --scale standard --validation 0.2 --seed 17"
    assert cli(f"train net.txt m.c64 optim.txt all t.csv {options} -q").exit_code == 0
    bundle = caffe64.Bundle.read("m.c64")
    assert digest(bundle.net) == record["result"]["weights"]


@pytest.fixture
def cli_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli():
    from typer.testing import CliRunner

    from caffe64.cli.app import app

    return lambda line: CliRunner().invoke(app, line.split())


def test_jobs_keep_the_sizes_of_a_table_open(here):
    (here / "net.txt").write_text("4\ninp ? 10 # as many as there are\nlin 7 -1\nlin ? he\nsce\n")
    (here / "g.toml").write_text(ONE.replace(NET, "net.txt") + 'drop = ["age", "age,city"]\nscale = "none"\n')
    jobs = read_grid(here / "g.toml")
    assert [job["drop"] for job in jobs] == [["age"], ["age", "city"]]
    assert jobs[0] == {
        "net": "inp ? 10 / lin 7 -1 / lin ? he / sce", "rate": 0.05, "step": 0, "factor": 1.0, "decay": 0.0,
        "momentum": 0.0, "epochs": 3, "table": str(here / "t.csv"), "target": ["wish"], "drop": ["age"],
        "impute": "mean", "seed": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ONE.replace('"wish"', '"whish"'), "t.csv: has no column 'whish', expected one of"),
        (ONE.replace('target = "wish"\n', ""), "g.toml: there is no 'target', the column of the table to learn"),
        (ONE.replace('"wish"', "3"), "g.toml:3: target is 3, expected names of columns"),
        (ONE.replace('impute = "mean"\n', ""), "t.csv:5: column 'age': the value is missing"),
        (ONE.replace('"mean"', '"mode"'), "g.toml:4: impute is 'mode', expected mean, median or none"),
        (ONE + 'scale = "unit"', "g.toml:7: scale is 'unit', expected standard, minmax or none"),
        (ONE + 'x = "t.csv"', "g.toml:7: x and table exclude each other"),
        (ONE.replace('table = "t.csv"', 'x = "t.csv"\ny = "t.csv"'), "g.toml:1: layer 1: '?' stands for what a table"),
        (ONE + "validation = 1", "g.toml:7: validation is 1, expected a share between 0 and 1"),
        (ONE + 'validation = 0.5\nval_table = "t.csv"', "g.toml:7: validation and val_table exclude each other"),
        (ONE + "validation = 0.5\nfolds = 2", "g.toml:8: folds and validation exclude each other"),
        (ONE + "folds = 91", "t.csv: has 90 rows, expected at least 91, one for each fold"),
        (ONE.replace("lin ?", "lin 2"), "g.toml:1: the net has 2 outputs, expected 3, the number of labels of 'wish'"),
        (ONE.replace("lin ?", "lin 2") + "folds = 3", "g.toml:1: the net has 2 outputs, expected 3"),
        (ONE.replace("inp ?", "inp 4"), "g.toml:1: the net has 4 features, expected 5"),
        (ONE + 'features = "wish"', "g.toml:2: the column 'wish' is a target"),
    ],
)
def test_a_wrong_grid_of_a_table(here, text, message):
    (here / "g.toml").write_text(text)
    with pytest.raises(InputError) as raised:
        read_grid(here / "g.toml")
    assert message in str(raised.value)


def test_fields_of_a_table_need_one(here):
    np.save("X.npy", np.zeros((4, 2), np.float32))
    fields = {"net": "inp 2 2 / lin 1 -1 / l2l", "x": "X.npy", "y": "X.npy", "rate": 1, "epochs": 1}
    with pytest.raises(caffe64.UsageError, match="'scale' belongs to a table, and there is none, only x and y"):
        checked_job(fields | {"scale": "standard"})
