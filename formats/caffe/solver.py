"""Solver files: text -> a SolverParameter, and the values that Caffe would die of."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import text_format

from ...errors import InputError
from ..content import A_PROTOTXT, A_SOLVER, HEAD, refuse_others
from ..files import open_input
from ..text import quote
from .outline import Malformed, Outline, Walk
from .schema import MESSAGES
from .solver_settings import NET_FIELDS, POLICIES, TYPES, SolverSettings, settings_of
from .text import ALLOW, MOST_PROTOTXT_BYTES, line_and_column, malformed, text_error, unknown_field

SOLVER = MESSAGES["SolverParameter"]


@dataclass
class ParsedSolver:
    """A solver as read: its `settings`, and its text for messages."""

    settings: SolverSettings
    path: str
    text: str
    outline: Outline

    def error(self, field: str, found: str, expected: str = "", hint: str = "") -> InputError:
        """An InputError at the line of `field`, if the file has it."""
        offset = self.outline.fields.get(field)
        line, column = (None, None) if offset is None else line_and_column(self.text, offset)
        return InputError(self.path, found, expected, hint, line=line, column=column)


def read_solver(path: str | os.PathLike[str]) -> ParsedSolver:
    """Reads a solver. Raises InputError with line, column and field, for values that `check_solver` refuses too."""
    with open_input(path) as file:
        data = file.read(MOST_PROTOTXT_BYTES + 1)
    if not data:
        raise InputError(path, "is empty", "a solver", "was it copied completely?")
    refuse_others(path, data[:HEAD], A_SOLVER, "text", A_SOLVER, A_PROTOTXT)
    if len(data) > MOST_PROTOTXT_BYTES:
        raise InputError(path, f"is larger than {MOST_PROTOTXT_BYTES >> 20} MiB", "a solver")
    return parse_solver(data.decode("utf-8-sig", "surrogateescape"), os.fspath(path))


def parse_solver(text: str, name: str = "<solver>") -> ParsedSolver:
    """`read_solver` of a text; `name` stands for the file in errors."""
    walk = Walk(text, SOLVER.DESCRIPTOR)
    try:
        outline = walk.run()
    except Malformed as error:
        raise text_error(name, text, walk.outline, error) from None
    if outline.unknown:
        refused = unknown_field(outline.unknown[0])
        if refused.hint == ALLOW:
            refused.hint = "is it a net? then give the solver that names it" if "layer" in outline.fields else ""
        raise text_error(name, text, outline, refused)
    message = SOLVER()
    try:
        text_format.Parse(text, message)
    except (text_format.ParseError, ValueError) as error:
        raise text_error(name, text, outline, malformed(error, text)) from None
    parsed = ParsedSolver(settings_of(message), name, text, outline)
    _check(parsed)
    return parsed


def with_settings(solver: ParsedSolver, values: Mapping[str, Any]) -> ParsedSolver:
    """A solver with some other settings, as if its file had them. Raises InputError as `read_solver`."""
    outline = dataclasses.replace(solver.outline, fields={**solver.outline.fields})
    for name in values:
        outline.fields.pop(name, None)  # an error of it has no line
    changed = ParsedSolver(dataclasses.replace(solver.settings, **values), solver.path, solver.text, outline)
    _check(changed)
    return changed


def _check(solver: ParsedSolver) -> None:
    """Raises InputError for the values of which Caffe dies, at once and not at the first update."""
    settings, given = solver.settings, solver.outline.fields
    _check_nets(solver)
    if {"solver_type", "type"} <= given.keys():
        raise solver.error("solver_type", "has both solver_type and type", "type alone")
    if settings.type not in TYPES:
        raise solver.error("type", f"type: {quote(settings.type)}", "one of " + ", ".join(TYPES))
    if settings.lr_policy not in POLICIES:
        found = f"lr_policy: {quote(settings.lr_policy)}" if "lr_policy" in given else "has no lr_policy"
        raise solver.error("lr_policy", found, "one of " + ", ".join(POLICIES))
    _check_rate(solver)
    _check_numbers(solver)
    rule = settings.regularization_type
    if settings.weight_decay != 0 and rule not in ("L1", "L2"):
        raise solver.error("regularization_type", f"regularization_type: {quote(rule)}", "L1 or L2")


def _check_nets(solver: ParsedSolver) -> None:
    settings = solver.settings
    sources = [name for name in NET_FIELDS if name in solver.outline.fields]
    if len(sources) != 1:
        found = f"has {' and '.join(sources)}" if sources else "names no net"
        raise solver.error(sources[1] if sources else "", found, "one of net, net_param, train_net and train_net_param")
    own, iterations = len(settings.test_net) + len(settings.test_net_param), len(settings.test_iter)
    generic = sources[0] in ("net", "net_param")
    if iterations < own or (iterations > own and not generic):
        expected = f"{own}, one per test net" + (", or more, for the net itself" if generic else "")
        raise solver.error("test_iter", f"has {iterations} test_iter", expected)
    if settings.test_state and len(settings.test_state) != iterations:
        raise solver.error(
            "test_state", f"has {len(settings.test_state)} test_state", f"{iterations}, one per test net"
        )
    if iterations and settings.test_interval <= 0:
        raise solver.error(
            "test_interval", f"test_interval: {settings.test_interval}", "a positive number, with test nets"
        )
    if min(settings.test_iter, default=0) < 0:
        raise solver.error("test_iter", f"test_iter: {min(settings.test_iter)}", "numbers from 0")


def _check_rate(solver: ParsedSolver) -> None:
    settings, policy = solver.settings, solver.settings.lr_policy
    if policy in ("step", "exp", "inv", "multistep", "sigmoid") and not settings.gamma >= 0:
        raise solver.error("gamma", f"gamma: {settings.gamma:g}", f"a number from 0, for lr_policy {policy}")
    if policy in ("step", "sigmoid") and settings.stepsize <= 0:
        raise solver.error("stepsize", f"stepsize: {settings.stepsize}", f"positive, for lr_policy {policy}")


def _check_numbers(solver: ParsedSolver) -> None:
    settings = solver.settings
    if settings.type in ("AdaGrad", "RMSProp") and settings.momentum != 0:
        raise solver.error("momentum", f"momentum: {settings.momentum:g}", f"none, for {settings.type}")
    if settings.type == "RMSProp" and not 0 <= settings.rms_decay < 1:
        raise solver.error("rms_decay", f"rms_decay: {settings.rms_decay:g}", "from 0 up to below 1")
    for name, least in (("average_loss", 1), ("iter_size", 1), ("max_iter", 0), ("display", 0), ("snapshot", 0)):
        if getattr(settings, name) < least:
            raise solver.error(name, f"{name}: {getattr(settings, name)}", f"a number from {least}")
