"""The lines of training and testing, from losses that are known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from caffe64.cli import progress
from caffe64.cli.output import Output
from caffe64.cli.progress import LiveTrainReport, TrainReport

RECORD = {"epoch": 1, "validation_loss": None, "validation_accuracy": None}


def make_training(steps: int, step: int = 0) -> SimpleNamespace:
    optimizer = SimpleNamespace(epochs=15, step=2, factor=0.1, schedule="step")
    rates = np.full(steps, 0.001)
    return SimpleNamespace(optimizer=optimizer, epoch=0, step=step, steps=steps, rates=rates)


def test_a_line_has_the_mean_of_its_20_minibatches(capsys):
    report = TrainReport(Output(), make_training(600))
    losses = np.arange(600.0)
    for step in (3, 25, 25, 60):
        report.minibatches(step, losses)
    assert capsys.readouterr().out.splitlines() == [
        "[Training] Epoch 01 / 15 MBIter 020 / 600 LR 0.001000 Loss 9.500000",
        "[Training] Epoch 01 / 15 MBIter 040 / 600 LR 0.001000 Loss 29.500000",
        "[Training] Epoch 01 / 15 MBIter 060 / 600 LR 0.001000 Loss 49.500000",
    ]


def test_the_first_line_of_an_epoch_counts_what_the_last_one_left_over(capsys):
    training = make_training(29)
    report = TrainReport(Output(), training)
    report.minibatches(29, np.ones(29))
    report.epoch(RECORD)
    training.epoch = 1
    report.minibatches(29, np.ones(29))
    assert capsys.readouterr().out.splitlines() == [
        "[Training] Epoch 01 / 15 MBIter 20 / 29 LR 0.001000 Loss 1.000000",
        "",
        "[Training] Epoch 02 / 15 MBIter 20 / 29 LR 0.001000 Loss 1.450000",
    ]


def test_a_resumed_epoch_has_its_20_minibatches_too(capsys):
    TrainReport(Output(), make_training(40, step=30)).minibatches(40, np.arange(40.0))
    assert capsys.readouterr().out.endswith(" MBIter 40 / 40 LR 0.001000 Loss 29.500000\n")


def test_the_rate_drops_after_every_second_epoch(capsys):
    report = TrainReport(Output(), make_training(5))
    for epoch in (1, 2):
        report.epoch({**RECORD, "epoch": epoch})
    assert capsys.readouterr().out == "\n\nLR Drop. Multiplying by 0.100000\n"


def test_testing_counts_full_minibatches(capsys):
    with progress.testing_progress(Output(), rows=2005, minibatch=50) as watch:
        for rows in (999, 1000, 1700, 2005):
            watch(rows)
    assert capsys.readouterr().out.splitlines() == [
        "[Testing] Epoch 1 / 1 MBIter 20 / 40",
        "[Testing] Epoch 1 / 1 MBIter 40 / 40",
    ]


def test_rows_per_second_are_those_of_the_epoch_without_what_lies_between_epochs(monkeypatch):
    now, shown = [0.0], []
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    monkeypatch.setattr("caffe64.cli.live.Bar.show", lambda bar, done, total, title, notes: shown.append(notes))
    training = make_training(10)
    training.batch = 100
    report = LiveTrainReport(Output(), training)
    now[0] = 50.0  # the first epoch, and 49 seconds of validation
    training.epoch = 1
    report.begin_epoch()
    now[0] = 51.0
    report.minibatches(5, np.ones(10))
    assert shown[-1][1] == "500 rows/s"
    training.step = 5  # a run that was resumed within an epoch
    report.begin_epoch()
    now[0] = 51.5
    report.minibatches(7, np.ones(10))
    assert shown[-1][1] == "400 rows/s"


def test_the_line_of_an_epoch_leaves_the_speed_out_where_it_is_too_wide(monkeypatch):
    lines = []
    monkeypatch.setattr("caffe64.cli.live.Bar.print", lambda bar, text: lines.append(text))
    monkeypatch.setattr(progress, "terminal_width", lambda: 80)
    record = {"loss": 0.5, "validation_loss": 0.25, "validation_accuracy": 0.9, "epoch": 15}
    for speed in (999, 1234567):
        LiveTrainReport(Output(), make_training(10)).epoch({**record, "rows_per_second": speed})
    shown = "epoch 15  loss 0.500000  validation loss 0.250000, accuracy 90.00%"
    assert lines == [f"{shown}  999 rows/s", shown]
