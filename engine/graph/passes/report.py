"""The report of a pass: one line per change, and one per layer that it left alone, with the reason."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Report:
    """`changes` and `left` are sentences that name layers; `inputs` says how inputs are prepared from now on."""

    name: str
    changes: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
