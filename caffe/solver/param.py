"""`Solver.param`: the settings of a solver, as pycaffe's programs read and set them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arguments import finite_number
from ...errors import UsageError
from .solver import CaffeTraining


class SolverParam:
    """The settings of a solver, by the names of its fields. base_lr can be set, and counts from the next step on."""

    _training: CaffeTraining

    def __init__(self, training: CaffeTraining):
        object.__setattr__(self, "_training", training)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str):
            settings = self._training.parsed.settings
            if name.startswith("_") or not hasattr(settings, name):
                raise AttributeError(f"a solver has no setting {name!r}")
            return getattr(settings, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "base_lr":
            raise UsageError(f"{name} cannot be set, only base_lr can: the others are of the whole training")
        parsed, rate = self._training.parsed, float(np.float32(finite_number("base_lr", value)))
        parsed.settings = replace(parsed.settings, base_lr=rate)
        self._training.trainer.schedule.base = rate

    def __repr__(self) -> str:
        return repr(self._training.parsed.settings)
