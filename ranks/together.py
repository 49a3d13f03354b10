"""What the ranks of a training do together besides exchanging arrays: work of rank 0 alone, and comparing what they
have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..errors import UsageError
from .agreement import RankFailed, agreed, message_of
from .group import Group

Result = TypeVar("Result")


def on_first(group: Group, work: Callable[[], Result]) -> Result:
    """What `work` returns to rank 0, which alone does it while the others wait: something small. Where it fails, all
    raise: rank 0 its error, the others RankFailed."""
    if group.size == 1:
        return work()
    failure: BaseException | None = None
    result = None
    if group.rank == 0:
        try:
            result = work()
        except BaseException as error:
            failure = error
    said = None if failure is None else (message_of(failure), getattr(failure, "exit_code", 1))
    found: tuple[Result, tuple[str, int] | None] = group.broadcast((result, said))
    if found[1] is not None:
        raise agreed(failure or RankFailed(0, *found[1]))
    return found[0]


def check_alike(group: Group, facts: Mapping[str, Any]) -> None:
    """Raises UsageError, on all ranks, for the first of these small `facts`, by the words for them, that a rank has
    otherwise than rank 0."""
    first, *others = group.gather_objects(facts)
    for rank, other in enumerate(others, 1):
        for name, value in first.items():
            if other[name] != value:
                found = f"rank {rank} and rank 0 differ in the {name}: {_shown(other[name])} and {_shown(value)}"
                raise agreed(UsageError(f"{found} (all ranks need the same files and options)"))


def _shown(value: Any) -> str:
    """In a line; of a digest its first digits."""
    return value.hex()[:8] if isinstance(value, bytes) else " / ".join(str(value).splitlines())
