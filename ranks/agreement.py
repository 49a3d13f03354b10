"""Errors over ranks: found on one of them, raised by all.

A rank that leaves while the others wait for it would keep them waiting for ever. So either all ranks raise an error,
after the same call, and it is marked as agreed; or the rank that raises it must `abort` the group.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..errors import Caffe64Error
from .group import Group

Result = TypeVar("Result")


class RankFailed(Caffe64Error):
    """Another rank failed before the training began. The exit code is that of its error."""

    def __init__(self, rank: int, message: str, exit_code: int):
        self.rank, self.exit_code = rank, exit_code
        super().__init__(f"rank {rank}: {message}")


def agree(group: Group, work: Callable[[], Result]) -> Result:
    """work(), which the ranks do without each other. Where it failed on any of them, all raise: the lowest of those its
    own error, the others RankFailed with its message. Returns when all have done it."""
    failure: BaseException | None = None
    try:
        result = work()
    except BaseException as error:
        if group.size == 1:
            raise
        failure = error
    said = None if failure is None else (message_of(failure), getattr(failure, "exit_code", 1))
    failed = [(rank, *each) for rank, each in enumerate(group.gather_objects(said)) if each]
    if failed:
        first = failed[0]
        raise agreed(failure if failure is not None and first[0] == group.rank else RankFailed(*first))
    return result


def agreed(error: BaseException) -> BaseException:
    """The same error, marked: all ranks raise it, or one of their own, after the same call."""
    error.agreed = True  # type: ignore[attr-defined]
    return error


def is_agreed(error: BaseException) -> bool:
    return getattr(error, "agreed", False)


def message_of(error: BaseException) -> str:
    """For an error that another rank raises."""
    text = " ".join(str(error).split())
    if isinstance(error, Caffe64Error):
        return text
    return f"{type(error).__name__}{': ' if text else ''}{text}"
