"""The table of what optimisers of ONNX models fold: its models, its judge, and the page that shows it."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import pytest

from caffe64.errors import CheckFailed
from caffe64.perf.optimizers import table
from caffe64.perf.optimizers.cases import CASES
from caffe64.perf.optimizers.tools import TOOLS, Optimised, Tool, as_it_is, on_data

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "onnx-optimisers.md"
INSTALLED = table.installed_tools()


def shown() -> tuple[list[str], dict[str, list[str]], str]:
    """The columns of the page's table, its rows by their models, and what stands under it."""
    text = PAGE.read_text().partition(table.MARKS[0])[2].partition(table.MARKS[1])[0].strip()
    header, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in text.split("\n\n")[0].splitlines())
    return header[1:], {name: cells for name, *cells in rows}, text.partition("\n\n")[2]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_model_is_valid_and_has_something_to_fold(case):
    model = case.model()
    onnx.checker.check_model(model, full_check=True)
    given = as_it_is(model)
    assert len(given.operators) > case.least
    assert np.isfinite(given.run(np.ones((1, 3, 8, 8), np.float32))).all()


def test_the_page_has_all_models_and_all_tools():
    columns, rows, _ = shown()
    assert columns == list(TOOLS)
    assert list(rows) == [case.name for case in CASES]


@pytest.mark.parametrize("name", INSTALLED)
def test_a_column_is_what_the_installed_version_does(name):
    columns, rows, under = shown()
    if name != "caffe64" and f" {name} {version(TOOLS[name].package)}," not in under:
        pytest.skip("the page was made with another version")
    for case in CASES:
        assert table.judge(case, {name: TOOLS[name]}) == [rows[case.name][columns.index(name)]], case.name


@pytest.mark.parametrize(
    ("after", "says"),
    [(["Conv", "Clip"], "yes"), (["Conv"], "yes"), (["Sub", "Conv", "Relu"], "Sub, Conv, Relu"), (["A"] * 4, "-")],
)
def test_verdicts(after, says):
    (case,) = (case for case in CASES if case.name == "Identity, Dropout, Cast")
    assert case.least == 2
    assert table.verdict(case, ["Conv", "Identity", "Dropout", "Relu"], after) == says


def test_what_only_the_last_column_does_is_said():
    """In the generated lines, from the rows themselves."""
    columns, rows, under = shown()
    assert columns[-1] == "caffe64"
    alone = re.search(r"No other folds these: (.*)\.$", under, re.M)[1].split("; ")
    assert alone == [name for name, cells in rows.items() if cells.count("yes") == 1 and cells[-1] == "yes"]
    assert {"Sub mean, Conv", "BatchNorm, Conv"} <= {*alone}


def test_caffe64_folds_everything():
    assert {cells[-1] for cells in shown()[1].values()} == {"yes"}


def test_an_optimiser_that_changes_an_output_ends_it():
    def spoilt(model: onnx.ModelProto) -> Optimised:
        made = as_it_is(model)
        return Optimised(made.operators, lambda x: made.run(x) * np.float32(1 + 1e-4))

    with pytest.raises(CheckFailed, match="bad on 'Sub mean, Conv': an output differs by"):
        table.judge(CASES[0], {"bad": Tool("onnx", "onnx", spoilt)})


def test_arithmetic_on_constants_and_layouts_are_not_counted():
    nodes = [
        ("Sqrt", ["variance"], ["deviation"]),
        ("ReorderInput", ["x"], ["laid out"]),
        ("Mul", ["laid out", "deviation"], ["y"]),
        ("Add", ["deviation", "y"], ["z"]),
    ]
    assert on_data(nodes, "x") == ["Mul", "Add"]


def test_the_command_prints_or_replaces_the_table_and_names_what_is_missing(perf, tmp_path, monkeypatch):
    monkeypatch.setattr(table, "CASES", CASES[:1])
    monkeypatch.setattr(table, "installed_tools", lambda: {"onnxruntime": TOOLS["onnxruntime"]})
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.MARKS[0]}\nold\n{table.MARKS[1]}\nafter\n")
    printed = perf("optimizers").stdout
    assert "| Sub mean, Conv | - |" in printed
    assert "Not installed, so not tried: onnxsim, onnxslim, onnxoptimizer, onnxscript, OpenVINO, caffe64." in printed
    assert perf("optimizers", "--page", page).exit_code == 0
    assert page.read_text() == f"before\n{table.MARKS[0]}\n{printed}{table.MARKS[1]}\nafter\n"
    page.write_text("nothing")
    for wrong, says in ((page, "has no lines"), (tmp_path / "none.md", "none.md: cannot be read: No such file")):
        done = perf("optimizers", "--page", wrong)
        assert done.exit_code == 2
        assert says in done.stderr
