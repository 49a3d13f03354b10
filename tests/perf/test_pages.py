"""The tables of pages, which are made from the committed result files, one per machine."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from caffe64.errors import UsageError
from caffe64.perf import pages
from caffe64.perf.results import read_results, write_results

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = sorted((ROOT / "perf" / "results").glob("*.json"))
PAGES = (
    ("README.md", pages.SUMMARY, pages.summary_table),
    ("docs/explanation/performance.md", pages.TABLES, pages.all_tables),
)


@pytest.mark.parametrize(("page", "marks", "table"), PAGES)
def test_the_tables_shown_are_those_of_the_committed_results(page, marks, table):
    begin, end = marks
    shown = (ROOT / page).read_text().partition(begin)[2].partition(end)[0]
    assert shown == f"\n{table([read_results(path) for path in COMMITTED])}\n", "run: make perf-readme"


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_a_committed_file_is_a_full_run_of_the_machine_in_its_name(path):
    run = read_results(path)
    assert {"kernels", "train", "caffe", "reader", "startup"} <= set(run.settings["suites"])
    assert (run.settings["quick"], run.settings["peers"]) == (False, True)
    assert re.fullmatch(rf"[a-z]+-[a-z0-9]+-{run.machine['threads']}cores", path.stem)


def test_there_is_one_committed_file_per_machine():
    names = [pages.machine_name(read_results(path)) for path in COMMITTED]
    assert len({*names}) == len(names) > 0


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_the_table_of_the_readme_has_eight_rows_and_a_sentence_on_the_optimiser(path):
    *table, blank, sentence = pages.summary_table([read_results(path)]).splitlines()
    assert (len(table), blank) == (2 + 2 + 8, "")
    assert re.fullmatch(
        r"Folding .* a factor of [0-9.]+ to [0-9.]+ \(ResNet-18, .*, CIFAR.*; threads: 1 and \d+\)\.", sentence
    )


@pytest.fixture
def two(make_results):
    """Of an older and a newer machine."""
    old, new = make_results({"gemm 1024x1024x1024 NN": 0.8}), make_results({"gemm 1024x1024x1024 NN": 0.6})
    new.created, new.machine["cpu"] = "2026-01-02", "newer"
    return old, new


@pytest.mark.parametrize("order", [1, -1])
def test_the_newest_run_is_the_readmes_and_all_are_in_the_docs(two, order):
    runs = list(two)[::order]
    summary, tables = pages.summary_table(runs), pages.all_tables(runs)
    assert summary.startswith("newer (none), 1 CPUs, none. Measured peak of one thread: 100 GFLOP/s, ")
    assert "60% FMA" in summary
    assert "80% FMA" not in summary
    assert re.findall(r"^## newer|^## made up|60% FMA|80% FMA", tables, re.MULTILINE) == [
        *("## newer", "60% FMA", "## made up", "80% FMA"),
    ]


def test_runs_of_one_day_keep_their_order(two):
    old, new = two
    new.created = old.created
    assert pages.newest_first([old, new]) == [old, new]
    assert pages.newest_first([new, old]) == [new, old]


def test_the_readme_command_replaces_what_stands_between_the_marks(tmp_path, two, perf):
    files = [tmp_path / "old.json", tmp_path / "new.json"]
    for path, run in zip(files, two, strict=True):
        write_results(path, run)
    page, other = tmp_path / "all.md", tmp_path / "README.md"
    for path, (begin, end) in ((page, pages.TABLES), (other, pages.SUMMARY)):
        path.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    assert perf("readme", *files, "--page", page, "--page", other).exit_code == 0
    for path, (begin, end) in ((page, pages.TABLES), (other, pages.SUMMARY)):
        text = path.read_text()
        assert text.startswith(f"before\n{begin}\n")
        assert text.endswith(f"\n{end}\nafter\n")
        assert "old" not in text
    assert page.read_text().count("| gemm 1024x1024x1024 NN | 1 | 1.10 ms |") == 2
    assert other.read_text().count("| matrix product 1024³ | 1.10 ms |") == 1
    assert perf("readme", *files).stdout in page.read_text()
    assert perf("readme").exit_code == 2


def test_a_page_without_marks_is_refused(tmp_path, make_results):
    (tmp_path / "README.md").write_text("nothing")
    with pytest.raises(UsageError, match="has no lines"):
        pages.replace_tables(tmp_path / "README.md", [make_results({"gemm": 0.8})])
    with pytest.raises(UsageError, match=r"none\.md: cannot be read: No such file"):
        pages.replace_tables(tmp_path / "none.md", [make_results({"gemm": 0.8})])


def test_an_empty_column_is_left_out_and_a_quick_run_says_so(make_results):
    made = make_results({"gemm 300x100x60 NN": 0.8})
    table = pages.all_tables([made])
    assert "| time | rate | of the peak | NumPy / ours |" in table
    assert "--quick" not in table
    made.settings = {"quick": True}
    assert "--quick" in pages.all_tables([made])


def test_the_optimisers_table_stands_by_itself_and_the_readme_has_its_range(make_results):
    made = make_results({"net forward": 0.5, "net naive": 0.3, "net optimised, not fused": 0.6, "net optimised": 0.6})
    made.entries.append(replace(made.entries[-1], threads=2))
    for entry, layers, ratio in zip(made.entries, (None, 93, 51, 51, 51), (None, None, 1.5, 1.25, 1.0), strict=True):
        entry.suite, entry.layers = "caffe", layers
        entry.activations = {"arena": 4_072_448, "blobs": 45_870_912, "in place": 15_163_200} if layers else {}
        entry.peers = {"naive": {"min": 1.0, "median": 1.0, "ratio": ratio}} if ratio else {}
    table = pages.all_tables([made])
    assert "| net forward | 1 | 1.10 ms | 50.0 GFLOP/s | 50% FMA |" in table
    assert "| net naive | 1 | 93 | 1.10 ms |  | 4.1 MB | 45.9 MB | 15.2 MB |" in table
    assert "| net optimised | 1 | 51 | 1.10 ms | 1.25 | 4.1 MB | 45.9 MB | 15.2 MB |" in table
    assert table.count("net naive") == 1
    assert "worth a factor of 1.00 to 1.25 (net; threads: 1 and 2)" in pages.summary_table([made])


def test_layers_of_a_net_are_shown_under_their_bound(make_results):
    """FMA peak 100 GFLOP/s, memory 50 GB/s: 1 GFLOP takes 10 ms at least, 1 GB 20 ms."""
    made = make_results({"net forward": 0.5})
    (entry,) = made.entries
    entry.suite, entry.footprint = "caffe", 3 << 20
    layers = [("a", "direct", 1e9, 1e6, 0.02), ("b", "Pooling", 0, 2.5e8, 0.01), ("c", "Softmax", 0, 1e3, 1e-6)]
    entry.layer_times = [dict(zip(("name", "how", "flops", "bytes", "seconds"), each, strict=True)) for each in layers]
    table = pages.all_tables([made])
    assert "| net: direct | 1 | 67% | 1000.0 | 50.0 | 0.05 | FMA | 50% |" in table
    assert "| net: Pooling | 1 | 33% |  |  | 25.0 | L3 | 50% |" in table
    assert "Softmax" not in table, "less than a percent of the time"
    assert "| net: all | 3 | 100% | 4.0 | 33.3 | 8.37 | FMA | 50% |" in table
    made.entries[0].threads = 2
    assert "net: all" not in pages.all_tables([made])
