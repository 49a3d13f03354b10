"""The nets of a solver: the one that is trained, and those that test it, each with what its data layers read."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...engine.graph.analysis.fillers import fill
from ...engine.graph.analysis.shapes import infer_shapes, weight_shapes
from ...engine.graph.execution.required_kernels import kernels_of
from ...engine.graph.ir.graph import PICTURE_AXES, Graph, Shape
from ...engine.graph.ir.ownership import assign_weights
from ...engine.graph.plan.update import WeightUpdate
from ...errors import InputError, UsageError
from ...formats.caffe import ParsedNet, upgraded
from ...formats.caffe.schema import Message
from ...formats.caffe.solver import ParsedSolver
from ..data.ahead import Ahead
from ..data.feeds import Feed, Sources, make_inputs
from ..data.pictures import Pictures
from ..data.places import Places
from ..data.shards import ShardOrder, TurnSource, shards_of
from ..data.sources import Batch, BatchSource, make_source
from ..net import CaffeNet, Outputs
from ..reading import graph_of, read_net
from .events import Restarted, Tell, ignore
from .saved import PHASES
from .shard_inputs import shard_shapes

Place = dict[str, Any]


@dataclass
class NetOrigin:
    """A net as read, and the state that the solver gives it."""

    read: ParsedNet
    own: Message | None = None

    def state(self, phase: str, level: int | None = None, stages: Sequence[str] = ()) -> Message:
        """The NetState of this phase: of this level, if there is one, and with these stages besides."""
        state = self.read.state(self.own)
        if level is not None:
            state.level = level
        state.stage.extend(stages)
        state.phase = PHASES.index(phase)
        return state

    def graph(self, state: Message) -> tuple[Graph, list[str]]:
        """The net in this state, without shapes and weights, and notices."""
        phase, stages = PHASES[state.phase], list(state.stage)
        graph, _, notices = graph_of(self.read, phase, {}, level=state.level, stages=stages, fed=True)
        return graph, notices

    def kernels(self, state: Message) -> list[Any]:
        """What it calls."""
        return kernels_of(self.graph(state)[0], gradients=PHASES[state.phase] == "TRAIN")


@dataclass(frozen=True)
class Given:
    """What Python code gives a solver: a `net` in place of its own, and one with the `weights` that are to be trained;
    what the train net and the test net read in place of their data layers."""

    net: ParsedNet | None = None
    weights: CaffeNet | None = None
    data: Feed | None = None
    test_data: Feed | None = None


def origins(
    solver: ParsedSolver, given: ParsedNet | None = None, *, allow_unknown: bool = False
) -> tuple[NetOrigin, list[NetOrigin]]:
    """The train net, and the test nets in Caffe's order; with a net `given` in place of the solver's. Raises
    InputError."""
    settings = solver.settings

    def file(field: str, name: str) -> ParsedNet:
        notices: list[str] = []
        read = read_net(find_named(solver, field, name, notices), allow_unknown=allow_unknown)
        read.notices[:0] = notices
        return read

    def inline(net: Message) -> ParsedNet:
        return upgraded(net, solver.path)

    own = settings.train_net_param or settings.net_param
    whole_name = ("train_net", settings.train_net) if settings.train_net else ("net", settings.net)
    whole = given or (inline(own) if own is not None else file(*whole_name))
    train = NetOrigin(whole, settings.train_state)
    tests = [NetOrigin(inline(net)) for net in settings.test_net_param] + [
        NetOrigin(file("test_net", name)) for name in settings.test_net
    ]
    tests += [NetOrigin(whole) for _ in range(len(settings.test_iter) - len(tests))]
    for test, state in zip(tests, settings.test_state, strict=False):
        test.own = state
    return train, tests


def find_named(solver: ParsedSolver, field: str, name: str, notices: list[str]) -> Path:
    """The file that a field of the solver names. Raises InputError at the field's line."""
    try:
        return Places(solver.path, notices).find(name)
    except InputError as error:
        raise solver.error(field, f"{field}: {error.found}", hint=error.hint) from None


