"""The solvers of one type each, and `get_solver`, by pycaffe's names."""

from __future__ import annotations

from .public import Path, Solver


class SGDSolver(Solver):
    """A `Solver` of the type SGD, whatever its file says."""

    _type = "SGD"


class NesterovSolver(Solver):
    """A `Solver` of the type Nesterov, whatever its file says."""

    _type = "Nesterov"


class AdaGradSolver(Solver):
    """A `Solver` of the type AdaGrad, whatever its file says."""

    _type = "AdaGrad"


class RMSPropSolver(Solver):
    """A `Solver` of the type RMSProp, whatever its file says."""

    _type = "RMSProp"


class AdaDeltaSolver(Solver):
    """A `Solver` of the type AdaDelta, whatever its file says."""

    _type = "AdaDelta"


class AdamSolver(Solver):
    """A `Solver` of the type Adam, whatever its file says."""

    _type = "Adam"


def get_solver(solver_file: Path) -> Solver:
    """The solver of a file, of the type that it says. Raises InputError."""
    return Solver(solver_file)
