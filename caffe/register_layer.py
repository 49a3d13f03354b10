"""Layer types of the user's own, made known to nets: the class of a Layer -> an Op, and the reader of its
parameters."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, ref

import numpy as np

from ..engine.graph.frontends.caffe.attributes import register_op
from ..engine.graph.frontends.caffe.fields import Reader
from ..engine.graph.ir.graph import Node, Shape
from ..engine.graph.ir.op import MANY, Arrays, Back, Gradient, Gradients, Layers, Op, Run
from ..errors import UsageError
from ..formats.caffe import layer_fields
from .own_layer import Layer, LayerBlob, WeightBlobs
from .pycaffe_words import TEST, TRAIN

NEEDED = ("setup", "reshape", "forward")
L = TypeVar("L", bound=type)


@dataclass(frozen=True)
class OwnParameters:
    """What the file says of a layer of the user's own."""

    parameters: dict[str, Any] = field(default_factory=dict)
    param_str: str = ""


def register_layer(type: str | tuple[str, str], layer: L) -> L:
    """Let nets have layers of a type that the package does not have. Returns `layer`.

    `type` is the type's name in a .prototxt, or for a layer of the type Python the pair (module, layer) of its
    python_param; that module is not imported. `layer` is a class like `caffe64.Layer`: derived from it, or with its
    methods setup, reshape and forward. Nets that are read from now on run it, time it, draw it, verify it and write it;
    with a method `backward` it has a gradient, with `to_onnx` it is exported. Raises UsageError for a type of the
    package's, and for anything else than such a class.
    """
    name = _type_name(type)
    missing = [each for each in NEEDED if not callable(getattr(layer, each, None))]
    if not inspect.isclass(layer) or missing:
        lacks = f", which lacks {', '.join(missing)}" if inspect.isclass(layer) else ""
        raise UsageError(f"layer is {layer!r}{lacks}: expected a class derived from caffe64.Layer")
    register_op(_op(name, layer), Reader(_read))
    return layer


def _type_name(type: Any) -> str:
    match type:
        case str() if type:
            return type
        case (str() as module, str() as layer) if module and layer:
            return f"{module}.{layer}"
    raise UsageError(f"type is {type!r}: expected the name of a type, or a pair (module, layer) of Python layers")


def _read(node: Node, layer: Any) -> OwnParameters:
    return OwnParameters(layer_fields(layer), layer.python_param.param_str)


def _op(name: str, layer: type) -> Op:
    own = OwnOp(layer)
    return Op(
        name, own.shapes, own.prepare, own.weight_shapes, own.macs, (0, MANY), (0, MANY),
        gradient=Gradient(own.prepare_back) if callable(getattr(layer, "backward", None)) else None,
        onnx=own.to_onnx if getattr(layer, "to_onnx", Layer.to_onnx) is not Layer.to_onnx else None,
        kind=getattr(layer, "kind", ""), initial=own.initial,
    )  # fmt: skip


class Prepared:
    """An object of a Layer's class for one node and shapes of its bottoms, set up."""

    def __init__(self, kind: type, node: Node, bottoms: list[Shape]):
        self._node = ref(node)  # which is the key under which this object is kept
        self.bottoms = [LayerBlob(blob.name, shape) for blob, shape in zip(node.bottoms, bottoms, strict=True)]
        self.tops = [LayerBlob(blob.name) for blob in node.tops]
        self.layer = self.call(kind)
        words = node.attributes or OwnParameters()
        vars(self.layer).update(
            name=node.name, type=node.type, phase=TRAIN if node.phase == "TRAIN" else TEST, blobs=WeightBlobs(),
            parameters=words.parameters, param_str=words.param_str,
        )  # fmt: skip
        self.call(self.layer.setup, self.bottoms, self.tops)
        self.call(self.layer.reshape, self.bottoms, self.tops)

    @property
    def node(self) -> Node:
        node = self._node()
        assert node, "a node lives as long as what runs it"
        return node

    def call(self, function: Any, *arguments: Any) -> Any:
        """Raises node.error for whatever the user's code raises."""
        try:
            return function(*arguments)
        except Exception as error:
            name = getattr(function, "__qualname__", function)
            raise self.node.error(f"{name} raised {type(error).__name__}: {error}") from error

    def bind(self, inputs: Any, outputs: Any) -> None:
        """Let the layer's blobs be these arrays, and the node's weights."""
        for blobs, arrays in ((self.bottoms, inputs), (self.tops, outputs), (self.layer.blobs, self.node.weights)):
            for blob, array in zip(blobs, arrays, strict=True):
                blob.bind(array)


class OwnRun:
    """Runs a layer; `prepared` is for its gradient as well."""

    def __init__(self, prepared: Prepared):
        self.prepared = prepared
        for top in prepared.tops:
            top.fix()

    def __call__(self, inputs: Arrays, outputs: Arrays) -> None:
        self.prepared.bind(inputs, outputs)
        self.prepared.call(self.prepared.layer.forward, self.prepared.bottoms, self.prepared.tops)


class OwnOp:
    """The functions of an Op by objects of the class `kind`. The one that gave a node's shapes is kept for its
    weights, as these ask for the same."""

    def __init__(self, kind: type):
        self._class = kind
        self._kept: WeakKeyDictionary[Node, tuple[list[Shape], Prepared]] = WeakKeyDictionary()

    def shapes(self, node: Node, bottoms: list[Shape]) -> list[Shape]:
        return [top.shape for top in self._prepared(node, bottoms).tops]

    def weight_shapes(self, node: Node, bottoms: list[Shape]) -> list[Shape]:
        return [blob.shape for blob in self._prepared(node, bottoms).layer.blobs]

    def initial(self, node: Node) -> list[np.ndarray]:
        _, prepared = self._kept[node]
        return [blob.data for blob in prepared.layer.blobs]

    def macs(self, node: Node, bottoms: list[Shape], tops: list[Shape]) -> int:
        prepared = self._prepared(node, bottoms)
        count = getattr(prepared.layer, "macs", None)
        return int(prepared.call(count, prepared.bottoms, prepared.tops)) if count else 0

    def prepare(self, node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
        return OwnRun(Prepared(self._class, node, bottoms))

    def prepare_back(self, node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
        assert isinstance(run, OwnRun)
        prepared = run.prepared

        def back(
            inputs: Arrays,
            outputs: Arrays,
            output_gradients: Arrays,
            input_gradients: Gradients,
            weight_gradients: Gradients,
        ) -> None:
            prepared.bind(inputs, outputs)
            for blob, array, gradient in zip(prepared.tops, outputs, output_gradients, strict=True):
                blob.bind(array, gradient)
            for blob, array, wanted in zip(prepared.bottoms, inputs, input_gradients, strict=True):
                blob.bind(array, wanted)
                blob.diff.fill(0)
            passed_on = [wanted is not None for wanted in input_gradients]
            prepared.call(prepared.layer.backward, prepared.tops, passed_on, prepared.bottoms)
            for blob, wanted in zip(prepared.layer.blobs, weight_gradients, strict=True):
                if wanted is not None:
                    wanted += blob.diff

        return back

    def to_onnx(self, builder: Any, layer: Any) -> None:
        prepared = self._prepared(layer.node, layer.bottoms)
        prepared.call(prepared.layer.to_onnx, builder, layer)

    def _prepared(self, node: Node, bottoms: list[Shape]) -> Prepared:
        kept = self._kept.get(node)
        if kept is None or kept[0] != bottoms:
            kept = list(bottoms), Prepared(self._class, node, bottoms)
            self._kept[node] = kept
        return kept[1]