def required_kernels(solver: ParsedSolver, level: int | None = None, stages: Sequence[str] = ()) -> list[Any]:
    """The kernels that its nets call."""
    train, tests = origins(solver)
    found = train.kernels(train.state("TRAIN", level, stages))
    return list(dict.fromkeys([*found, *(each for test in tests for each in test.kernels(test.state("TEST")))]))


@dataclass
class FedNet:
    """A net and the sources of its data layers, which are asked for batch after batch, those of files ahead; `passes`
    have run. `state` is the NetState that chose its layers, `given` what Python code has given in place of data
    layers. With an `order` a batch is that of one shard; `turn` is the next one in this order, None for a run between
    iterations, which takes batch number `passes`."""

    net: CaffeNet
    state: Message
    sources: Sources
    places: Places
    given: Feed | None = None
    order: ShardOrder | None = None
    passes: int = 0
    turn: int | None = None
    _kept: dict[str, Batch] = field(default_factory=dict)  # first batches, which gave the shapes
    _ahead: dict[str, Ahead] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.net._feed = self.feed
        for layer, (_, source) in self.sources.items():
            if source.takes_long:
                self._ahead[layer] = Ahead(self._in_turns(source), self._kept[layer])

    def _in_turns(self, source: BatchSource) -> BatchSource:
        return TurnSource(source, self.order) if self.order else source

    @property
    def place(self) -> Place:
        """From where it is to go on: the numbers of the next batch and of the last random numbers, the row of a
        MemoryData layer, and what recurrent layers carry over."""
        states = self.net.session.states.values()
        carried = [[b64encode(array.tobytes()).decode() for array in state.end] for state in states]
        draws = self.net.graph.streams.iteration
        return {"passes": self.passes, "draws": draws, "row": self.net._rows.row, "carried": carried}

    def go_to(self, place: Place, seed: int) -> None:
        """Go on from there, with random numbers of another seed perhaps. Raises ValueError, KeyError or TypeError for
        what is not such a place."""
        if seed != self.net.graph.streams.seed:
            self.net.graph.streams.seed = seed
            self.close()
            self.sources = sources_of(self.net.graph, seed, self.places, self.given, shards_of(self.order))
            for layer, ahead in self._ahead.items():
                ahead.source = self._in_turns(self.sources[layer][1])
            self._kept = {}
        passes, draws, row = int(place["passes"]), int(place["draws"]), max(0, int(place["row"]))
        states = self.net.session.states.values()
        for state, texts in zip(states, place["carried"], strict=True):
            arrays = [np.frombuffer(b64decode(text), np.float32) for text in texts]
            state.go_on(arrays, draws)
        self.passes, self.net.graph.streams.iteration, self.net._rows.row = passes, draws, row

    @property
    def rows(self) -> int:
        """Of one batch: of the first data layer, or of the first input."""
        names = [tops[0] for tops, _ in self.sources.values() if tops] or self.net.inputs
        shape = self.net.blobs[names[0]].shape if names else ()
        return shape[0] if shape else 1

    @property
    def has_pictures(self) -> bool:
        """Whether these rows are pictures."""
        names = [tops[0] for tops, _ in self.sources.values() if tops] or self.net.inputs
        return any(len(self.net.blobs[name].shape) == PICTURE_AXES for name in names)

    def forward(self, tell: Tell = ignore) -> tuple[np.float32, Outputs]:
        """One pass on the next batch: the loss, and copies of the outputs by name."""
        self.tell_of_restarts(tell)
        outputs = self.net.forward()
        return self.loss(), outputs

    def iterate(
        self, update: WeightUpdate, tell: Tell = ignore, *, first: bool, last: bool
    ) -> tuple[bool, np.float32, Outputs]:
        """One pass of an iteration on the next batch: whether it was run as one, as of `Session.iterate`, or else only
        forward; the loss, and copies of the outputs."""
        self.tell_of_restarts(tell)
        linked, outputs = self.net._iterate(update, first=first, last=last)
        return linked, self.loss(), outputs

    def tell_of_restarts(self, tell: Tell, batches: int = 1) -> None:
        """Tell of the layers whose records begin again in the next batches."""
        for layer, (_, source) in self.sources.items():
            if not isinstance(source, Pictures) or not source.is_database:
                continue
            if any(source.wraps(self.passes + number) for number in range(batches)):
                tell(Restarted(layer))

    def feed(self) -> None:
        """Give the net its next batch, at the start of each run forward without inputs. Raises UsageError for a
        MemoryData layer without rows."""
        first = self.net.graph.nodes[0]
        if first.type == "MemoryData" and first.name not in self.sources and not self.net._rows:
            hint = "net.set_input_arrays(data, labels) gives them"
            raise UsageError(f"{self.net.path}: {first.name!r} (MemoryData) has no rows: {hint}")
        for layer, (tops, source) in self.sources.items():
            batch = self._kept.pop(layer, None) if self.passes == 0 else None
            for top, array in zip(tops, batch or self._take(layer, source), strict=True):
                blob = self.net.blobs[top]
                if blob.shape != array.shape:
                    blob.reshape(*array.shape)
                blob.data[...] = array
        for ahead in self._ahead.values():
            ahead.go_on()
        self.passes += 1

    def _take(self, layer: str, source: BatchSource) -> Batch:
        if not self.order:
            return self._ahead.get(layer, source).take(self.passes)
        if self.turn is not None and layer in self._ahead:
            return self._ahead[layer].take(self.turn)
        self.close()  # the source is for one thread
        return source.take(self.passes)

    def close(self) -> None:
        """End what reads ahead; `feed` begins again."""
        for ahead in self._ahead.values():
            ahead.close()

    def loss(self) -> np.float32:
        """The weighted sum of the losses of the last pass."""
        session = self.net.session
        parts = self.net.losses.items()
        return np.float32(sum(weight * session.loss(blob).sum(dtype=np.float32) for blob, weight in parts))


