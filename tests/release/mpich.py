"""Trainings over the ranks of MPICH: `make mpich`. Other tests have Open MPI; both own bin/mpiexec.

Runs pytest with the arguments, in an environment of its own, on this Python.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from environments import ROOT, install, make

PACKAGES = ("mpich", "pytest", "hypothesis", "lmdb", "h5py")


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as name:
        python = make(Path(name) / "mpich", ".".join(platform.python_version_tuple()[:2]))
        if not python or not install(python, *PACKAGES, "--editable", f"{ROOT}[mpi]"):
            return 1
        return subprocess.run([python, "-m", "pytest", "-q", *arguments], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
