"""The result file: what is written is read, and nothing half written ever stands there."""

from __future__ import annotations

import json
import re

import pytest

from caffe64.errors import UsageError
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
    made = make_results({"gemm": 1 / 3})
    made.entries[0].layer_times = [{"name": "a", "seconds": 1 / 3}]
    write_results(path, made)
    (line,) = [line for line in path.read_text().splitlines() if '"gemm"' in line]
    assert '"relative": 0.3333,' in line
    assert '"layer_times": [{"name": "a", "seconds": 0.3333}]' in line
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


@pytest.fixture
def changed(tmp_path, make_results):
    """A file whose entry was changed by a function."""

    def make(change):
        path = tmp_path / "run.json"
        write_results(path, make_results({"gemm": 0.8}))
        found = json.loads(path.read_text())
        found["machine"]["versions"]["caffe64"] = "9.8.7"
        change(found["entries"][0])
        path.write_text(json.dumps(found))
        return path

    return make


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda entry: entry.update(winner="us"), "fields that this version does not have: winner"),
        (lambda entry: entry.update(suite="contest"), "the suite 'contest' is none of this version's: kernels, train"),
        (lambda entry: entry.pop("suite"), "'suite' is missing"),
        (lambda entry: entry.pop("yardstick"), "missing 1 required positional argument: 'yardstick'"),
    ],
)
def test_a_file_of_another_version_is_refused_with_the_reason(changed, change, reason):
    with pytest.raises(UsageError, match=rf"run\.json: .*{re.escape(reason)}.* \(written by caffe64 9\.8\.7\)"):
        read_results(changed(change))


def test_a_file_from_before_the_times_of_layers_is_read(changed, make_results):
    path = changed(lambda entry: None)
    assert "layer_times" not in path.read_text()
    (entry,) = read_results(path).entries
    assert (entry.layer_times, entry.footprint) == ([], None)


def test_an_entry_that_is_no_object_and_a_machine_without_versions_are_refused(tmp_path):
    path = tmp_path / "run.json"
    for text in ('{"format": 1, "entries": [3]}', '{"format": 1, "entries": 3}', '{"format": 1, "machine": 1}'):
        path.write_text(text)
        with pytest.raises(UsageError, match=r"run\.json: .* \(written by caffe64 \?\)"):
            read_results(path)


def test_a_peers_ratio_is_its_time_over_ours():
    found = peer_times([1.0, 2.0, 1.0], {"NumPy": [3.0, 6.0, 3.0]})
    assert found["NumPy"] == {"min": 3.0, "median": 3.0, "ratio": 3.0}


def test_the_key_depends_on_suite_and_threads(make_results):
    (entry,) = make_results({"gemm": 0.5}).entries
    assert entry.key == "kernels/gemm/1"
    assert results.FORMAT == 1
