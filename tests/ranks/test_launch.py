"""Whether a launcher started this process, and what happens where MPI is not there."""

from __future__ import annotations

import sys
import types

import pytest

from caffe64.errors import UsageError
from caffe64.ranks import group, launch
from caffe64.ranks.group import SoloGroup


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """No launcher, and no MPI that runs."""
    for name in (*launch.SIZES, *launch.RANKS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "mpi4py.MPI", raising=False)


@pytest.mark.parametrize(
    ("variables", "size", "rank"),
    [
        ({}, 1, 0),
        ({"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3"}, 4, 3),
        ({"PMI_SIZE": "2", "PMI_RANK": "1"}, 2, 1),
        ({"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "5"}, 8, 5),
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, 1, 0),  # the job's script
        ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0", "PMI_SIZE": "2", "PMI_RANK": "1"}, 2, 1),  # mpiexec in srun
        ({"PMI_SIZE": "many"}, 1, 0),
        ({"PMI_SIZE": "0"}, 1, 0),
    ],
)
def test_what_launchers_tell(monkeypatch, variables, size, rank):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (launch.launched_size(), launch.launched_rank()) == (size, rank)


@pytest.mark.parametrize("started", [None, "1"])
def test_one_process_does_not_ask_for_mpi(monkeypatch, started):
    if started:
        monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", started)
    monkeypatch.setitem(sys.modules, "mpi4py", None)  # its import fails
    assert isinstance(launch.open_group(), SoloGroup)


def test_several_processes_without_mpi4py_are_an_error_with_its_pip_line(monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(UsageError, match=r"several ranks need mpi4py \(pip install 'caffe64\[mpi\]'"):
        launch.open_group()


def test_mpi4py_without_an_mpi_library_is_an_error(monkeypatch):
    def fail(name):
        raise RuntimeError("cannot load MPI library\nlibmpi.so: no such file")

    monkeypatch.setattr(group.importlib, "import_module", fail)
    with pytest.raises(UsageError, match=r"finds no MPI library: cannot load MPI library libmpi\.so: no such file"):
        group.load_mpi()


def test_a_launcher_of_another_mpi_is_an_error(monkeypatch):
    """Then each process is a world of its own, and each would train and write the same files."""

    class World(SoloGroup):
        pass

    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    monkeypatch.setattr(launch, "MpiGroup", World)
    with pytest.raises(UsageError, match="2 processes were started, but MPI sees 1 in each"):
        launch.open_group()


def test_under_a_running_mpi_its_processes_are_the_group(monkeypatch):
    class World(SoloGroup):
        size = 4

    monkeypatch.setitem(sys.modules, "mpi4py.MPI", types.ModuleType("MPI"))
    monkeypatch.setattr(launch, "MpiGroup", World)
    assert launch.open_group().size == 4
