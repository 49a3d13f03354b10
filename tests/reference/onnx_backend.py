"""Cases of onnx.backend.test as models and arrays: the package's own data, expected outputs included."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test import loader

BOTH_FREE = frozenset(
    ("Add", "Concat", "Div", "Max", "Mean", "Min", "Mul", "Sub", "Sum")
)  # operators that combine values
RTOL, ATOL = 1e-3, 1e-7  # those of onnx.backend.test


@dataclass
class Case:
    """A model and, per data set, its inputs and expected outputs by name."""

    name: str
    model: onnx.ModelProto
    sets: list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]

    def bound(self, keep: int) -> onnx.ModelProto:
        """The model with all inputs but the first `keep` as initialisers, of the first data set."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        inputs = self.sets[0][0]
        own = {each.name for each in model.graph.initializer}
        free = [each for each in model.graph.input if each.name not in own]
        del model.graph.input[:]
        for number, each in enumerate(free):
            if number < keep:
                model.graph.input.append(each)
            elif each.name in inputs:
                model.graph.initializer.append(numpy_helper.from_array(inputs[each.name], each.name))
        return model

    def variants(self) -> Iterator[onnx.ModelProto]:
        """With one free input; for operators that combine values, with all free as well."""
        own = {each.name for each in self.model.graph.initializer}
        inputs = [each.name for each in self.model.graph.input if each.name not in own]
        yield self.bound(1)
        if len(inputs) > 1 and {node.op_type for node in self.model.graph.node} & BOTH_FREE:
            yield self.bound(len(inputs))


def cases(kind: str) -> Iterator[Case]:
    """The cases of a kind whose data are arrays."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of onnx, which computes the data of its node cases
        found = loader.load_model_tests(kind=kind)
    for each in found:
        model, sets = each.model, each.data_sets
        if each.model_dir:
            folder = Path(each.model_dir)
            model = onnx.load(folder / "model.onnx", load_external_data=False)
            sets = [
                [_arrays(data, what) for what in ("input", "output")] for data in sorted(folder.glob("test_data_*"))
            ]
        own = {tensor.name for tensor in model.graph.initializer}
        inputs = [value.name for value in model.graph.input if value.name not in own]
        outputs = [value.name for value in model.graph.output]
        if all(isinstance(array, np.ndarray | np.generic) for data in sets for arrays in data for array in arrays):
            pairs = [
                (dict(zip(inputs, ins, strict=False)), dict(zip(outputs, outs, strict=False))) for ins, outs in sets
            ]
            yield Case(each.name.removeprefix("test_"), model, pairs)


def _named(names: list[str], arrays: list) -> dict[str, np.ndarray]:
    return {name: np.asarray(array) for name, array in zip(names, arrays, strict=False)}


def _arrays(folder: Path, kind: str) -> list[np.ndarray]:
    return [
        numpy_helper.to_array(onnx.TensorProto.FromString((folder / f"{kind}_{number}.pb").read_bytes()))
        for number in range(len(list(folder.glob(f"{kind}_*.pb"))))
    ]
