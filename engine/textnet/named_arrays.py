"""The parameters of a net's layers as arrays by name and shape: `net.layers[1].W`.

Kernels read parameters in an order of their own, so that an array is always a copy, in the order of the weights file;
assigning one writes it into the net's vector.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...conversion import ArrayLike, as_numbers
from ...errors import UsageError
from ..team.memory import aligned_zeros
from .layout import LayerInfo, NetLayout

if TYPE_CHECKING:
    from .model import Model

Shape = tuple[int, ...]


def array_shapes(plan: NetLayout, index: int) -> Mapping[str, Shape]:
    """Names and shapes of the arrays of one layer, in the order of the weights file. A layer that names none has one,
    `p` [P]. Raises UsageError for a layer of the user's own whose shapes do not make up its parameters."""
    layer, info = plan.layers[index], plan.infos[index]
    if not info.parameters:
        return {}
    shapes = dict(layer.shapes(info.inputs, info.outputs)) or {"p": (info.parameters,)}
    if sum(map(math.prod, shapes.values())) != info.parameters:
        raise UsageError(f"the layer {info.text!r} has {info.parameters} parameters, but its shapes are {shapes}")
    if taken := shapes.keys() & LayerInfo.__dataclass_fields__.keys():
        raise UsageError(f"the layer {info.text!r} calls an array {min(taken)!r}, which has a meaning already")
    return shapes


def tensor_shapes(plan: NetLayout) -> list[dict[str, Shape]]:
    """For each layer the names of its arrays in a .safetensors file, `layers.1.W` for `net.layers[1].W`, and shapes."""
    return [
        {f"layers.{index}.{name}": shape for name, shape in array_shapes(plan, index).items()}
        for index in range(len(plan.layers))
    ]


def split(parameters: np.ndarray, shapes: Mapping[str, Shape]) -> dict[str, np.ndarray]:
    """The parameters of a layer, in the order of the weights file, as arrays of these shapes: views."""
    arrays, used = {}, 0
    for name, shape in shapes.items():
        arrays[name] = parameters[used : used + math.prod(shape)].reshape(shape)
        used += math.prod(shape)
    return arrays


def layer_arrays(model: Model) -> list[dict[str, np.ndarray]]:
    """The arrays of each layer, float32, all finite. Raises UsageError without weights, and for some that are not."""
    found = []
    for index, blob in enumerate(model.layer_parameters()):
        arrays = split(np.ravel(blob), array_shapes(model.plan, index))
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise UsageError(f"layers[{index}].{name} is not finite (did the training diverge?)")
        found.append(arrays)
    return found


class NetLayer(LayerInfo):
    """One line of a net, what `LayerInfo` says of it, and its parameters as arrays by name: `W` [F, K] and `b` [K] of
    lin (y = x @ W + b); `p` [P] of a layer that names none.

    An array is a copy, float32, read-only. Assigning one, `net.layers[1].W = array`, changes the net, whose next
    training begins anew. Raises UsageError where the net has no weights yet, and for an array of another shape or
    with values that are not finite.
    """

    def __init__(self, model: Model, index: int):
        super().__init__(**vars(model.plan.infos[index]))
        vars(self).update(_model=model, _index=index)

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_"):
            raise AttributeError(name)
        index, shapes = self._index, self._shapes(name)
        array: np.ndarray = split(np.ravel(self._model.layer_parameters(index)), shapes)[name].copy()
        array.flags.writeable = False
        return array

    def __setattr__(self, name: str, value: ArrayLike) -> None:
        index, shapes, model = self._index, self._shapes(name), self._model
        place = f"layers[{index}].{name}"
        given = as_numbers(value, place)
        if given.shape != shapes[name]:
            raise UsageError(f"{place} has the shape {list(shapes[name])}, not {list(given.shape)}")
        with np.errstate(over="ignore"):
            array = given.astype(np.float32)
        if not np.isfinite(array).all():
            raise UsageError(f"{place}: {int((~np.isfinite(array)).sum())} of the values are not finite in float32")
        parameters = np.ravel(model.layer_parameters(index)).copy()
        split(parameters, shapes)[name][...] = array
        vector = aligned_zeros(model.plan.parameter_total)
        vector[:] = model.parameters
        stored = model.plan.layers[index].store(parameters, self.inputs, self.outputs)
        model.plan.parameters[index].of(vector)[:] = stored
        model.parameters = vector

    def _shapes(self, name: str) -> Mapping[str, Shape]:
        """The shapes of all arrays, of which `name` is one. Raises AttributeError."""
        shapes = array_shapes(self._model.plan, self._index)
        if name not in shapes:
            has = f"its arrays are {', '.join(shapes)}" if shapes else "it has no parameters"
            raise AttributeError(f"layer {self._index}, {self.text!r}, has no {name!r} to read or assign: {has}")
        return shapes

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *array_shapes(self._model.plan, self._index)})

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return NetLayer, (self._model, self._index)


def net_layers(model: Model) -> tuple[NetLayer, ...]:
    """One for each line of the net."""
    return tuple(NetLayer(model, index) for index in range(len(model.plan.layers)))
