"""Results files: what is kept, what is repaired, what is refused."""

from __future__ import annotations

import json

import pytest

from caffe64.errors import InputError, OutputError, UsageError
from caffe64.jobs.records import ResultsFile, is_done, job_hash, read_records, record_of

RUN = {"run": {"seconds": 0.5, "host": "h"}}


def record(seed: int, **outcome) -> dict:
    return record_of({"net": "n", "seed": seed}, {"result": {"loss": seed / 2}, **outcome, **RUN})


def failed(seed: int, kind: str) -> dict:
    error = {"type": kind, "message": "m", "exit_code": 1}
    return record_of({"net": "n", "seed": seed}, {"error": error, **RUN})


def write(path, *records) -> None:
    with ResultsFile(path) as file:
        for each in records:
            file.add(each)


def test_records_come_back_from_the_file(tmp_path):
    write(tmp_path / "r", record(1), record(2))
    write(tmp_path / "r", record(3))
    assert read_records(tmp_path / "r") == [record(1), record(2), record(3)]
    with ResultsFile(tmp_path / "r") as file:
        assert list(file.records.values()) == [record(1), record(2), record(3)]


def test_a_hash_goes_by_fields_and_values_not_by_their_order():
    assert job_hash({"a": 1, "b": 2.5}) == job_hash({"b": 2.5, "a": 1}) == "85f690f66555cf39"
    assert len({job_hash({"a": value}) for value in (1, 2, 1.5, "1", None, True, [1])}) == 7


def test_the_last_line_of_a_job_counts(tmp_path):
    write(tmp_path / "r", failed(1, "InputError"), record(2), record(1))
    assert read_records(tmp_path / "r") == [record(2), record(1)]


def test_errors_that_may_go_away_are_not_done():
    assert is_done(record(1))
    assert is_done(failed(1, "Diverged"))
    assert not is_done(failed(1, "InputError"))
    assert not is_done(failed(1, "WorkerLost"))


def test_a_line_that_was_cut_is_removed_wherever_it_was_cut(tmp_path):
    path = tmp_path / "r"
    write(path, record(1), record(2))
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(first, len(whole)):
        path.write_bytes(whole[:end])
        assert read_records(path) == [record(1)]
        write(path, record(2))
        assert path.read_bytes() == whole


@pytest.mark.parametrize("text", ["5\ninp 4 10\n", "0.1 2 3", '{"hash": 1}\n', "[]\n", "[[" * 100_000 + "\n", '{"ha\n'])
def test_a_file_of_something_else_is_left_as_it_is(tmp_path, text):
    path = tmp_path / "r"
    path.write_text(text)
    for use in (lambda: read_records(path), lambda: write(path, record(1))):
        with pytest.raises(InputError, match=r"r:1: found .*, expected a result of a sweep"):
            use()
    assert path.read_text() == text


def test_a_wrong_line_is_named(tmp_path):
    write(tmp_path / "r", record(1))
    with open(tmp_path / "r", "a") as file:
        file.write("oops\n" + json.dumps(record(2)) + "\n")
    with pytest.raises(InputError, match="r:2: found 'oops'"):
        read_records(tmp_path / "r")


def test_two_sweeps_do_not_write_one_file(tmp_path):
    with ResultsFile(tmp_path / "r") as file:
        file.add(record(1))
        with pytest.raises(UsageError, match="another sweep is writing it"), ResultsFile(tmp_path / "r"):
            pass
    write(tmp_path / "r", record(2))
    assert len(read_records(tmp_path / "r")) == 2


def test_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError), ResultsFile(tmp_path):
        pass
    with pytest.raises(OutputError), ResultsFile(tmp_path / "none" / "r"):
        pass
