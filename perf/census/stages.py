"""How far one net gets: it is parsed, its blobs get shapes, it runs with random weights, it is exported."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...caffe.export import export_onnx
from ...caffe.load import load_caffe
from ...caffe.reading import read_graph
from ...engine.graph.analysis.shapes import infer_shapes, known_shapes
from ...engine.graph.ir.graph import Graph, Node, Shape
from ...engine.graph.ops.inputs import DATA_LAYERS
from ...engine.graph.verification.verify import random_inputs
from ...errors import InputError
from ...wording import reads_labels
from ..suites.caffe_nets import give_weights
from .reasons import NOT_FINITE, Ended, reasons_of, unknown_types

STAGES = ("parse", "shape", "run", "export")  # in the order in which a net gets through them
NO_DATA = {"Input", "Parameter"}  # of the types without bottoms
Shapes = Mapping[str, Shape]


@dataclass(frozen=True)
class Way:
    """How a net is read: with --deploy or not, and the shapes that are given, by name. `guessed`: blobs of which the
    file does not say the shape, and which have one of those that were given for such."""

    deploy: bool = False
    shapes: Shapes = dataclasses.field(default_factory=dict)
    guessed: tuple[str, ...] = ()


def get_through(path: Path, guesses: Shapes) -> Iterator[tuple[str, Way]]:
    """Each stage that the net has got through, and how it was read. Raises Ended where it gets no further."""
    reading = Way()
    try:
        graph = _parsed(path)
        yield "parse", reading
        reading = _fitting(path, graph, readings(graph, guesses))
        yield "shape", reading
        net = load_caffe(path, deploy=reading.deploy, input_shapes=reading.shapes)
        give_weights(net)
        found = net.forward(**random_inputs(net.graph, net.shapes, 0, {}))
        if not all(np.isfinite(values).all() for values in found.values()):
            raise Ended([NOT_FINITE])
        yield "run", reading
        with tempfile.TemporaryDirectory(prefix="caffe64-perf-") as folder:
            export_onnx(net, Path(folder, "net.onnx"))
        yield "export", reading
    except Exception as error:
        raise Ended(reasons_of(error, str(path))) from error


def _parsed(path: Path) -> Graph:
    """The net of the TEST phase, or where that has no data the one of the TRAIN phase. Raises InputError."""
    try:
        return read_graph(path, "TEST", {})[0]
    except InputError as error:
        try:
            return read_graph(path, "TRAIN", {})[0]
        except InputError:
            raise error from None


def readings(graph: Graph, guesses: Shapes) -> list[Way]:
    """The ways to read a net, the best first. One with data or loss layers is read as --deploy does: one picture at a
    time, or as many as its file says if its layers depend on that; or else as it is."""
    sources = dataclasses.replace(graph, nodes=[node for node in graph.nodes if not node.bottoms])
    known = {blob.name: shape for blob, shape in known_shapes(sources).items() if all(shape)}
    unknown = [top.name for node in sources.nodes for top in node.tops if top.name not in known]
    given = {name: guesses[name] for name in unknown if name in guesses}
    if unknown and unknown[0] not in given and "" in guesses:
        given[unknown[0]] = guesses[""]
    plain = Way(False, given, tuple(given))
    if not any(_is_for_training(node) for node in graph.nodes):
        return [plain]
    data = [node.tops[0].name for node in sources.nodes if node.type in DATA_LAYERS]
    single = {name: (1, *known[name][1:]) for name in data if name in known}
    return [Way(True, {**single, **given}, tuple(given)), Way(True, given, tuple(given)), plain]


def _is_for_training(node: Node) -> bool:
    return reads_labels(node.type) or not (node.bottoms or node.type in NO_DATA)


def _fitting(path: Path, graph: Graph, ways: list[Way]) -> Way:
    """The first of these readings whose blobs have shapes. Raises Ended, for the reasons of the first one, and for the
    types that there are not, if none has."""
    ended: Ended | None = None
    for way in ways:
        nodes = [node for node in graph.nodes if not (way.deploy and _is_for_training(node))]
        try:
            read, _, _ = read_graph(path, "TEST", way.shapes, deploy=way.deploy)
            nodes, inputs = read.nodes, {blob.name for blob in read.inputs}
            kept = {name: shape for name, shape in way.shapes.items() if name in inputs}  # --deploy leaves labels out
            infer_shapes(read, kept)
        except InputError as error:
            ended = ended or Ended([*unknown_types(nodes), *reasons_of(error, str(path))])
        else:
            return Way(way.deploy, kept, tuple(name for name in way.guessed if name in inputs))
    assert ended is not None, "at least one way"
    raise ended
