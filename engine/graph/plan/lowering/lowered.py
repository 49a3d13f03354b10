"""What a lowering returns for a group: the storage of its bottoms and tops, and the steps it emits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ....compiler.jit import Kernel
from ...ir.graph import Blob, Node, Shape
from ..emitter import Emitter
from ..groups import LayerGroup
from ..storage import NO_HALO, Halo, Storage, StorageKind
from .backward import Backward


@dataclass(frozen=True)
class Want:
    """The storage that a group needs for a bottom; without a kind any but PADDED: as it is stored."""

    kind: StorageKind | None
    halo: Halo = NO_HALO


BLOCKED, PLANAR, AS_STORED = Want(StorageKind.BLOCKED), Want(StorageKind.PLANAR), Want(None)


@dataclass(frozen=True)
class Lowered:
    """`emit(emitter, bottoms, tops)` adds the steps. Without a `kind`, tops are stored as the first bottom. `in_place`:
    the top may have the first bottom's memory. `algorithm` is its name, where there are several. `backward`: its
    gradients, if steps compute them.

    scratch           bytes that each thread needs, from `scratch.offset + thread * scratch.thread` on
    shared_scratch    bytes that all threads share, from `scratch.offset` on; `scratch` is the emitter's
    kept              bytes, from the emitter's `kept` on, that hold what the forward steps leave for the backward ones;
                      the emitter's is -1 where a plan has no gradients
    """

    wants: Sequence[Want]
    kind: StorageKind | None
    emit: Callable[[Emitter, list[Storage], list[Storage]], None]
    scratch: int = 0
    shared_scratch: int = 0
    kept: int = 0
    in_place: bool = False
    algorithm: str = ""
    backward: Backward | None = None


@dataclass(frozen=True)
class Context:
    """The input of a lowering: the group, its first layer's bottoms and the group's tops. `exact`: plain sums only.
    `producer(blob)`: the layer that gives a blob, and the shapes of its bottoms, where that is known."""

    group: LayerGroup
    bottoms: list[Shape]
    tops: list[Shape]
    exact: bool = False
    producer: Callable[[Blob], tuple[Node, list[Shape]] | None] = lambda blob: None


@dataclass(frozen=True)
class Lowering:
    """One way to do a group. `lower` returns None where it does not apply. `kernels` are those that its steps, and what
    packs its weights, may call, `backward_kernels` those of its gradients. `any_rank`: it takes blobs of any number of
    axes, not only of 2 to PICTURE_AXES."""

    lower: Callable[[Context], Lowered | None]
    kernels: tuple[Kernel, ...]
    any_rank: bool = False
    backward_kernels: tuple[Kernel, ...] = ()


def addend_wants(context: Context) -> list[Want]:
    """The storage of a product's addend, if there is one."""
    return [BLOCKED] if context.group.addend else []


def follows_relu(context: Context) -> bool:
    """Whether the first bottom holds what a ReLU gave: 0 where that has no gradient."""
    producer = context.producer(context.group.nodes[0].bottoms[0])
    return producer is not None and is_relu(producer[0])


def is_relu(node: Node) -> bool:
    """Whether it is a ReLU without a slope, whose gradient is a mask."""
    return node.type == "ReLU" and not node.attributes.negative_slope
