"""What a lowering says of a group's gradients, and what the steps that it emits for them read and write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...ir.graph import Node
from ..emitter import Emitter
from ..storage import NO_HALO, Halo, Storage, StorageKind


@dataclass(frozen=True)
class BackwardBlobs:
    """The operands of a group's backward steps.

    bottoms, tops       the storages of its values, as of `emit`; they hold them only where `Backward` reads them
    top_gradients       of the kind and with the halo that `Backward` asks for; channels behind the last are zeros
    bottom_gradients    to be written, of the kinds of the bottoms, PLANAR for a PADDED one; None where none is needed
    weights             of each node of the group that has weights, the offsets of their gradients, float32 in Caffe's
                        layout, to which steps add; from the start of the arena, whose memory they are not in; None
                        where none is needed
    shared              the offset of the bytes that `Backward.shared` asks for
    kept                the offset of the bytes that `Lowered.kept` asks for, as the forward steps left them
    top_is_masked       the gradient of the top is 0 where the group's ReLU gives 0
    masked              the bottoms' gradients are to be 0 where their values are not positive (`Backward.masks`)
    """

    bottoms: list[Storage]
    tops: list[Storage]
    top_gradients: list[Storage]
    bottom_gradients: list[Storage | None]
    weights: dict[Node, list[int | None]]
    shared: int = -1
    kept: int = -1
    top_is_masked: bool = False
    masked: bool = False


@dataclass(frozen=True)
class Backward:
    """`emit(emitter, blobs)` adds the steps, the last of which has a barrier.

    kind, halo          of the storage of the tops' gradients; the halo holds zeros. Without a kind that of the tops
    halo_for_bottoms    no halo is needed where no bottom's gradient is
    spill               the halo of the bottoms' gradients, into which steps may write anything
    reads_bottoms, reads_tops   whether steps read these values
    masks               whether it can leave out gradients of bottoms' values that are not positive, at no cost
    in_place            the first bottom's gradient may have the memory of the first top's
    scratch             bytes that each thread needs, as in `Lowered`
    shared              bytes that all threads share, of memory for these steps alone
    """

    emit: Callable[[Emitter, BackwardBlobs], None]
    kind: StorageKind | None = StorageKind.BLOCKED
    halo: Halo = NO_HALO
    halo_for_bottoms: bool = False
    spill: Halo = NO_HALO
    reads_bottoms: bool = False
    reads_tops: bool = False
    masks: bool = False
    in_place: bool = False
    scratch: int = 0
    shared: int = 0
