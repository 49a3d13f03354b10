"""The steps of `caffe64 sweep`:   read the grid -> what the results file has -> compile -> jobs -> the best of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Caffe64Error
from ..jobs.executors import abort_ranks, open_executor
from ..jobs.grid import has_table, read_grid
from ..jobs.own_layers import loaded_layers
from ..jobs.records import Record, ResultsFile
from ..jobs.run import kernels_of_job
from ..jobs.sweep import SweepRun
from ..jobs.table import ranking_parts
from ..tables.reading import kernels_of_tables
from . import compiling, failure, files, signals
from .output import Output
from .sweep_screen import make_report
from .table import print_parts

SHOWN = 10  # settings, at the end


class JobsFailed(Caffe64Error):
    """Some jobs have an error in place of a result; the exit code is that of the errors."""

    def __init__(self, failed: list[dict[str, Any]], total: int, path: Path):
        codes = {error["exit_code"] for error in failed}
        self.exit_code = codes.pop() if len(codes) == 1 else next((code for code in (1, 3, 2) if code in codes), 1)
        kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(error["type"] for error in failed).items())
        super().__init__(f"{path}: {len(failed)} of {total} jobs have no result ({kinds})")


@dataclass(frozen=True)
class SweepRequest:
    """The request of the command line. `results` None: beside the grid."""

    grid: Path
    results: Path | None = None
    address: str | None = None
    mpi: bool = False
    workers: int | None = None
    retries: int | None = None
    threads: int = 1
    quiet: bool = False

    @property
    def is_local(self) -> bool:
        return self.address is None and not self.mpi

    @property
    def output(self) -> Path:
        return self.results or self.grid.with_suffix(".jsonl")


def run(request: SweepRequest) -> None:
    """Run the jobs that have no result yet. Raises Interrupted, and JobsFailed at the end."""
    output, path = Output(quiet=request.quiet), request.output
    files.check_inputs([request.grid])
    files.check_outputs([path], [request.grid])
    if has_table(request.grid):
        compiling.prepare(kernels_of_tables(), output)
    sweep = SweepRun(read_grid(request.grid), request.threads, loaded_layers())
    with ResultsFile(path) as file:
        sweep.use(file)
        left = len(sweep.left)
        already = f", {len(sweep.jobs) - left} of them done" if left < len(sweep.jobs) else ""
        output.say(f"{compiling.count(len(sweep.jobs), 'job')}{already}; results in {path}")
        if left:
            try:
                _run_jobs(request, sweep, output)
            except BaseException as error:
                if request.mpi and not isinstance(error, Exception):
                    failure.report(error)
                    abort_ranks(130)
                raise
    if not request.quiet:
        ranking = sweep.results.ranking
        print_parts(ranking_parts(ranking, ranking.best_score(), most=SHOWN))
    _check(sweep, path)


def _run_jobs(request: SweepRequest, sweep: SweepRun, output: Output) -> None:
    workers = request.workers
    if request.is_local:
        kernels = dict.fromkeys(kernel for job in sweep.left for kernel in kernels_of_job(job))
        compiling.prepare([*kernels], output)
        workers = sweep.workers if workers is None else workers
    place = open_executor(request.address, mpi=request.mpi, workers=workers, retries=request.retries)
    total, finished = len(sweep.jobs), len(sweep.jobs) - len(sweep.left)
    try:
        with place as executor, make_report(output, sweep) as report:
            for record in sweep.records(executor):
                finished += record is not None
                report.show(record)
    except KeyboardInterrupt:
        raise signals.interruption(f"after {finished} of {total} jobs (the same command goes on)") from None


def _check(sweep: SweepRun, path: Path) -> None:
    results: list[Record] = [*sweep.results]
    failed = [record["error"] for record in results if "error" in record]
    if failed:
        raise JobsFailed(failed, len(results), path)
