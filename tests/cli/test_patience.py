"""--patience and --keep-best: the end, the weights, the lines, and what a resumed run knows of the epochs before."""

from __future__ import annotations

import json

import numpy as np
import pytest

import caffe64
from caffe64.formats.checkpoint import read_checkpoint

TRAIN = "train net.txt w.bin optim.txt all X.txt Y.txt"
VALIDATION = "--val-x valX.txt --val-y valY.txt"
STOP = f"{TRAIN} {VALIDATION} --patience 3 --keep-best"


def epochs(count: int) -> None:
    with open("optim.txt", "w") as file:
        file.write(f"0.3 0 1 0 0.9 {count}")


@pytest.fixture
def noisy(task):
    """40 rows to train on, every fifth with a wrong class, and 100 others: the validation loss falls and rises."""
    X, Y = np.loadtxt("X.txt"), np.loadtxt("Y.txt")
    np.savetxt("valX.txt", X[100:200], fmt="%.6f")
    np.savetxt("valY.txt", Y[100:200], fmt="%d")
    Y[::5] = (Y[::5] + 1) % 3
    np.savetxt("X.txt", X[:40], fmt="%.6f")
    np.savetxt("Y.txt", Y[:40], fmt="%d")
    epochs(30)
    return task


@pytest.fixture
def whole(noisy) -> tuple[int, int, bytes]:
    """The last epoch with a patience of 3 and the best one, from the API, and the weights file of that."""
    net = caffe64.Net.read("net.txt")
    data = [np.loadtxt(name, dtype=np.float32) for name in ("X.txt", "Y.txt", "valX.txt", "valY.txt")]
    optimizer = caffe64.read_optimizer("optim.txt")
    history = net.fit(*data[:2], optimizer, validation=tuple(data[2:]), patience=3, keep_best=True)
    net.save("api.bin")
    assert 4 < len(history.epochs) < 30
    return len(history.epochs), history.best_epoch, (noisy / "api.bin").read_bytes()


def test_the_run_ends_says_so_and_writes_the_best_weights(cli, noisy, whole):
    last, best, weights = whole
    result = cli(f"{STOP} --log log.jsonl")
    assert result.exit_code == 0, result.stderr
    assert (noisy / "w.bin").read_bytes() == weights
    records = [json.loads(line) for line in (noisy / "log.jsonl").read_text().splitlines()]
    losses = [record["validation_loss"] for record in records]
    assert [record["best_epoch"] for record in records] == [1 + int(np.argmin(losses[:n])) for n in range(1, last + 1)]
    lines = result.stderr.splitlines()[-2:]
    assert lines[0] == f"caffe64: ended after epoch {last}: 3 epochs without a lower validation loss"
    assert lines[1].startswith(f"caffe64: writing the best epoch, {best}: validation loss {min(losses):.6f}, accuracy ")
    assert max(map(len, lines)) <= 80
    assert cli(f"{STOP} --quiet").stderr == ""


def test_without_keep_best_the_last_weights_are_written(cli, noisy, whole):
    last, best, _ = whole
    result = cli(f"{TRAIN} {VALIDATION} --patience 3")
    assert f"caffe64: best epoch {best}: validation loss " in result.stderr
    weights = (noisy / "w.bin").read_bytes()
    epochs(last)
    assert cli(TRAIN).exit_code == 0
    assert (noisy / "w.bin").read_bytes() == weights


def test_a_run_that_is_cut_anywhere_ends_at_the_same_epoch_with_the_same_bits(cli, noisy, whole):
    last, best, weights = whole
    for cut in {1, best - 1, best, best + 1, last} - {0}:
        epochs(cut)
        assert cli(f"{STOP} --checkpoint run.ckpt").exit_code == 0
        assert read_checkpoint("run.ckpt").best_epoch <= cut
        epochs(30)
        result = cli(f"{STOP} --resume run.ckpt --checkpoint run.ckpt")
        assert result.exit_code == 0, result.stderr
        assert (noisy / "w.bin").read_bytes() == weights
        assert f"caffe64: ended after epoch {last}: " in result.stderr
        kept = read_checkpoint("run.ckpt")
        assert (kept.epoch, kept.best_epoch) == (last, best)


def test_a_larger_patience_goes_on(cli, noisy, whole):
    last, _, weights = whole
    assert cli(f"{STOP} --checkpoint run.ckpt").exit_code == 0
    result = cli(f"{STOP} --resume run.ckpt")
    assert f"caffe64: already finished at epoch {last}; a larger --patience goes on\n" in result.stderr
    assert (noisy / "w.bin").read_bytes() == weights
    longer = STOP.replace("--patience 3", "--patience 12")
    assert cli(f"{longer} --resume run.ckpt").exit_code == 0
    resumed = (noisy / "w.bin").read_bytes()
    assert cli(longer).exit_code == 0
    assert (noisy / "w.bin").read_bytes() == resumed


def test_best_weights_that_a_checkpoint_lacks_or_has_too_much_are_said(cli, noisy, whole):
    epochs(2)
    assert cli(f"{TRAIN} {VALIDATION} --checkpoint run.ckpt").exit_code == 0
    assert not read_checkpoint("run.ckpt").best.size
    epochs(30)
    result = cli(f"{STOP} --resume run.ckpt --checkpoint other.ckpt")
    assert "caffe64: run.ckpt holds no best weights: the best of the epochs to come are kept\n" in result.stderr
    kept = read_checkpoint("other.ckpt")
    later = {record["epoch"]: record["validation_loss"] for record in kept.history[2:]}
    assert kept.best_epoch == min(later, key=later.get)
    written = caffe64.Net.read("net.txt").load("w.bin")
    np.testing.assert_array_equal(written.pack(written.parameters), kept.best)
    result = cli(f"{TRAIN} {VALIDATION} --resume other.ckpt --checkpoint run.ckpt")
    assert "caffe64: the best weights of other.ckpt are not kept without --keep-best\n" in result.stderr
    assert not read_checkpoint("run.ckpt").best.size


@pytest.mark.parametrize("options", ["--patience 3", "--keep-best", "--patience 3 --keep-best"])
def test_they_need_a_validation(cli, noisy, options):
    result = cli(f"{TRAIN} {options}")
    assert result.exit_code == 2
    assert "--patience and --keep-best compare validation losses: they need --val-x X --val-y Y" in result.stderr
    assert not (noisy / "w.bin").exists()


def test_the_curve_has_a_line_at_the_best_epoch(noisy):
    from caffe64.cli.plot import draw, epoch_panels

    record = {"epoch": 1, "loss": 2.0, "validation_loss": 1.0, "validation_accuracy": 0.5, "best_epoch": 1}
    axes = draw(epoch_panels([record, record | {"epoch": 2, "validation_loss": 1.5}]), "epoch").axes
    lines = [line for axis in axes for line in axis.lines if line.get_label() == "best epoch 1"]
    assert [list(line.get_xdata()) for line in lines] == [[1, 1]] * len(axes) == [[1, 1]] * 2
