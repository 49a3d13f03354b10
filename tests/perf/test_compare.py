"""Comparing two result files: what counts as slower, what the machine's speed does, which exit codes follow."""

from __future__ import annotations

import pytest

from caffe64.errors import UsageError
from caffe64.perf.compare import compare, comparison_lines, parse_threshold
from caffe64.perf.results import write_results


@pytest.fixture
def files(tmp_path, make_results):
    """files(old, new) writes two result files with these shares, the new one on a machine half as fast."""

    def write(old: dict, new: dict):
        paths = tmp_path / "old.json", tmp_path / "new.json"
        write_results(paths[0], make_results(old))
        write_results(paths[1], make_results(new, speed=0.5))
        return paths

    return write


def test_a_slower_kernel_is_named_and_ends_with_4(files, perf):
    done = perf("compare", *files({"gemm": 0.8, "rel": 0.5}, {"gemm": 0.6, "rel": 0.5}), "--threshold", "10%")
    assert done.exit_code == 4
    assert "kernels/gemm/1" in done.stdout
    assert "-25.0%" in done.stdout
    assert "kernels/rel/1" not in done.stdout
    assert "1 of 2 became slower by more than 10%" in done.stderr


def test_the_machines_speed_cancels_out(files, perf):
    done = perf("compare", *files({"gemm": 0.8, "rel": 0.5}, {"gemm": 0.8, "rel": 0.5}))
    assert (done.exit_code, done.stdout) == (0, "2 compared: 0 slower, 0 faster\n")


def test_what_is_within_the_threshold_passes(files, perf):
    old, new = files({"gemm": 0.8}, {"gemm": 0.75})
    assert perf("compare", old, new, "--threshold", "10%").exit_code == 0
    assert perf("compare", old, new, "--threshold", "5%").exit_code == 4


def test_a_threshold_means_the_same_in_both_directions(make_results):
    slower, faster = make_results({"a": 0.4}), make_results({"a": 0.441})
    assert len(compare(slower, faster, 0.1).improvements) == len(compare(faster, slower, 0.1).regressions) == 1
    close = make_results({"a": 0.439})
    assert not compare(slower, close, 0.1).improvements
    assert not compare(close, slower, 0.1).regressions


def test_the_worst_comes_first_and_gains_are_shown(make_results):
    old = make_results({"a": 0.5, "b": 0.5, "c": 0.5})
    found = compare(old, make_results({"a": 0.4, "b": 0.1, "c": 0.9}), 0.1)
    assert [change.key for change in found.regressions] == ["kernels/b/1", "kernels/a/1"]
    assert any(line.startswith("kernels/c/1") and "+80.0%" in line for line in comparison_lines(found))


def test_entries_of_only_one_file_are_named_and_do_no_harm(files, perf):
    done = perf("compare", *files({"gemm": 0.8, "gone": 0.5}, {"gemm": 0.8, "fresh": 0.5}))
    assert done.exit_code == 0
    assert "only in the old file: kernels/gone/1" in done.stdout
    assert "only in the new file: kernels/fresh/1" in done.stdout


def test_files_without_a_common_entry_are_refused(files, perf):
    done = perf("compare", *files({"a": 0.8}, {"b": 0.8}))
    assert done.exit_code == 2
    assert "no entry in common" in done.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "format None"),
        ('{"format": 99}', "format 99"),
        ('{"format": 1}', "'entries'"),
        ('{"format": 1, "entries": [{"suite": "kernels"}]}', "not as expected"),
        ("\xff", "not JSON"),
    ],
)
def test_a_bad_file_ends_with_2(tmp_path, perf, text, says):
    path = tmp_path / "bad.json"
    path.write_bytes(text.encode("latin-1"))
    done = perf("compare", path, path)
    assert done.exit_code == 2
    assert says in done.stderr
    assert str(path) in done.stderr


def test_a_missing_file_ends_with_2(tmp_path, perf):
    done = perf("compare", tmp_path / "none.json", tmp_path / "none.json")
    assert done.exit_code == 2
    assert "cannot be read" in done.stderr


def test_thresholds_are_shares():
    assert parse_threshold("10%") == parse_threshold("0.1") == 0.1
    for wrong in ("", "%", "fast", "0", "-5%", "nan"):
        with pytest.raises(UsageError, match="10%"):
            parse_threshold(wrong)
