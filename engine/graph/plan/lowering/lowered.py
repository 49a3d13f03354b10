"""What a lowering returns for a group: how its bottoms must lie, how its tops will, and the steps it emits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ....compiler.jit import Kernel
from ...ir.graph import Shape
from ..emitter import Emitter
from ..groups import Group
from ..storage import NO_HALO, Halo, Kind, Storage


@dataclass(frozen=True)
class Want:
    """How a bottom must lie."""

    kind: Kind
    halo: Halo = NO_HALO


BLOCKED, PLANAR = Want(Kind.BLOCKED), Want(Kind.PLANAR)


@dataclass(frozen=True)
class Lowered:
    """`emit(emitter, bottoms, tops)` adds the steps. `in_place`: the top may have the first bottom's memory.
    `algorithm` is its name, where there are several.

    scratch           bytes that each thread needs, from `scratch.offset + thread * scratch.thread` on
    shared_scratch    bytes that all threads share, from `scratch.offset` on; `scratch` is the emitter's
    """

    wants: Sequence[Want]
    kind: Kind
    emit: Callable[[Emitter, list[Storage], list[Storage]], None]
    scratch: int = 0
    shared_scratch: int = 0
    in_place: bool = False
    algorithm: str = ""


@dataclass(frozen=True)
class Context:
    """What a lowering may know: the group, its first layer's bottoms and the group's tops. `exact`: plain sums only."""

    group: Group
    bottoms: list[Shape]
    tops: list[Shape]
    exact: bool = False


@dataclass(frozen=True)
class Lowering:
    """One way to do a group. `lower` returns None where it does not apply. `kernels` are those that its steps, and what
    packs its weights, may call."""

    lower: Callable[[Context], Lowered | None]
    kernels: tuple[Kernel, ...]


def addend_wants(context: Context) -> list[Want]:
    """How the addend of a product must lie, if there is one."""
    return [BLOCKED] if context.group.addend else []
