"""The learning curve, looked at through Matplotlib's own objects."""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib")

from caffe64.cli.plot import draw, epoch_panels, write_plot

HISTORY = [
    {"epoch": 1, "loss": 2.0, "validation_loss": 2.2, "validation_accuracy": 0.5},
    {"epoch": 2, "loss": 1.0, "validation_loss": 1.4, "validation_accuracy": 0.75},
]


def drawn(history):
    return draw(epoch_panels(history), "epoch")


def test_losses_share_a_panel_and_accuracy_has_its_own():
    losses, accuracy = drawn(HISTORY).axes
    assert {line.get_label(): list(line.get_ydata()) for line in losses.lines} == {
        "training": [2.0, 1.0],
        "validation": [2.2, 1.4],
    }
    assert list(accuracy.lines[0].get_ydata()) == [0.5, 0.75]
    assert (losses.get_ylabel(), accuracy.get_ylabel(), accuracy.get_xlabel()) == (
        "loss",
        "validation accuracy",
        "epoch",
    )


def test_a_run_without_validation_has_one_panel():
    (panel,) = drawn([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0}]).axes
    assert [line.get_label() for line in panel.lines] == ["training"]
    assert panel.get_yscale() == "linear"


def test_a_loss_that_falls_far_is_drawn_logarithmically():
    assert drawn([{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 0.001}]).axes[0].get_yscale() == "log"


@pytest.mark.parametrize(("name", "magic"), [("curve.png", b"\x89PNG"), ("curve.SVG", b"<?xml")])
def test_the_suffix_decides_the_format_and_bytes_repeat(tmp_path, name, magic):
    write_plot(tmp_path / name, epoch_panels(HISTORY), "epoch")
    first = (tmp_path / name).read_bytes()
    write_plot(tmp_path / name, epoch_panels(HISTORY), "epoch")
    assert first.startswith(magic)
    assert (tmp_path / name).read_bytes() == first
