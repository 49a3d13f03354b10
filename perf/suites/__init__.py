"""The suites. Each is a module with  run(settings, report) -> its entries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..results import Entry
from ..sampling import Effort

Report = Callable[[Entry], None]  # called with each entry as soon as it is measured


@dataclass(frozen=True)
class Settings:
    """What the command line asks for. `threads` are the numbers of threads to measure with."""

    threads: tuple[int, ...]
    quick: bool = False
    peers: bool = True
    effort: Effort = field(default_factory=Effort)
