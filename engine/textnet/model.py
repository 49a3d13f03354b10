"""A net with its parameters: initial values, prediction, evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ...arguments import function
from ...conversion import ArrayLike
from ...errors import UsageError
from ...formats.network import NetSpec, format_network, parse_network
from ..parameters.owner import Parameters
from ..parameters.streams import generator
from ..team.memory import aligned_zeros
from .evaluate import check_top, evaluate_outputs
from .evaluation import Evaluation
from .layout import plan_net
from .one_hot import Data, OneHot, plan_data, plan_inputs
from .predict import predict

if TYPE_CHECKING:
    from .records import Progress


class Model:
    """`plan` says how the net is laid out; `parameters` is its one float32 vector, None until there are some, and
    `owner` what holds it.

    `progress` is the state of the training that made these parameters; assigning others makes it None. A pickle or a
    copy holds the net's text and its weights: a training of it begins anew.
    """

    def __init__(self, spec: NetSpec):
        self.plan = plan_net(spec)
        self.parameters = None

    @property
    def parameters(self) -> np.ndarray | None:
        """float32 [plan.parameter_total], in the order in which the kernels read it; `pack` gives that of files."""
        return self.owner and self.owner.vector

    @parameters.setter
    def parameters(self, vector: np.ndarray | None) -> None:
        if vector is not None:
            size = self.plan.parameter_total
            right = isinstance(vector, np.ndarray) and vector.dtype == np.float32 and vector.shape == (size,)
            if not right or not vector.flags.c_contiguous or not vector.flags.writeable:
                raise UsageError(f"parameters are not a float32 array [{size}] such as unpack(weights) gives")
        self.owner = None if vector is None else Parameters(self.plan.parameters, vector)
        self.progress: Progress | None = None

    def __getstate__(self) -> dict[str, Any]:
        weights = None if self.parameters is None else self.pack(self.parameters)
        rest = {name: value for name, value in vars(self).items() if name not in ("owner", "progress")}
        return rest | {"plan": format_network(self.plan.spec), "weights": weights}

    def __setstate__(self, state: dict[str, Any]) -> None:
        weights = state.pop("weights")
        vars(self).update(state | {"plan": plan_net(parse_network(state["plan"]))})
        self.parameters = None if weights is None else self.unpack(weights)

    @property
    def parameter_count(self) -> int:
        """Number of weights and biases."""
        return sum(info.parameters for info in self.plan.infos)

    def initialise(self, seed: int = 0) -> None:
        """Draw all parameters as the lines of their layers say.

        `seed` is a whole number from 0 to 2**64 - 1. Raises UsageError for another.
        """
        source = generator(seed, 0)
        blobs = []
        for layer, line, info in zip(self.plan.layers, self.plan.spec.layers, self.plan.infos, strict=True):
            if info.parameters:
                drawn = source.standard_normal(info.parameters, np.float32)
                blobs.append(layer.initial(drawn, info.inputs, line.numbers))
        self.parameters = self.unpack(np.concatenate([np.empty(0, np.float32), *blobs]))

    def pack(self, vector: np.ndarray) -> np.ndarray:
        """A vector laid out like `parameters`, in the order of the weights file: float32 [parameter_count]."""
        return np.concatenate(self._blobs(vector))

    def unpack(self, packed: np.ndarray) -> np.ndarray:
        """The inverse of `pack`. Raises UsageError for another length."""
        packed = np.asarray(packed)
        if packed.size != self.parameter_count:
            raise UsageError(f"{packed.size} parameters, but the net has {self.parameter_count}")
        vector, used = aligned_zeros(self.plan.parameter_total), 0
        for part, layer, info in zip(self.plan.parameters, self.plan.layers, self.plan.infos, strict=True):
            blob = np.asarray(packed[used : used + info.parameters], np.float32)
            part.of(vector)[:] = layer.store(blob, info.inputs, info.outputs) if info.parameters else blob
            used += info.parameters
        return vector

    @overload
    def layer_parameters(self) -> list[np.ndarray]: ...
    @overload
    def layer_parameters(self, index: int) -> np.ndarray: ...
    def layer_parameters(self, index: int | None = None) -> list[np.ndarray] | np.ndarray:
        """Each layer's parameters in the order of the weights file, float32 [P], empty for layers without; or those of
        one layer."""
        vector = self._trained()
        return self._blobs(vector) if index is None else self._blob(vector, index)

    def _blobs(self, vector: np.ndarray) -> list[np.ndarray]:
        return [self._blob(vector, index) for index in range(len(self.plan.layers))]

    def _blob(self, vector: np.ndarray, index: int) -> np.ndarray:
        part, layer, info = self.plan.parameters[index], self.plan.layers[index], self.plan.infos[index]
        return layer.natural(part.of(vector), info.inputs, info.outputs) if info.parameters else part.of(vector)

    def predict(
        self, X: ArrayLike | OneHot, *, threads: int | None = None, watch: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """Outputs float32 [N, K] for X [N, F], an array or a `OneHot`: posteriors after sce, else the last values.

        X is not searched for values that are not finite: a row with nan gives nan, and the other rows what they give
        without it. `watch(rows)` is called about twenty times per second. Raises UsageError for an X of another width.
        """
        plan, inputs = plan_inputs(self.plan, X, finite=False)
        watch = function("watch", watch)
        return predict(plan, self._trained(), inputs, threads=threads, watch=watch)[0]

    def evaluate(
        self, X: ArrayLike | OneHot, Y: ArrayLike, *, top: int | None = None, threads: int | None = None
    ) -> Evaluation:
        """The scores of X [N, F] against Y [N] or [N, T]: loss, and accuracy, confusion and rates of classes or labels,
        or errors of real targets.

        `top` is the k of the share of rows whose class is among the k largest outputs; None: 5, if there are more
        classes. Raises UsageError for shapes that do not fit and for a `top` without so many classes, LabelError for a
        wrong class, NotFinite for nan or inf.
        """
        return self.score(self.checked(X, Y), top=top, threads=threads)

    def checked(self, X: ArrayLike | OneHot, Y: ArrayLike, names: tuple[str, str] = ("X", "Y")) -> Data:
        """X and Y as `score` takes them, checked as `evaluate` does, under these names in messages."""
        data = plan_data(self.plan, X, Y, names)
        if not len(data.inputs):
            raise UsageError(f"{names[0]} has 0 rows and {names[1]} has 0, expected at least one")
        return data

    def score(self, data: Data, *, top: int | None = None, threads: int | None = None) -> Evaluation:
        """`evaluate` of data that is checked already: for an evaluation after each epoch."""
        check_top(data.plan, top)
        outputs, losses = predict(data.plan, self._trained(), data.inputs, data.targets, threads=threads)
        return evaluate_outputs(data.plan, outputs, losses, data.targets, top)

    def _trained(self) -> np.ndarray:
        if self.parameters is None:
            raise UsageError("the net has no weights yet: fit, load or initialise it first")
        return self.parameters
