"""How far the rounding of its inputs alone moves a net: a net that one unit in the last place moves by as much as two
nets differ says little about which of them is right."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ....arguments import FLOOR
from .difference import Difference, difference

Arrays = dict[str, np.ndarray]


def moved_by_one_ulp(inputs: Mapping[str, np.ndarray], still: Collection[str] = (), seed: int = 0) -> Arrays:
    """Each float32 number to its neighbour, up or down at random, but for inputs whose names are in `still`."""
    source = np.random.default_rng(seed)
    found = dict(inputs)
    for name, values in inputs.items():
        if name not in still and values.dtype == np.float32:
            found[name] = np.nextafter(values, np.where(source.random(values.shape) < 0.5, -np.inf, np.inf), dtype="f4")
    return found


def ulp_text(
    wrong: Sequence[Difference],
    run: Callable[[Arrays], Arrays],
    inputs: Arrays,
    scales: Mapping[str, Any],
    *,
    still: Collection[str] = (),
    floor: float = FLOOR,
) -> str:
    """What to add to a message about outputs that are `wrong`: how far one ulp of the inputs moves them in the first
    net, which `run` runs."""
    before, after = run(inputs), run(moved_by_one_ulp(inputs, still))
    moves = [
        difference(name, before[name], after[name], scales[name], floor) for name in (each.output for each in wrong)
    ]
    named = ", ".join(
        f"{each.output!r} by {each.relative:.2g} relative, {each.absolute:.2g} absolute" for each in moves
    )
    return f"; one ulp of the input moves {named}"
