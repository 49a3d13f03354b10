"""`Net`: a net under the names of OpenCV's `cv2.dnn.Net`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ..arguments import finite_number, flag, names, sizes, whole_number
from ..conversion import ArrayLike, as_numbers
from ..engine.graph.ir.graph import Blob, Graph, Shape
from ..errors import UsageError
from .blobs import Scalar, scalar
from .calls import forward_arguments, prepare
from .constants import LAST_BACKEND, LAST_TARGET, NET_HINTS, ON_CPU
from .cost import LayerShapes, bytes_of, operations, shapes_by_layer
from .layers import DnnLayer, layers_of, unconnected
from .running import Part

MOST_PARTS = 4  # that are kept ready, each with memory of its own
TICKS = 1e9  # per second, as of cv2.getTickFrequency()

Shapes = Sequence[int] | Sequence[Sequence[int]] | np.ndarray


class DnnNet:
    """A net that runs on the CPU. `readNetFromCaffe` and its kin make one; `Net()` is empty.

    Layers are called by their names in the file, or by the blobs that they give, or by number: 0 stands for the inputs.
    Results are copies. Raises errors of `caffe64.errors`: UsageError for a wrong call, InputError for shapes and
    weights that do not fit.
    """

    def __init__(self, graph: Graph | None = None):
        self._graph = Graph([]) if graph is None else graph
        self._layers = layers_of(self._graph)
        self._inputs: dict[str, Blob] = {blob.name: blob for blob in self._graph.inputs}
        self._given: dict[Blob, np.ndarray] = {}
        self._fuse, self._exact = True, False
        self._forget()

    def _forget(self) -> None:
        """What was prepared for other shapes, or for a run of another kind."""
        self._parts: dict[tuple[Blob, ...], Part] = {}
        self._latest: Part | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_parts", "_latest")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    # ------------------------------------------------------------------------------------------------------- running
    def setInput(self, blob: ArrayLike, name: str = "", scalefactor: float = 1.0, mean: Scalar = None) -> None:
        """The values of the input `name`, or of the first one: (blob - mean) * scalefactor, `mean` with a number for
        each of up to four channels. They stay until others are set; of another shape, the net is shaped anew.

        Raises UsageError for a name that is not an input, and anything but numbers.
        """
        values = np.array(as_numbers(blob, "blob"), np.float32)
        self._require()
        target = self._input(name)
        factor, means = finite_number("scalefactor", scalefactor), scalar("mean", mean)
        if factor != 1 or any(means):
            prepare(values, factor, means)
        before = self._given.get(target)
        if before is None or before.shape != values.shape:
            self._forget()
        self._given[target] = values

    @overload
    def forward(self, outputName: str | None = None) -> np.ndarray: ...
    @overload
    def forward(self, outBlobNames: Sequence[str], outputBlobs: Any = None) -> tuple[np.ndarray, ...]: ...
    def forward(self, *arguments: Any, **named: Any) -> np.ndarray | tuple[np.ndarray, ...]:
        """Run the net on its inputs, as far as it is needed.

        forward()                  the first output of the last layer, float32
        forward(outputName)        that of the layer of this name
        forward(outBlobNames)      a tuple of those of several layers

        A layer whose result another one overwrites in the file gives its own result. DetectionOutput gives
        [1, 1, keep_top_k * N, 7] as in OpenCV: of each image the highest scores first, and after the last detection
        zeros. Raises UsageError for an unknown layer, and without values for an input that is needed; InputError where
        shapes or weights do not fit.
        """
        wanted, outputs = forward_arguments(arguments, named)
        self._require()
        if outputs:
            return self._run((self._layer(wanted[0]) if wanted[0] else self._layers[-1])._tops)
        if isinstance(wanted, str):
            return self._run(self._first_top(wanted))[0]
        return self._run([top for name in wanted for top in self._first_top(name)])

    def forwardAndRetrieve(self, outBlobNames: Sequence[str]) -> tuple[tuple[np.ndarray, ...], ...]:
        """For each layer, all its outputs."""
        self._require()
        layers = [self._layer(name) for name in names("outBlobNames", outBlobNames, "names of layers")]
        found = iter(self._run([top for layer in layers for top in layer._tops]))
        return tuple(tuple(next(found) for _ in layer._tops) for layer in layers)

    def getPerfProfile(self) -> tuple[int, np.ndarray]:
        """Of the last run, in nanoseconds, the ticks of cv2.getTickFrequency(): of all, and float64 of each layer from
        number 1 on; 0 for one that ran inside another or did not run."""
        seconds = self._latest.seconds if self._latest else {}
        timings = [TICKS * seconds.get(layer._node, 0.0) if layer._node else 0.0 for layer in self._layers[1:]]
        return round(sum(timings)), np.array(timings if self._latest else (), np.float64)

    def _run(self, wanted: Sequence[Blob]) -> tuple[np.ndarray, ...]:
        key = tuple(wanted)
        part = self._parts.pop(key, None)
        if part is None:
            part = Part(self._graph, wanted, self._known_inputs(wanted), fuse=self._fuse, exact=self._exact)
        self._parts[key] = self._latest = part
        while len(self._parts) > MOST_PARTS:
            del self._parts[next(iter(self._parts))]
        return part.run(self._given)

    def _known_inputs(self, wanted: Sequence[Blob]) -> dict[Blob, Shape]:
        needed = Part.inputs_of(self._graph, wanted)
        if missing := [name for name, blob in self._inputs.items() if blob in needed and blob not in self._given]:
            raise UsageError(f"the input {missing[0]!r} has no values: setInput(blob, {missing[0]!r}) gives it some")
        return {blob: array.shape for blob, array in self._given.items()}

    # --------------------------------------------------------------------------------------------------------- layers
    def empty(self) -> bool:
        """Whether there are no layers."""
        return len(self._layers) <= 1

    def getLayerNames(self) -> tuple[str, ...]:
        """The names of all layers from number 1 on."""
        return tuple(layer.name for layer in self._layers[1:])

    def getLayerId(self, layer: str) -> int:
        """The number of a layer, -1 where there is none of this name."""
        return next((number for number, each in enumerate(self._layers) if each.name == layer), -1)

    def getLayer(self, layerId: int | str) -> DnnLayer:
        """The layer of this number or name. Raises UsageError."""
        return self._layer(layerId)

    def getLayerTypes(self) -> tuple[str, ...]:
        """The types of the layers, each once, sorted."""
        return tuple(sorted({layer.type for layer in self._layers}))

    def getLayersCount(self, layerType: str) -> int:
        """The number of layers of a type."""
        return sum(layer.type == layerType for layer in self._layers)

    def getUnconnectedOutLayers(self) -> np.ndarray:
        """The numbers, int32, of the layers that no other reads."""
        return np.array(unconnected(self._graph, self._layers), np.int32)

    def getUnconnectedOutLayersNames(self) -> tuple[str, ...]:
        """The names of the layers that no other reads."""
        return tuple(self._layers[number].name for number in unconnected(self._graph, self._layers))

    def getParam(self, layer: int | str, numParam: int = 0) -> np.ndarray:
        """A copy of blob `numParam` of a layer, float32 in Caffe's shape. Raises UsageError where there is none."""
        found = self._layer(layer)
        return found.blobs[self._blob_number(found, numParam)]

    def setParam(self, layer: int | str, numParam: int, blob: ArrayLike) -> None:
        """Write blob `numParam` of a layer, an array of as many values. Raises UsageError."""
        found = self._layer(layer)
        number = whole_number("numParam", numParam, 0)
        found._write(number, np.array(as_numbers(blob, "blob"), np.float32))

    # ------------------------------------------------------------------------------------------------ shapes and costs
    def getLayersShapes(self, netInputShapes: Shapes) -> LayerShapes:
        """For inputs of these shapes, one list of sizes or one per input: the numbers of all layers, int32, and tuples
        of the shapes of their inputs and of their outputs, int32. Raises InputError where a layer does not fit."""
        return shapes_by_layer(self._graph, self._layers, self._shapes(netInputShapes))

    def getFLOPS(self, *arguments: Any) -> int:
        """getFLOPS(shapes) or getFLOPS(layerId, shapes): the operations of the net or of a layer for inputs of these
        shapes, as OpenCV counts them: two for a multiplication with addition."""
        layers, shapes = self._layers_and_shapes(arguments)
        return operations(self._graph, layers, shapes)

    def getMemoryConsumption(self, *arguments: Any) -> tuple[int, int]:
        """getMemoryConsumption(shapes) or getMemoryConsumption(layerId, shapes): bytes of the weights, and of all
        outputs, each in memory of its own. Runs share memory and take less."""
        layers, shapes = self._layers_and_shapes(arguments)
        return bytes_of(self._graph, layers, shapes)

    # --------------------------------------------------------------------------------------------------------- settings
    def setInputsNames(self, inputBlobNames: Sequence[str]) -> None:
        """Other names for the inputs, in their order."""
        given = names("inputBlobNames", inputBlobNames, "names of inputs")
        if len(given) != len(self._inputs) or len(set(given)) != len(given):
            raise UsageError(f"inputBlobNames is {list(given)}, expected {len(self._inputs)} different names")
        self._inputs = dict(zip(given, self._inputs.values(), strict=True))

    def setInputShape(self, inputName: str, shape: Sequence[int]) -> None:
        """Checked, and else nothing: an input takes the shape of its values."""
        self._input(inputName)
        sizes("shape", shape, 1)

    def setPreferableBackend(self, backendId: int) -> None:
        """Nothing: there is one backend. Raises UsageError for a number that is none of OpenCV's."""
        whole_number("backendId", backendId, 0, LAST_BACKEND)

    def setPreferableTarget(self, targetId: int) -> None:
        """Nothing, and for another target than the CPU a warning. Raises UsageError for a number that is none of
        OpenCV's."""
        if whole_number("targetId", targetId, 0, LAST_TARGET) not in ON_CPU:
            warnings.warn(f"caffe64 runs nets on the CPU: target {targetId} is not used", stacklevel=2)

    def enableFusion(self, fusion: bool) -> None:
        """Whether layers may run inside others, as they do at first."""
        self._fuse = flag("fusion", fusion)
        self._forget()

    def enableWinograd(self, useWinograd: bool) -> None:
        """Whether convolutions may use Winograd's algorithm, as they do at first: faster, and some digits less."""
        self._exact = not flag("useWinograd", useWinograd)
        self._forget()

    # ---------------------------------------------------------------------------------------------------------- helpers
    def _require(self) -> None:
        if self.empty():
            raise UsageError("the net is empty: readNetFromCaffe reads one")

    def _input(self, name: str) -> Blob:
        if name == "" and self._inputs:
            return next(iter(self._inputs.values()))
        if name not in self._inputs:
            raise UsageError(f"there is no input {name!r}, expected one of {list(self._inputs)}")
        return self._inputs[name]

    def _layer(self, which: int | str) -> DnnLayer:
        """By number or name, here or in the file; else the layer that gives the blob of this name last."""
        if not isinstance(which, str):
            return self._layers[whole_number("the number of a layer", which, 0, len(self._layers) - 1)]
        of_name = [layer for layer in self._layers if layer.name == which]
        of_name += [layer for layer in self._layers if layer._node and layer._node.name == which]
        of_name += [layer for layer in self._layers[:0:-1] if which in (top.name for top in layer._tops)]
        if not of_name:
            raise UsageError(f"there is no layer {which!r}: getLayerNames() gives their names")
        return of_name[0]

    def _first_top(self, name: str) -> Sequence[Blob]:
        layer = self._layer(name) if name else self._layers[-1]
        if layer is self._layers[0] or not layer._tops:
            raise UsageError(f"the layer {layer.name!r} has no output")
        of_name = [top for top in layer._tops if top.name == name]
        return (of_name if name != layer.name and of_name else layer._tops)[:1]

    def _blob_number(self, layer: DnnLayer, number: int) -> int:
        have = len(layer.blobs)
        if not have:
            raise UsageError(f"the layer {layer.name!r} ({layer.type}) has no weights")
        return whole_number("numParam", number, 0, have - 1)

    def _layers_and_shapes(self, arguments: Sequence[Any]) -> tuple[Sequence[DnnLayer], Mapping[str, Shape]]:
        if len(arguments) not in (1, 2):
            raise UsageError(f"{len(arguments)} arguments, expected shapes, or the number of a layer and shapes")
        layers = self._layers if len(arguments) == 1 else [self._layer(arguments[0])]
        return layers, self._shapes(arguments[-1])

    def _shapes(self, given: Shapes) -> dict[str, Shape]:
        """Shapes of the inputs by the graph's names."""
        many = isinstance(given, list | tuple | np.ndarray) and np.ndim(given[0] if len(given) else 0) > 0
        shapes = [sizes("a shape", shape, 1) for shape in (given if many else [given])]
        if len(shapes) != len(self._inputs):
            raise UsageError(f"{len(shapes)} shapes, expected {len(self._inputs)} for the inputs {list(self._inputs)}")
        return {blob.name: shape for blob, shape in zip(self._inputs.values(), shapes, strict=True)}

    if not TYPE_CHECKING:

        def __getattr__(self, name: str):
            what = f" as cv2.dnn.Net has: {NET_HINTS[name]}" if name in NET_HINTS else ""
            raise AttributeError(f"'Net' has no attribute {name!r}{what}")

    def __repr__(self) -> str:
        return f"Net({self._graph.path!r}, {len(self._layers) - 1} layers, inputs {list(self._inputs)})"
