"""The inputs and outputs of a model: their types, and the shapes that they are given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import InputError, UsageError
from .records import Dimension, OnnxModel, OnnxValue
from .tensors import LONGEST_AXIS, MOST_DIMS, type_word

EXAMPLE_SIZE = 320  # in hints
LARGEST_INPUT = 1 << 31  # of an input
Given = Mapping[str, Sequence[int]] | Sequence[int]


def read_value(value: Any) -> OnnxValue:
    """The name, type and shape that a ValueInfoProto says; a size below 1 is free."""
    kind = value.type
    word = kind.WhichOneof("value")
    if word != "tensor_type":
        return OnnxValue(value.name, None, (word or "no type").removesuffix("_type"))
    tensor = kind.tensor_type
    shape = tuple(map(_dimension, tensor.shape.dim)) if tensor.HasField("shape") else None
    return OnnxValue(value.name, shape, type_word(tensor.elem_type))


def _dimension(dim: Any) -> Dimension:
    return dim.dim_param or (int(dim.dim_value) if dim.dim_value > 0 else None)


def check_types(model: OnnxModel) -> None:
    """Raises InputError for an input or output that is not float32."""
    for what, values in (("input", model.inputs), ("output", model.outputs)):
        for value in values:
            if value.type != "float":
                raise not_float(model.path, what, value)


def not_float(path: str, what: str, value: OnnxValue) -> InputError:
    hint = "convert it first; caffe64 computes in float32"
    return InputError(path, f"{what} {value.name!r} is of type {value.type}", "float32", hint)


def with_shapes(path: str, inputs: Sequence[OnnxValue], given: Given | None) -> dict[str, tuple[Dimension, ...]]:
    """The shape of each input: all but the first dimension as numbers, which is one where it was given.

    Raises InputError for dimensions that neither the file nor `given` says, UsageError where the two differ.
    """
    names = [each.name for each in inputs]
    if given is None:
        given = {}
    elif not isinstance(given, Mapping):
        given = {names[0]: given} if names else {}
    for name in given:
        if name not in names:
            raise UsageError(f"{path}: input_shapes has {name!r}, expected inputs: {', '.join(map(repr, names))}")
    shapes = {each.name: _with_shape(path, each, given.get(each.name)) for each in inputs}
    free = [each for each in inputs if not all(isinstance(n, int) for n in (shapes[each.name] or (None, None))[1:])]
    if free:
        raise _free(path, [(each, shapes[each.name]) for each in free])
    known = {name: shape for name, shape in shapes.items() if shape is not None}
    for name, shape in known.items():
        if len(shape) > MOST_DIMS or any(isinstance(n, int) and n > LONGEST_AXIS for n in shape):
            raise InputError(path, f"input {name!r} has {_text(shape)}", f"at most {MOST_DIMS} axes, of 2^31 each")
        if math.prod(n for n in shape if isinstance(n, int)) > LARGEST_INPUT:
            raise InputError(path, f"input {name!r} has {_text(shape)}, too many numbers", f"at most {LARGEST_INPUT:,}")
    return known


def _with_shape(path: str, value: OnnxValue, given: Sequence[int] | None) -> tuple[Dimension, ...] | None:
    if given is None:
        return value.shape
    shape = tuple(map(int, given))
    told = value.shape if value.shape is not None else (None,) * len(shape)
    fits = len(shape) == len(told) and all(
        not isinstance(old, int) or old == new for old, new in list(zip(told, shape, strict=False))[1:]
    )
    if not fits or any(size < 1 for size in shape):
        raise UsageError(
            f"{path}: input_shapes has {list(shape)} for the input {value.name!r}, which is {_text(told)} in the file"
        )
    return shape


def _free(path: str, values: Sequence[tuple[OnnxValue, tuple[Dimension, ...] | None]]) -> InputError:
    """The error that lists all inputs with free dimensions beside the first."""
    found, options, wanted = [], [], []
    for value, shape in values:
        if shape is None:
            found.append(f"input {value.name!r} has no shape")
            options.append(f"{_word(value.name)}:1x3x{EXAMPLE_SIZE}x{EXAMPLE_SIZE}")
            continue
        found.append(f"input {value.name!r} has free dimensions {_text(shape)}")
        wanted += [_word(n or "those without a name") for n in shape[1:] if not isinstance(n, int)]
        numbers = [n if isinstance(n, int) else EXAMPLE_SIZE if at else 1 for at, n in enumerate(shape)]
        options.append(f"{_word(value.name)}:{'x'.join(map(str, numbers))}")
    expected = f"numbers for {' and '.join(dict.fromkeys(wanted))}" if wanted else "a shape"
    return InputError(path, "; ".join(found), expected, " ".join(f"--input-shape {each}" for each in options))


def _text(shape: Sequence[Dimension]) -> str:
    return f"[{', '.join(map(_word, shape))}]"


def _word(dimension: Dimension) -> str:
    """A number or a name, without control characters."""
    return "?" if dimension is None else repr(dimension).strip("'")
