"""Commands whose work the processes of an MPI job share: rank 0 alone speaks and writes.

group = join()              at the start of such a command
leave(error, report)        at its end by an error, for `failure.guard`
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..ranks.group import Group

# A launcher passes on what ranks print, and Open MPI's forgets what it has not read when one of them aborts.
FORWARDING_SECONDS = 1.0


class _Job:
    group: Group | None = None
    silent = False  # while joining: another rank says what is wrong


class _Reporter(Protocol):
    def __call__(self, error: BaseException, *, say: bool = True, where: str = "") -> int: ...


def join() -> Group:
    """The processes that an MPI launcher has started with this command. Raises UsageError where MPI is missing."""
    from ..ranks.launch import launched_rank, open_group

    _Job.group, _Job.silent = None, launched_rank() > 0
    _Job.group = open_group()
    return _Job.group


def leave(error: BaseException, report: _Reporter, settle: Callable[[], None]) -> int:
    """Report `error` and return its exit code, with which the process ends. An error that all ranks have raised is said
    by rank 0, and ends each when it has been said; any other one ends all ranks from here."""
    group, silent, _Job.group, _Job.silent = _Job.group, _Job.silent, None, False
    if group is None or group.size == 1:
        return report(error, say=group is not None or not silent)
    from ..ranks.agreement import is_agreed

    if is_agreed(error):
        code = report(error, say=group.rank == 0)
        settle()
        group.barrier()
        return code
    # An abort by another rank comes as a signal, and is not news.
    said = not group.rank or not isinstance(error, KeyboardInterrupt)
    code = report(error, say=said, where=f"rank {group.rank}: " if group.rank else "")
    settle()
    time.sleep(FORWARDING_SECONDS)
    return group.abort(code)
