"""The result file: what is written is read, and nothing half written ever stands there."""

from __future__ import annotations

import json

import pytest

from caffe64.perf import results
from caffe64.perf.results import peer_times, read_results, write_results


def test_what_was_written_is_read(tmp_path, make_results):
    path = tmp_path / "run.json"
    made = make_results({"gemm": 0.8, "rel": 0.5})
    write_results(path, made)
    assert read_results(path) == made
    assert json.loads(path.read_text())["format"] == 1


def test_every_entry_is_a_line_and_digits_are_few(tmp_path, make_results):
    path = tmp_path / "run.json"
    write_results(path, make_results({"gemm": 1 / 3}))
    (line,) = [line for line in path.read_text().splitlines() if '"gemm"' in line]
    assert '"relative": 0.3333,' in line
    assert "null" not in line


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError])
def test_an_interruption_while_writing_leaves_the_old_file(tmp_path, make_results, monkeypatch, failure):
    path = tmp_path / "run.json"
    path.write_text("old")

    def fail(*_):
        raise failure

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(BaseException):  # noqa: B017, PT011 - OSError becomes an OutputError, the other stays
        write_results(path, make_results({"gemm": 0.8}))
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]
    assert path.read_text() == "old"


def test_a_peers_ratio_is_its_time_over_ours():
    found = peer_times([1.0, 2.0, 1.0], {"NumPy": [3.0, 6.0, 3.0]})
    assert found["NumPy"] == {"min": 3.0, "median": 3.0, "ratio": 3.0}


def test_the_key_depends_on_suite_and_threads(make_results):
    (entry,) = make_results({"gemm": 0.5}).entries
    assert entry.key == "kernels/gemm/1"
    assert results.FORMAT == 1
