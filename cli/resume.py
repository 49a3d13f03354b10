"""What --resume may change: a value of the command line or of OPTIM replaces the checkpoint's, with a message."""

from __future__ import annotations

import dataclasses

from ..formats.checkpoint import Checkpoint
from ..formats.optimizer import Optimizer, same_history


def _shown(value: float | str | None) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else f"{value:g}"


def changes(saved: Checkpoint, optimizer: Optimizer, seed: int | None, shuffle: bool | None) -> list[str]:
    """One line for each value that replaces one of `saved`. `seed`, `shuffle` None: not given."""
    lines = []
    for field in dataclasses.fields(optimizer):
        old, new = getattr(saved.optimizer, field.name), getattr(optimizer, field.name)
        if old != new:
            lines.append(f"{field.name} {_shown(new)} of the optimizer file replaces {_shown(old)} of the checkpoint")
    if not same_history(saved.optimizer.rule, optimizer.rule):
        lines.append(f"{optimizer.rule} begins without the velocity of {saved.optimizer.rule}")
    if seed not in (None, saved.seed):
        lines.append(f"seed {seed} replaces {saved.seed} of the checkpoint")
    if shuffle not in (None, saved.shuffle):
        names = {True: "--shuffle", False: "--no-shuffle"}
        lines.append(f"{names[shuffle]} replaces {names[saved.shuffle]} of the checkpoint")
    return lines
