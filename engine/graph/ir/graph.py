"""A net as a graph: layers in an order in which they can run, joined by blobs.

Caffe names the values between layers, and reuses a name where a layer works in place. Here each value is a separate
`Blob`, distinguished by identity: a ReLU in place reads one Blob and writes another of the same name. So "what reads
the convolution's output" has one answer for any names; passes use blobs, and names only matter in files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ....errors import InputError
from ...parameters.owner import Held
from ...parameters.streams import Streams
from .filler import Filler

Shape = tuple[int, ...]
FLOAT32 = np.dtype(np.float32)
PICTURE_AXES = 4  # [N, C, H, W]


@dataclass(eq=False)
class Blob:
    """One value: written once, by one node, or an input of the graph. `name` is its name in files; all present
    layers compute in float32."""

    name: str
    dtype: np.dtype = FLOAT32

    def __repr__(self) -> str:
        return f"Blob({self.name!r})"


@dataclass(frozen=True)
class BlobSpec:
    """How a net shares a blob of weights. Blobs of one `name` are one; if it `takes_any_shape`, also where another
    layer has it in another shape. Without an `lr_mult` or `decay_mult` of its own, it has that of a sharer, or 1.
    One that `is_statistic` no update moves, whatever its lr_mult."""

    name: str = ""
    lr_mult: float | None = None
    decay_mult: float | None = None
    takes_any_shape: bool = False
    is_statistic: bool = False


@dataclass(eq=False)
class Node:
    """One layer. `attributes` are its parameters, a frozen dataclass of its type's Op; None for types without any, and
    for unknown types. They are replaced, not changed.

    `origin` is the layer in its file, by which the front end that read it writes it back without loss; None for a layer
    made by a pass. `unsupported` is the reason why the layer does not run although its type does.
    `blob_specs` are those of its first blobs, `fillers` draw them (`fillers.py`); `loss_weight` is one per top and
    `propagate_down` one per bottom, or none.

    `weights` are its blobs in Caffe's order and shapes, float32 C-contiguous; empty until there are some. With `held`
    they are views of the net's parameters, which are only written in place, followed by held.written(). Assigned
    weights have no owner until `own_parameters`. `phase`, TEST or TRAIN, is the layer's own, or else the
    net's.
    """

    name: str
    type: str
    bottoms: list[Blob]
    tops: list[Blob]
    attributes: Any = None
    weights: list[np.ndarray] = field(default_factory=list)
    phase: str = "TEST"
    held: Held | None = None
    blob_specs: tuple[BlobSpec, ...] = ()
    fillers: tuple[Filler, ...] = ()
    loss_weight: tuple[float, ...] = ()
    propagate_down: tuple[bool, ...] = ()
    unsupported: str = ""
    origin: Any = None
    streams: Streams = field(default_factory=Streams)

    def __setattr__(self, name: str, value) -> None:
        if name == "weights":  # other arrays than the owner's: what is made of the owner's would not be theirs
            vars(self)["held"] = None
        object.__setattr__(self, name, value)

    def error(self, found: str, expected: str = "", hint: str = "") -> InputError:
        """An InputError that names this layer."""
        return InputError(f"layer {self.name!r} ({self.type})", found, expected, hint)

    def __getstate__(self) -> dict:
        """For pickles and copies: of held weights, which belong to the owner, only the shapes."""
        shapes = [blob.shape for blob in self.weights]
        return vars(self) | ({"weights": shapes} if self.held else {})

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        if self.held:
            pairs = zip(self.held.views(), self.weights, strict=True)
            vars(self)["weights"] = [view.reshape(shape) for view, shape in pairs]

    def __repr__(self) -> str:
        return f"Node({self.name!r}, {self.type})"


@dataclass(eq=False)
class Graph:
    """`nodes` in an order that runs. `inputs` are the tops of Input layers, which are nodes as well.

    `name` is the net's, `force_backward` asks for gradients of all blobs. `origin` is the net in its file,
    for the front end that read it. `phase` is TEST or TRAIN. `path` names the net in messages: its file.
    `streams` are the random numbers of its nodes, which have the same object; without any, they keep their
    own: a part of a graph draws the same numbers as the whole.
    """

    nodes: list[Node]
    phase: str = "TEST"
    path: str = "<net>"
    streams: Streams = None  # type: ignore[assignment]  # those of the nodes
    name: str = ""
    force_backward: bool = False
    origin: Any = None

    def __post_init__(self):
        if self.streams is None:
            self.streams = self.nodes[0].streams if self.nodes else Streams()
        else:
            for node in self.nodes:
                node.streams = self.streams

    @property
    def inputs(self) -> list[Blob]:
        """The blobs that the caller fills. A Parameter layer has no bottoms either, but its top is its weights."""
        return [top for node in self.nodes if not node.bottoms and node.type != "Parameter" for top in node.tops]

    @property
    def outputs(self) -> list[Blob]:
        """The blobs that no node reads, by name as in Caffe."""
        read = {bottom for node in self.nodes for bottom in node.bottoms}
        return sorted((top for node in self.nodes for top in node.tops if top not in read), key=lambda blob: blob.name)

    @property
    def results(self) -> list[Blob]:
        """The outputs without unread inputs; with them if there are no others."""
        inputs = set(self.inputs)
        return [blob for blob in self.outputs if blob not in inputs] or self.outputs

    @property
    def needed_inputs(self) -> list[Blob]:
        """The inputs that results depend on; all inputs if there are none."""
        needed = set(self.results)
        for node in reversed(self.nodes):
            if needed.intersection(node.tops):
                needed.update(node.bottoms)
        return [blob for blob in self.inputs if blob in needed] or self.inputs

    def producer(self, blob: Blob) -> Node | None:
        """The node that writes `blob`."""
        return next((node for node in self.nodes if blob in node.tops), None)

    def readers(self, blob: Blob) -> list[Node]:
        """The nodes that read `blob`, once per bottom."""
        return [node for node in self.nodes for bottom in node.bottoms if bottom is blob]

    def replace(self, old: Blob, new: Blob) -> None:
        """Let all readers of `old` read `new`."""
        for node in self.nodes:
            node.bottoms = [new if bottom is old else bottom for bottom in node.bottoms]

    def remove(self, nodes: Iterable[Node]) -> None:
        gone = set(nodes)
        self.nodes = [node for node in self.nodes if node not in gone]

    def copy(self) -> Graph:
        """A graph of its own nodes and blobs. The weight arrays are shared and not held: passes replace them, and
        `own_parameters` copies them in the end."""
        twins: dict[Blob, Blob] = {}

        def twin(blob: Blob) -> Blob:
            return twins.setdefault(blob, Blob(blob.name, blob.dtype))

        nodes = [
            replace(
                node,
                bottoms=[twin(blob) for blob in node.bottoms],
                tops=[twin(blob) for blob in node.tops],
                weights=list(node.weights),
                held=None,
            )
            for node in self.nodes
        ]
        return replace(self, nodes=nodes, streams=replace(self.streams))
