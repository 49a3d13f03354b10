"""A solver's settings as keywords of Python code."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...arguments import file_name, finite_number, flag, sizes, whole_number
from ...errors import UsageError
from ...formats.caffe.solver_settings import POLICIES, TYPES, SolverSettings
from ...wording import near_miss, one_of

NETS = ("net", "train_net", "test_net", "net_param", "train_net_param", "test_net_param")
NO_VALUES = (*NETS, "train_state", "test_state", "hdf5", "gpu")
CHOICES = {"type": TYPES, "lr_policy": POLICIES, "regularization_type": ("L2", "L1")}
MOST_INT32 = 2**31 - 1
FORMATS = {"BINARYPROTO": False, "HDF5": True}


def given_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a solver that Python code gives, by their names in a solver file: numbers, texts, and for repeated ones
    lists, or one value; but not messages, and not nets. Raises UsageError that names the field."""
    kinds = {each.name: each.default for each in dataclasses.fields(SolverSettings)}
    known = [name for name, default in kinds.items() if name not in NO_VALUES] + ["snapshot_format"]
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            hint = near_miss(name, known) or "fields are base_lr, lr_policy, max_iter and the others of a solver file"
            raise UsageError(f"{name!r} is not a field of a solver ({hint})")
        if name == "snapshot_format":
            found["hdf5"] = FORMATS[_text(name, value, tuple(FORMATS))]
        else:
            found[name] = _value(name, value, kinds[name])
    return found


def _value(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, bool):
        return flag(name, value)
    if isinstance(default, tuple):
        return _values(name, value)
    if isinstance(default, int):
        most = 2**63 - 1 if name == "random_seed" else MOST_INT32
        return whole_number(name, value, -most, most)
    if isinstance(default, float):
        return float(np.float32(finite_number(name, value)))
    if name in CHOICES:
        return _text(name, value, CHOICES[name])
    return file_name(value)


def _values(name: str, value: Any) -> tuple[Any, ...]:
    if name == "weights":
        single = isinstance(value, (str, os.PathLike))
        return tuple(map(file_name, [value] if single else value))
    return sizes(name, [value] if isinstance(value, int) else value, 0)


def _text(name: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise UsageError(f"{name} is {value!r}, expected {one_of(known)}")
    return str(value)
