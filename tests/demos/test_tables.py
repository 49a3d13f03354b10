"""The notebook from a table to predictions runs from top to bottom, and shows what was committed with it."""

from __future__ import annotations

import re

import pytest
from reference import notebooks
from reference.notebooks import printed, shown

NAME = "tables.ipynb"
LARGEST = 150_000  # bytes


@pytest.fixture(scope="module")
def committed():
    return notebooks.read(NAME)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@pytest.fixture(scope="module")
def executed(folder):
    return notebooks.execute(NAME, folder)


def test_every_cell_runs_in_this_interpreter(executed):
    notebooks.check_run(executed)


def test_it_learns_and_exports(executed, folder):
    reached, guessed = map(int, re.search(r"accuracy (\d+) %, against (\d+) % by", printed(executed)).groups())
    assert reached > 90 > 50 > guessed
    assert float(re.search(r"onnxruntime differ by at most (\S+)", printed(executed))[1]) < 1e-5
    assert all((folder / f"penguins.{kind}").stat().st_size > 500 for kind in ("c64", "onnx", "c"))


def test_an_evaluation_and_frames_are_tables(executed):
    tables = shown(executed, "text/html")
    assert len(tables) == 3
    assert all("<table" in each for each in tables)
    assert "Chinstrap" in tables[1]


def test_it_shows_what_the_committed_one_shows(executed, committed):
    notebooks.check_same(executed, committed, 2)


def test_the_committed_outputs_come_from_one_run_and_show_no_machine(committed):
    notebooks.check_committed(committed, NAME, LARGEST)


def test_its_extras_are_there(committed):
    (command,) = notebooks.installed(committed)
    extras = re.search(r'"\.\[(.*)\]" onnxruntime$', command)[1].split(",")
    declared = (notebooks.DEMOS.parent / "pyproject.toml").read_text()
    assert all(re.search(rf"^{extra} = \[", declared, re.MULTILINE) for extra in extras)
