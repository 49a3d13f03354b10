"""The notebook runs from top to bottom, and what was committed with it is the output of such a run."""

from __future__ import annotations

import re

import pytest
from reference import notebooks
from reference.notebooks import printed

NAME = "tour.ipynb"
LARGEST = 400_000  # bytes
ROUNDING = 0.05  # of a printed time, µs


@pytest.fixture(scope="module")
def committed():
    return notebooks.read(NAME)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    return notebooks.execute(NAME, tmp_path_factory.mktemp("tour"))


def test_every_cell_runs_in_this_interpreter(executed):
    notebooks.check_run(executed)


def test_the_nets_learn(executed):
    text = printed(executed)
    digits = float(re.search(r"test accuracy ([\d.]+) %, mean loss", text)[1])
    assert 96 < digits <= 100
    spirals = {word: float(share) for word, share in re.findall(r"^(tnh|rel|swi 1\.5) .*?([\d.]+) %", text, re.M)}
    assert set(spirals) == {"tnh", "rel", "swi 1.5"}
    assert min(spirals.values()) > 98
    from_command_line = float(re.search(r"^accuracy +([\d.]+)%", text, re.M)[1])
    assert from_command_line == digits, "the same weights, by the command line"


def test_the_loop_in_the_notebook_and_fit_agree_bit_by_bit(executed):
    text = printed(executed)
    losses = re.findall(r"loss ([\d.]+) by the loop, ([\d.]+) by net.fit", text)
    assert len(losses) == 5
    assert all(one == other for one, other in losses)
    assert float(losses[0][0]) > 0.5 > 0.2 > float(losses[-1][0])
    assert "all 4810 weights are equal, bit by bit" in text


def test_kernels_and_the_new_layer_are_compared_with_numpy(executed):
    text = printed(executed)
    rows = re.findall(r"(\de-\d+) +([\d.]+) µs +([\d.]+) µs +([\d.]+)$", text, re.M)
    assert len(rows) == 5
    for error, ours, numpys, ratio in rows:
        assert float(error) < 2e-6
        least, most = ((float(numpys) + off) / (float(ours) - off) for off in (-ROUNDING, ROUNDING))
        assert least - 0.01 < float(ratio) < most + 0.01
    outputs, gradient = re.search(r"largest error: outputs (\S+), gradient (\S+)", text).groups()
    assert 0 < float(outputs) < 2e-6
    assert 0 < float(gradient) < 2e-6


def test_it_shows_what_the_committed_one_shows(executed, committed):
    notebooks.check_same(executed, committed, 4)


def test_the_committed_outputs_come_from_one_run_and_show_no_machine(committed):
    notebooks.check_committed(committed, NAME, LARGEST)


def test_it_is_installed_from_a_checkout_as_the_readme_says(committed):
    assert notebooks.installed(committed) == ['pip install ".[demos]"']
