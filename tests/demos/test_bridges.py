"""demos/bridges: more than guessing, the same numbers by arrays and by text files, wrong files are named."""

from __future__ import annotations

import re

import numpy as np
import pytest
from reference import demo
from support import SHARED, needs_shared

Image = pytest.importorskip("PIL.Image")
TARGETS = ("Through or deck", "Material", "Span", "Rel-L", "Type")


def table(printed: str) -> dict[str, list[float]]:
    """The numbers after each target: bridges, classes, accuracy, deviation, accuracy of guessing, seconds."""
    rows = {}
    for name in TARGETS:
        (line,) = re.findall(rf"^{name} +(.*)$", printed, re.MULTILINE)
        rows[name] = [float(cell) for cell in line.split()]
    return rows


@pytest.fixture
def made_up(tmp_path):
    """60 bridges whose targets follow from the river and the purpose, but for some that are unknown."""
    random, lines = np.random.default_rng(1), [""]
    for number in range(60):
        river, purpose = random.choice(["A", "M"]), random.choice(["RR", "WALK", "HIGHWAY"])
        targets = [river, purpose, purpose, "?" if number % 10 == 0 else purpose, purpose + river]
        lines.append(",".join([f"E{number}", river, "3", "CRAFTS", purpose, "?", "2", "N", *targets]))
    (tmp_path / "bridges.data.version2").write_text("\n".join(lines) + "\n")
    return tmp_path


@needs_shared
def test_the_real_bridges(tmp_path):
    printed, _ = demo.run("bridges", "--splits", 20, "--out", "here", data=SHARED, folder=tmp_path)
    rows = table(printed)
    assert [row[:2] for row in rows.values()] == [[102, 2], [106, 3], [92, 3], [103, 3], [106, 7]]
    for name, (_, _, accuracy, deviation, guessing, _) in rows.items():
        assert accuracy > guessing - 2, name
        assert 3 < deviation < 25, name
    assert rows["Rel-L"][2] > rows["Rel-L"][4] + 8  # measured over 100 splits: 71.9 and 57.2
    with Image.open(tmp_path / "here" / "bridges-accuracy.png") as picture:
        assert picture.width > 800


def test_targets_that_follow_from_the_attributes_are_found(made_up):
    rows = table(demo.run("bridges", "--data", made_up, "--splits", 20, "--out", made_up)[0])
    assert [row[:2] for row in rows.values()] == [[60, 2], [60, 3], [60, 3], [54, 3], [60, 6]]
    for name in ("Through or deck", "Material", "Span", "Rel-L"):
        assert rows[name][2] > rows[name][4] + 30, name  # measured: 45 to 60 more


def test_text_files_and_the_command_give_the_same_numbers(made_up):
    options = ("--data", made_up / "bridges.data.version2", "--splits", 1, "--seed", 7, "--out", made_up)
    arrays, files = table(demo.run("bridges", *options)[0]), table(demo.run("bridges", *options, "--original")[0])
    assert {name: row[:5] for name, row in arrays.items()} == {name: row[:5] for name, row in files.items()}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("E1,M,3\n", "bridges.data.version2:1: 3 columns, expected 13"),
        ("\n" + ",".join("ABCDEFGHIJKLM") + "\n", "1 known values of 1 classes, expected at least 20"),
        ("", "0 known values of 0 classes, expected at least 20"),
        ("x" * 100_000, "has 100000 bytes"),
    ],
)
def test_other_files_are_refused(content, expected, tmp_path):
    (tmp_path / "bridges.data.version2").write_text(content)
    printed, problem = demo.run("bridges", "--data", tmp_path, "--out", tmp_path / "out", code=3)
    assert expected in problem
    assert not printed
    assert not (tmp_path / "out").exists()


def test_missing_data_and_wrong_options(tmp_path):
    _, problem = demo.run("bridges", "--data", tmp_path, code=3)
    assert "does not hold bridges.data.version2" in problem
    _, problem = demo.run("bridges", "--splits", 0, code=2)
    assert "--splits" in problem
