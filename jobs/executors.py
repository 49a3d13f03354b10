"""Where jobs run: an `Executor` for processes of this machine, for a Dask cluster, or for the ranks of an MPI job.

    open_executor(...) -> Retrying(an executor) -> submit(function, *arguments) -> a future

What runs must be a function of a module, with arguments and a result that can be pickled. Such functions compile the
kernels that they call by `kernels.compile_once`, before anything else. A job whose worker is lost is run again.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from importlib.util import find_spec
from typing import Any

from ..arguments import whole_number
from ..engine.team.threads import usable_threads
from ..errors import Caffe64Error, UsageError
from ..wording import counted
from .processes import ProcessExecutor

RETRIES = 3  # after a lost worker; Dask's own number
MOST_WORKERS = 1024  # processes of one machine
ADDRESS = re.compile(r"(?:[a-z]+://)?[^/\s]+:\d{1,5}")
CONNECT_SECONDS = 30  # to a scheduler
MPI_LINE = "mpiexec -n 3 python -m mpi4py.futures -m caffe64 ... --mpi"


class WorkerLost(Caffe64Error):
    """The process that ran a job ended before the job did, again and again."""


@contextlib.contextmanager
def open_executor(
    address: str | None = None, *, mpi: bool = False, workers: int | None = None, retries: int | None = None
) -> Iterator[Executor]:
    """The executor of this machine with so many `workers`, None for as many as it has CPUs; with an `address`, of the
    Dask scheduler there; or with `mpi`, of the ranks of the MPI job that runs this process.

    A job whose worker is lost is run again up to `retries` times, None for 3, then its future raises WorkerLost. When
    the block raises, as on Ctrl-C, what has not begun is cancelled and workers of this machine are killed.

    Raises UsageError for arguments that exclude each other, for a package that is missing, and where there is no
    scheduler and no MPI job.
    """
    if mpi and address is not None:
        raise UsageError("a Dask scheduler's address and MPI exclude each other: the jobs run in one place")
    if workers is not None and (mpi or address is not None):
        raise UsageError("a number of workers is for this machine: a cluster has those that were started there")
    if retries is not None and mpi:
        raise UsageError("retries are not for MPI, where a lost rank ends the whole job: the same command goes on")
    again = RETRIES if retries is None else whole_number("retries", retries, 0)
    if mpi:
        with _mpi_executor() as ranks:
            yield ranks
    elif address is not None:
        with _dask_executor(address) as cluster:
            yield Retrying(cluster, again)
    else:
        number = usable_threads() if workers is None else whole_number("workers", workers, 1, MOST_WORKERS)
        with contextlib.closing(ProcessExecutor(number)) as processes:
            yield Retrying(processes, again)


class Retrying(Executor):
    """Runs calls by `inner`, and those whose worker was lost again, up to `retries` times."""

    def __init__(self, inner: Executor, retries: int):
        self._inner, self._retries = inner, retries

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._begin(future, partial(fn, *args, **kwargs), 0)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._inner.shutdown(wait, cancel_futures=cancel_futures)

    def _begin(self, future: Future[Any], call: Callable[[], Any], lost: int) -> None:
        inner = self._inner.submit(call)
        inner.add_done_callback(partial(self._end, future, call, lost))

    def _end(self, future: Future[Any], call: Callable[[], Any], lost: int, inner: Future[Any]) -> None:
        if inner.cancelled():
            future.cancel()
            future.set_running_or_notify_cancel()
            return
        error = inner.exception()
        if error is not None and (count := _lost_workers(error)):
            lost += count
            if lost <= self._retries and not future.cancelled():
                try:
                    self._begin(future, call, lost)
                except RuntimeError:  # it is shut down
                    future.cancel()
                    future.set_running_or_notify_cancel()
                return
            error = WorkerLost(f"its worker was lost {counted(lost, 'time')} (was it killed, or out of memory?)")
        if not future.set_running_or_notify_cancel():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(inner.result())


def _lost_workers(error: BaseException) -> int:
    """How many workers were lost to a call, of which this error came; 0 if it is the call's own."""
    if isinstance(error, BrokenProcessPool):
        return 1
    # Of Dask, whose scheduler starts a call anew until it has cost `allowed_failures` workers, and one more.
    if type(error).__name__ == "KilledWorker" and type(error).__module__.startswith("distributed"):
        return int(getattr(error, "allowed_failures", 0)) + 1
    return 0


@contextlib.contextmanager
def _dask_executor(address: str) -> Iterator[Executor]:
    """Of the scheduler at `address`, such as tcp://host:8786."""
    if not ADDRESS.fullmatch(address):  # with some others, Dask fails and leaves a thread that does not end
        raise UsageError(f"{address!r} is not the address of a Dask scheduler, such as tcp://host:8786")
    try:
        import distributed
    except ImportError:
        raise UsageError("a Dask scheduler needs the package distributed: pip install 'caffe64[dask]'") from None
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        text = " ".join(str(error).split())[:200]
        hint = "one is started by: dask scheduler; its address is like tcp://host:8786"
        raise UsageError(f"{address}: there is no Dask scheduler: {text} ({hint})") from None
    with client:
        executor = client.get_executor(pure=False)  # of two equal calls, both run
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False)  # which cancels, in Dask's
            raise


@contextlib.contextmanager
def _mpi_executor() -> Iterator[Executor]:
    """Of this MPI job, in its first rank: the others run mpi4py's loop of a worker."""
    if find_spec("mpi4py") is None:
        raise UsageError("MPI needs the package mpi4py: pip install 'caffe64[mpi]'")
    if "mpi4py.futures" not in sys.orig_argv:
        raise UsageError(f"MPI needs a start by mpi4py, which makes workers of all ranks but the first: {MPI_LINE}")
    from mpi4py import MPI
    from mpi4py.futures import MPIPoolExecutor

    if MPI.COMM_WORLD.Get_size() < 2:
        raise UsageError(f"this MPI job has one rank, which gives jobs to others: {MPI_LINE}")
    executor = MPIPoolExecutor()
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    executor.shutdown()


def abort_ranks(code: int) -> None:
    """End this MPI job at once with this exit code: its ranks would first end the jobs that they run."""
    from mpi4py import MPI

    MPI.COMM_WORLD.Abort(code)