def build(
    origin: NetOrigin, phase: str, draws: np.random.Generator, seed: int, threads: int | None,
    *, level: int | None = None, stages: Sequence[str] = (), given: Feed | None = None, order: ShardOrder | None = None,
) -> FedNet:  # fmt: skip
    """A net in `phase` with weights by its fillers, drawn from `draws`; its sources draw by `seed`. With an `order` it
    takes the rows of one shard. Raises InputError where they cannot be cut."""
    state = origin.state(phase, level, stages)
    graph, notices = origin.graph(state)
    graph.streams.seed = seed
    places = Places(graph.path, notices)
    sources = sources_of(graph, seed, places, given, shards_of(order))
    kept = {layer: source.take(0) for layer, (_, source) in sources.items()}
    shapes: dict[str, Shape] = {}
    for layer, (tops, _) in sources.items():
        shapes |= {top: array.shape for top, array in zip(tops, kept[layer], strict=True)}
    if given:
        make_inputs(graph, shapes)
    net = CaffeNet(graph, path=graph.path, notices=notices, threads=threads)
    if order:
        shapes |= shard_shapes(net, order.shards, shapes)
    expected = weight_shapes(graph, infer_shapes(graph, shapes))
    assign_weights(graph, [fill(node, each, draws) for node, each in zip(graph.nodes, expected, strict=True)])
    net.reshape(**shapes)
    return FedNet(net, state, sources, places, given, order, _kept=kept)


def sources_of(graph: Graph, seed: int, places: Places, given: Feed | None = None, shards: int = 1) -> Sources:
    """What the data layers of a graph read, each by the layer's name, or instead what is given; of so many shards, the
    batches of one. Raises InputError."""
    sources = given.sources(graph, seed, places) if given else {}
    fed = {top for tops, _ in sources.values() for top in tops}
    for node in graph.nodes:
        tops = [top.name for top in node.tops]
        if not node.bottoms and fed.isdisjoint(tops) and (source := make_source(node, seed, places, shards)):
            sources[node.name] = tops, source
    return sources
