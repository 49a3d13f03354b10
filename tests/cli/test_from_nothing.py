"""What a newcomer does with a table, from an empty folder, on a terminal of 80 columns and in a pipe: a classifier,
three values at once, fifty seeds, and a program in C."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys

import numpy as np
import polars
import pytest
from reference.compiled_c import compile_c, needs_compiler
from reference.terminal import CONTROL, on_terminal, screen

WIDTH = 80
NET = "5\ninp ? 20\nlin 16 he\nrel\nlin ? he\n"
ADAM = "0.01 0 1 0 0.9 60\nadam\n"
STEMS = {"fir": (9.0, 30.0), "oak": (6.0, 55.0), "elm": (7.0, 40.0)}  # height in m, girth in cm
MEASURES = ["height", "girth"]


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty folder, the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CAFFE64_DEBUG", raising=False)
    return tmp_path


def in_pipe(command: str) -> list[str]:
    """The lines on stdout of a command that succeeds: at most WIDTH characters, nothing that controls a terminal."""
    done = subprocess.run([sys.executable, "-m", "caffe64", *command.split()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not CONTROL.search(done.stdout + done.stderr)
    lines = done.stdout.splitlines()
    assert all(len(line) <= WIDTH for line in lines)
    return lines


def at_terminal(command: str) -> list[str]:
    """The lines that are left on a terminal of WIDTH columns by a command that succeeds. Messages may be wrapped by the
    terminal; of all else no line is wider, and no bar stays."""
    code, drawn = on_terminal(command, WIDTH)
    assert code == 0, drawn
    pieces = [piece for piece in re.split(r"[\r\n]", CONTROL.sub("", drawn)) if not piece.startswith("caffe64: ")]
    assert all(len(piece) <= WIDTH for piece in pieces)
    lines = screen(drawn, WIDTH)
    assert not any("━" in line or " left" in line for line in lines)
    return [line for line in lines if line.strip(" ─")]


EVERYWHERE = pytest.mark.parametrize("caffe64", [in_pipe, at_terminal])


def write_trees(rows: int = 400) -> None:
    """trees.csv: labels and a category in words, two measures, one value in twenty missing."""
    random = np.random.default_rng(0)
    with open("trees.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*MEASURES, "soil", "tree"])
        for _ in range(rows):
            tree = str(random.choice(list(STEMS)))
            height, girth = random.normal(STEMS[tree], (1.0, 6.0))
            soil = random.choice(["wet, sandy", "dry"], p=[0.8, 0.2] if tree == "fir" else [0.3, 0.7])
            cells = [f"{height:.2f}", f"{girth:.1f}", soil]
            writer.writerow([cell if random.random() > 0.05 else "" for cell in cells] + [tree])


def nearest_mean_accuracy() -> float:
    """The share of the rows of trees.csv whose measures, holes filled with the median, are nearest to the mean of their
    own label."""
    frame = polars.read_csv("trees.csv")
    X, labels = frame.select(MEASURES).to_numpy(), frame["tree"].to_numpy()
    X = np.where(np.isnan(X), np.nanmedian(X, axis=0), X)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    kinds = np.unique(labels)
    means = np.stack([X[labels == kind].mean(axis=0) for kind in kinds])
    nearest = kinds[((X[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)]
    return float((nearest == labels).mean())


@EVERYWHERE
def test_a_table_with_words_and_holes_to_predictions(caffe64, empty):
    write_trees()
    (empty / "net.txt").write_text(NET + "sce\n")
    (empty / "adam.txt").write_text(ADAM)
    fitted = "--impute median --scale standard --validation 0.25 --patience 8 --keep-best"
    caffe64(f"train net.txt trees.c64 adam.txt all trees.csv --target tree {fitted} --log log.jsonl")
    epochs = [json.loads(line) for line in (empty / "log.jsonl").read_text().splitlines()]
    losses = [epoch["validation_loss"] for epoch in epochs]
    assert len(epochs) == min(60, 1 + int(np.argmin(losses)) + 8)

    lines = caffe64("eval trees.c64 all trees.csv")
    (accuracy,) = [float(line.split()[1].rstrip("%")) / 100 for line in lines if line.startswith("accuracy")]
    # The nearest mean does without the soil: what a net loses beside it would be more than two standard errors.
    expected = nearest_mean_accuracy()
    assert expected > 0.8
    assert accuracy > expected - 2 * np.sqrt(expected * (1 - expected) / 400)
    at = [line.split() for line in lines].index(["class", "elm", "fir", "oak"])
    confusion = np.array([line.split()[1:] for line in lines[at + 1 : at + 4]], int)
    np.testing.assert_allclose(np.trace(confusion) / confusion.sum(), accuracy, atol=5e-5)

    caffe64("predict trees.c64 trees.csv -o predicted.csv")
    predicted = polars.read_csv("predicted.csv")
    assert predicted.columns == ["prediction", "p(elm)", "p(fir)", "p(oak)"]
    right = (predicted["prediction"] == polars.read_csv("trees.csv")["tree"]).mean()
    np.testing.assert_allclose(right, accuracy, atol=5e-5)


def write_boats(rows: int = 400) -> None:
    """boats.csv: three targets, of hundreds of thousands, of tens and of thousandths."""
    random = np.random.default_rng(1)
    with open("boats.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["length", "age", "sail", "price", "speed", "risk"])
        for _ in range(rows):
            length, age, sail = random.uniform(5, 20), random.uniform(0, 30), str(random.choice(["no", "jib", "full"]))
            force = {"no": 0.0, "jib": 1.0, "full": 2.0}[sail]
            price = 15_000 * length * (1 - 0.02 * age) + 20_000 * force + random.normal(0, 8000)
            speed, risk = 3 + length / 2 + 2 * force + random.normal(0, 0.5), 0.001 + 0.0002 * age * (1 + force)
            writer.writerow([f"{length:.2f}", f"{age:.1f}", sail, f"{price:.0f}", f"{speed:.2f}", f"{risk:.6f}"])


def least_squares_r2() -> np.ndarray:
    """R2 of the three targets of boats.csv by a linear model of the columns, in float64."""
    frame = polars.read_csv("boats.csv")
    sails = frame["sail"].to_dummies().to_numpy()
    X = np.column_stack([frame.select("length", "age").to_numpy(), sails])
    Y = frame.select("price", "speed", "risk").to_numpy()
    left = Y - X @ np.linalg.lstsq(X, Y, rcond=None)[0]
    return np.asarray(1 - (left**2).sum(axis=0) / ((Y - Y.mean(axis=0)) ** 2).sum(axis=0))


BOATS = "train net.txt boats.c64 adam.txt all boats.csv --target price,speed,risk --scale standard --validation 0.2"


@EVERYWHERE
def test_three_values_at_once(caffe64, empty):
    write_boats()
    (empty / "net.txt").write_text(NET + "l2l\n")
    (empty / "adam.txt").write_text(ADAM)
    caffe64(f"{BOATS} --keep-best")
    lines = [line.split() for line in caffe64("eval boats.c64 all boats.csv")]
    at = lines.index(["target", "R2", "MAE", "RMSE"])
    assert [line[0] for line in lines[at + 1 : at + 4]] == ["price", "speed", "risk"]
    found = np.array([line[1] for line in lines[at + 1 : at + 4]], float)
    assert (found > least_squares_r2() - 0.01).all()


@needs_compiler
def test_trained_here_run_there(cli, empty, tmp_path_factory):
    """The file of C alone gives what `predict` gives, in the units of the table."""
    write_boats()
    (empty / "net.txt").write_text(NET + "l2l\n")
    (empty / "adam.txt").write_text(ADAM)
    for command in (f"{BOATS} --quiet", "export boats.c64 boats.c", "predict boats.c64 boats.csv -o out.csv"):
        done = cli(command)
        assert done.exit_code == 0, done.stderr
    there = tmp_path_factory.mktemp("there")
    (there / "boats.c").write_bytes((empty / "boats.c").read_bytes())
    compile_c("-D", "BOATS_MAIN", str(there / "boats.c"), "-o", str(there / "boats"))
    frame = polars.read_csv("boats.csv")
    sails = frame["sail"].to_numpy()
    rows = np.column_stack(
        [frame.select("length", "age").to_numpy(), *(sails == each for each in ("full", "jib", "no"))]
    )
    text = "\n".join(",".join(f"{value:.6g}" for value in row) for row in rows.tolist())
    done = subprocess.run([there / "boats"], input=text, capture_output=True, text=True, cwd=there, env={})
    assert done.returncode == 0, done.stderr
    found = np.array([line.split() for line in done.stdout.splitlines()], float)
    expected = polars.read_csv("out.csv").to_numpy()
    # Sums of at most 16 products in float32, in another order: 16 roundings of the largest value of a target.
    np.testing.assert_allclose(
        found / abs(expected).max(axis=0), expected / abs(expected).max(axis=0), atol=16 * 2**-24
    )


SEEDS = 50
GRID = f"""
net = "inp ? 20 / lin 16 he / rel / lin ? he / sce"
table = "trees.csv"
target = "tree"
impute = "median"
scale = "standard"
validation = 0.25
seed = {list(range(SEEDS))}
rate = 0.01
rule = "adam"
epochs = 20
"""


@EVERYWHERE
def test_fifty_seeds_in_parallel(caffe64, empty):
    write_trees()
    (empty / "seeds.toml").write_text(GRID)
    ranking = caffe64("sweep seeds.toml --workers 2")
    records = [json.loads(line) for line in (empty / "seeds.jsonl").read_text().splitlines()]
    assert sorted(record["job"]["seed"] for record in records) == list(range(SEEDS))
    scores = np.array([record["result"]["validation_accuracy"] for record in records])
    assert len({record["result"]["weights"] for record in records}) == SEEDS
    header, row = (
        next(line.split() for line in ranking if line.split()[:1] == [word]) for word in ("jobs", f"{SEEDS}")
    )
    shown = dict(zip(header, map(float, row), strict=True))
    np.testing.assert_allclose(shown["validation_accuracy"], scores.mean(), atol=5e-5)
    np.testing.assert_allclose(shown["±"], scores.std(ddof=1), atol=5e-5)
    expected = nearest_mean_accuracy()  # of all rows; 100 are held out
    assert scores.mean() > expected - 2 * np.sqrt(expected * (1 - expected) / 100)
