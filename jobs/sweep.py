"""`caffe64.sweep`: many trainings on any executor, each once.

read_grid -> jobs -> those that the results file does not have -> executor -> a line each -> SweepResults
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from queue import Empty, SimpleQueue
from typing import Any, overload

from ..arguments import file_name, function, instance
from ..engine.team.threads import check_threads, usable_threads
from ..errors import Caffe64Error, UsageError
from ..results import Result, TextTable
from .checking import Job, checked_job
from .executors import WorkerLost, open_executor
from .grid import read_grid
from .own_layers import load_layers
from .ranking import Ranking
from .records import Record, ResultsFile, is_done, job_hash, record_of
from .run import described, run_job
from .table import ranking_parts, settings_data

Path = str | os.PathLike[str]
TICK_SECONDS = 0.5


class SweepResults(Result, Sequence[Record]):
    """The results of a sweep in the order of its jobs: each is a dict of `hash`, `job`, `result` or `error`, and `run`
    with seconds and host. As text, and in a notebook, a table of settings with the best first."""

    def __init__(self, records: Iterable[Record]):
        self._records = list(records)
        self.ranking = Ranking(record["job"] for record in self._records)
        self.ranking.add_all(self._records)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        return self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    @property
    def best(self) -> Record | None:
        """The record of the best job by the score of the table; None if no job has it."""
        ranking = Ranking((record["job"] for record in self._records), each=True)
        ranking.add_all(self._records)
        by = ranking.best_score()
        setting = next(iter(ranking.ranked(by)), None) if by else None
        return next(iter(setting.records.values())) if setting and setting.mean(by) is not None else None

    @property
    def parts(self) -> list[TextTable | str]:
        return ranking_parts(self.ranking, self.ranking.best_score())

    @property
    def data(self) -> list[dict[str, Any]]:
        by = self.ranking.best_score()
        return settings_data(self.ranking.ranked(by), self.ranking.score_names)


def sweep(
    jobs: Path | Iterable[Mapping[str, Any]],
    executor: Executor | None = None,
    *,
    results: Path | None = None,
    threads: int = 1,
    layers: Path | None = None,
    on_result: Callable[[Record], object] | None = None,
) -> SweepResults:
    """Train as each of `jobs` says, on the workers of any `concurrent.futures.Executor`; None: processes of this
    machine, one per CPU, so that a script needs its `if __name__ == "__main__":`.

    A job is a dict with the fields of a grid, each with one value, and `jobs` may be the name of a grid, a TOML file.
    Names of files count from the working directory, of a grid from its own folder, and workers find the same files
    under the same names. The result does not depend on where a job ran, nor on `threads`, those of each job.

    Each result is added to the file `results`, if given, when it is there; jobs that this has already are not run
    again, but for those that failed otherwise than by Diverged. `on_result(record)` is called with each new one.
    `layers` is a Python file that registers layers of your own, which each worker runs first.

    A job that fails has an `error` in place of a `result` and stops no other. Raises UsageError and InputError for jobs
    that are wrong, before any runs.
    """
    if executor is not None:
        instance("executor", executor, Executor, "a concurrent.futures.Executor")
    function("on_result", on_result)
    check_threads(threads)
    own_layers = None if layers is None else os.path.abspath(file_name(layers))
    if own_layers is not None:
        load_layers(own_layers)
    run = SweepRun(_jobs(jobs), threads, own_layers)
    with ExitStack() as stack:
        if results is not None:
            run.use(stack.enter_context(ResultsFile(results)))
        if run.left:
            executor = executor or stack.enter_context(open_executor(workers=run.workers))
            for record in run.records(executor):
                if record is not None and on_result:
                    on_result(record)
    return run.results


def _jobs(jobs: Any) -> list[Job]:
    if isinstance(jobs, (str, os.PathLike)):
        return read_grid(jobs)
    if isinstance(jobs, Mapping) or not isinstance(jobs, Iterable):
        raise UsageError(f"jobs are of the type {type(jobs).__name__}, expected a list of dicts or the name of a grid")
    found = []
    for number, job in enumerate(jobs):
        if not isinstance(job, Mapping):
            raise UsageError(f"job {number} (from 0) is of the type {type(job).__name__}, expected a dict")
        try:
            found.append(checked_job(job))
        except UsageError as error:
            raise UsageError(f"job {number} (from 0): {error}") from None
    return found


class SweepRun:
    """Checked jobs and what is known of them; equal ones are run once."""

    def __init__(self, jobs: Sequence[Job], threads: int = 1, layers: str | None = None):
        self.jobs, self._options = jobs, (threads, layers)
        self._hashes = [job_hash(job) for job in jobs]
        self._by_hash = dict(zip(self._hashes, jobs, strict=True))
        self._known: dict[str, Record] = {}
        self._file: ResultsFile | None = None

    def use(self, file: ResultsFile) -> None:
        """Take results from a file, and add to it."""
        self._file = file
        self._known = {name: file.records[name] for name in self._by_hash if name in file.records}

    @property
    def left(self) -> list[Job]:
        """The jobs that are to be run."""
        return [job for name, job in self._by_hash.items() if not (name in self._known and is_done(self._known[name]))]

    @property
    def workers(self) -> int:
        """Processes of this machine that are worth their start."""
        return max(1, min(usable_threads() // self._options[0], len(self.left)))

    @property
    def results(self) -> SweepResults:
        """Of the jobs that have one, in their order."""
        return SweepResults(self._known[name] for name in self._hashes if name in self._known)

    def records(self, executor: Executor) -> Iterator[Record | None]:
        """Run what is left: a record for each when it is there, and None about twice per second meanwhile. Raises
        Caffe64Error where the executor gives jobs up."""
        done: SimpleQueue[Future[Any]] = SimpleQueue()
        running: dict[Future[Any], Job] = {}
        try:
            for job in self.left:
                future = executor.submit(run_job, job, *self._options)
                running[future] = job
                future.add_done_callback(done.put)
            while running:
                try:
                    future = done.get(timeout=TICK_SECONDS)
                except Empty:
                    yield None
                    continue
                record = record_of(running.pop(future), _outcome(future))
                self._known[record["hash"]] = record
                if self._file:
                    self._file.add(record)
                yield record
        finally:
            for future in running:
                future.cancel()


def _outcome(future: Future[Any]) -> Mapping[str, Any]:
    if future.cancelled():
        hint = "was the connection to its scheduler lost? Results so far are kept"
        raise Caffe64Error(f"the executor has cancelled a job ({hint})")
    error = future.exception()
    if error is None:
        return instance("the result of a job", future.result(), dict, "a dict")
    if isinstance(error, WorkerLost):
        return {"error": described(error), "run": {}}
    raise error
