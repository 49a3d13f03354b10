"""Whether an MPI launcher has started this process, and the group of those that it has started."""

from __future__ import annotations

import os
import sys

from ..errors import UsageError
from .group import Group, MpiGroup, SoloGroup

# What launchers tell the processes of a job: Open MPI's; MPICH's, Intel MPI's and Cray's; Slurm's srun. Slurm's other
# variables describe the job and are set in its shell script as well, where one process runs.
SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")


def launched_size() -> int:
    """How many processes the launcher has started; 1 if there is none."""
    return max(1, _number(SIZES, 1))


def launched_rank() -> int:
    """The number of this process among them."""
    return _number(RANKS, 0) if launched_size() > 1 else 0


def _number(names: tuple[str, ...], otherwise: int) -> int:
    for name in names:
        text = os.environ.get(name, "")
        if text.isdigit():
            return int(text)
    return otherwise


def open_group() -> Group:
    """All processes that the launcher has started; MPI is started then, and only then, or if it runs already
    (`python -m mpi4py -m caffe64 ...`).

    Raises UsageError where MPI is missing, or knows of fewer processes than were started.
    """
    started = launched_size()
    if started == 1 and "mpi4py.MPI" not in sys.modules:
        return SoloGroup()
    group = MpiGroup()
    if group.size < started:
        raise UsageError(
            f"{started} processes were started, but MPI sees {group.size} in each: the launcher is of another MPI than "
            "mpi4py's (python -m mpi4py --mpi-lib-version shows that one; of Slurm, srun --mpi=pmix)"
        )
    return group
