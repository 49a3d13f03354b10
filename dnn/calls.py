"""Arguments of calls of a Net, in the forms that OpenCV's bindings take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..arguments import names
from ..errors import UsageError


def forward_arguments(arguments: Sequence[Any], named: Mapping[str, Any]) -> tuple[str | Sequence[str], bool]:
    """The names of layers, one or several, and whether all outputs of the one are wanted, as of
    forward(outputBlobs, outputName)."""
    known = {"outputName", "outBlobNames", "outputBlobs"}
    if unknown := sorted(named.keys() - known):
        raise UsageError(f"forward has no argument {unknown[0]!r}, expected {sorted(known)}")
    name, many = named.get("outputName"), named.get("outBlobNames")
    given = [each for each in arguments if each is not None]
    for each in given:
        if isinstance(each, str):
            name = each
        elif isinstance(each, list | tuple) and each and all(isinstance(one, str) for one in each):
            many = each
        elif not isinstance(each, list | tuple | np.ndarray):
            raise UsageError(f"forward was given {type(each).__name__}, expected the name of a layer or a list of them")
    if many is not None:
        return names("outBlobNames", many, "names of layers", least=1), False
    if name is not None and not isinstance(name, str):
        raise UsageError(f"outputName is {name!r}, expected the name of a layer")
    in_place = any(isinstance(each, list | tuple | np.ndarray) for each in given)
    return ([name or ""], True) if in_place else (name or "", False)


def prepare(values: np.ndarray, factor: float, means: Sequence[float]) -> None:
    """values * factor - mean * factor, as OpenCV computes it."""
    channels = values.shape[1] if values.ndim > 1 else 1
    if any(means) and channels > len(means):
        raise UsageError(f"mean is for at most {len(means)} channels, the blob has the shape {list(values.shape)}")
    values *= np.float32(factor)
    if any(means):
        shifts = np.array([mean * factor for mean in means[:channels]], np.float32)
        values -= shifts.reshape(-1, *(1,) * (values.ndim - 2)) if values.ndim > 1 else shifts
