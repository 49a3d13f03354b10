"""Tables: in the terminal, and those of pages, which are made from the committed result file."""

from __future__ import annotations

from pathlib import Path

import pytest

from caffe64.errors import UsageError
from caffe64.perf import report
from caffe64.perf.results import read_results, write_results

ROOT = Path(__file__).resolve().parents[2]


PAGES = (
    ("README.md", report.SUMMARY, report.summary_table),
    ("docs/explanation/performance.md", report.TABLES, report.all_tables),
)


@pytest.mark.parametrize(("page", "marks", "table"), PAGES)
def test_the_tables_shown_are_those_of_the_committed_results(page, marks, table):
    (path,) = (ROOT / "perf" / "results").glob("*.json")
    begin, end = marks
    shown = (ROOT / page).read_text().partition(begin)[2].partition(end)[0]
    assert shown == f"\n{table(read_results(path))}\n", "run: make perf-readme"


def test_the_table_of_the_readme_has_eight_rows():
    (path,) = (ROOT / "perf" / "results").glob("*.json")
    assert len(report.summary_table(read_results(path)).splitlines()) == 2 + 2 + 8


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.345, "12.3 s"), (1.0, "1.00 s"), (0.0123, "12.3 ms"), (2e-6, "2.00 µs"), (345e-6, "345 µs"), (None, "")],
)
def test_seconds_have_three_digits_and_a_unit(seconds, text):
    assert report.seconds_text(seconds) == text


def test_a_goal_that_was_missed_is_named(make_results):
    (entry,) = make_results({"gemm": 0.5}).entries
    assert "goal" not in report.ratios_text(entry)
    entry.goals = {"NumPy": 2.5, "seconds": 1e-4, "memory": 1e6, "absent": 3.0}
    entry.memory = 2_000_000
    text = report.ratios_text(entry)
    assert "NumPy 2.00 (goal 2.5)" in text
    assert "(goal 100 µs)" in text
    assert "(goal 1 MB)" in text


def test_a_table_has_a_line_an_entry_and_a_column_for_all_figures(make_results):
    lines = report.suite_lines(make_results({"gemm 1x2x3 NN": 0.8}).entries)
    assert len(lines) == 2
    for part in ("gemm 1x2x3 NN", "1.00 ms", "1.10 ms", "10%", "80.0 GFLOP/s", "80% FMA", "NumPy 2.00"):
        assert part in lines[1]


def test_the_readme_command_replaces_what_stands_between_the_marks(tmp_path, make_results, perf):
    write_results(tmp_path / "run.json", make_results({"gemm 300x100x60 NN": 0.8}))
    page = tmp_path / "README.md"
    begin, end = report.TABLES
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    assert perf("readme", tmp_path / "run.json", page).exit_code == 0
    text = page.read_text()
    assert text.startswith(f"before\n{begin}\n")
    assert text.endswith(f"\n{end}\nafter\n")
    assert "| gemm 300x100x60 NN | 1 | 1.10 ms |" in text
    assert "old" not in text
    assert perf("readme", tmp_path / "run.json").stdout in text


def test_a_page_without_marks_is_refused(tmp_path, make_results):
    (tmp_path / "README.md").write_text("nothing")
    with pytest.raises(UsageError, match="has no lines"):
        report.replace_tables(tmp_path / "README.md", make_results({"gemm": 0.8}))


def test_an_empty_column_is_left_out_and_a_quick_run_says_so(make_results):
    made = make_results({"gemm 300x100x60 NN": 0.8})
    table = report.all_tables(made)
    assert "| time | rate | of the peak | NumPy / ours |" in table
    assert "--quick" not in table
    made.settings = {"quick": True}
    assert "--quick" in report.all_tables(made)
