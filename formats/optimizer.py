"""Optimizer file: six numbers in any layout, separated by white space, commas or semicolons; `#` starts a comment.

0.0001   rate      base learning rate
5        step      epochs between drops of the rate; 0: it never drops
0.1      factor    by which the rate is then multiplied
0.00001  decay     weight decay
0.9      momentum
15       epochs
"""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass
from numbers import Real
from typing import Any

from ..arguments import instance
from ..errors import InputError
from .atomic import write_atomically
from .content import AN_OPTIMIZER
from .text import NUMBER, lines_of_tokens, plain_decimal, quote, read_text

MOST_EPOCHS = 1_000_000_000
MEANINGS = {
    "rate": "the learning rate, a finite number >= 0",
    "step": f"the epochs between drops of the rate, a whole number from 0 (never) to {MOST_EPOCHS}",
    "factor": "the drop factor, a finite number >= 0",
    "decay": "the weight decay, a finite number >= 0",
    "momentum": "the momentum, a finite number >= 0",
    "epochs": f"the number of epochs, a whole number from 0 to {MOST_EPOCHS}",
}


@dataclass(frozen=True)
class Optimizer:
    """How to train. Raises InputError ("<optimizer>") for a value out of range or not finite."""

    rate: float
    step: int
    factor: float
    decay: float
    momentum: float
    epochs: int

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = _checked(field.name, getattr(self, field.name))
            if value is None:
                found = f"found {getattr(self, field.name)!r}"[:80]
                raise InputError("<optimizer>", found, MEANINGS[field.name])
            object.__setattr__(self, field.name, value)


def read_optimizer(path: str | os.PathLike[str]) -> Optimizer:
    """Raises InputError naming line and column (FileMissing if there is no such file)."""
    return parse_optimizer(read_text(path, AN_OPTIMIZER), os.fspath(path))


def write_optimizer(path: str | os.PathLike[str], spec: Optimizer) -> None:
    """Write the six numbers, one per line. Raises OutputError."""
    instance("optimizer", spec, Optimizer, "a caffe64.Optimizer")
    with write_atomically(path, "w") as file:
        file.write(format_optimizer(spec))


def parse_optimizer(text: str, name: str = "<optimizer>") -> Optimizer:
    """The six numbers in `text`; `name` stands for the file in errors. Raises InputError with line and column."""
    tokens = [token for line in lines_of_tokens(text, separators=",;") for token in line]
    values: list[Any] = []
    for token, (field, meaning) in zip(tokens, MEANINGS.items(), strict=False):
        value = _checked(field, float(token.text)) if NUMBER.fullmatch(token.text) else None
        if value is None:
            raise InputError(name, f"found {quote(token.text)}", meaning, line=token.line, column=token.column)
        values.append(value)
    if len(tokens) != len(MEANINGS):
        raise InputError(name, f"holds {len(tokens)} numbers", f"six: {', '.join(MEANINGS)}")
    return Optimizer(*values)


def format_optimizer(spec: Optimizer) -> str:
    """Text that parses to an equal spec, one number per line."""
    return "".join(plain_decimal(value) + "\n" for value in dataclasses.astuple(spec))


def _checked(field: str, value: float) -> float | int | None:
    """The value in its field's type; None if it is out of range."""
    whole = field in ("step", "epochs")
    try:
        number = -1.0 if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:
        return None
    if not math.isfinite(number) or number < 0:
        return None
    if not whole:
        return number
    return int(value) if value == int(value) <= MOST_EPOCHS else None
