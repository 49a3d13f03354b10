"""One job, in whatever process: what executors call."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import Any

from ..errors import Caffe64Error
from .kernels import compile_once
from .own_layers import load_layers

Outcome = dict[str, Any]


def run_job(job: Mapping[str, Any], threads: int = 1, layers: str | None = None) -> Outcome:
    """Run a checked job on so many threads, with the layers that the file `layers` registers.

    Returns {"result": ...} or {"error": ...}, which depend on the job alone, and "run": its seconds, without those of
    compiling, and the host. Whatever the job raises is such an error: type, message and exit_code.
    """
    started = time.perf_counter()
    try:
        if layers is not None:
            load_layers(layers)
        compile_once(kernels_of_job(job))
        started = time.perf_counter()
        outcome: Outcome = {"result": train(job, threads)}
    except Exception as error:
        outcome = {"error": described(error)}
    seconds = round(time.perf_counter() - started, 4)
    return outcome | {"run": {"seconds": seconds, "host": socket.gethostname()}}


def described(error: BaseException) -> dict[str, Any]:
    """An error for a line of JSON."""
    code = error.exit_code if isinstance(error, Caffe64Error) else 1
    return {"type": type(error).__name__, "message": " ".join(str(error).split()), "exit_code": code}


def kernels_of_job(job: Mapping[str, Any]) -> list[Any]:
    """The kernels that a job calls."""
    if "solver" in job:
        from .solver_training import kernels_of_solver

        return kernels_of_solver(job)
    from .text_training import kernels_of_text

    return kernels_of_text(job)


def train(job: Mapping[str, Any], threads: int) -> dict[str, Any]:
    if "solver" in job:
        from .solver_training import train_solver

        return train_solver(job, threads)
    from .text_training import train_text

    return train_text(job, threads)
