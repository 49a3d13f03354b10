"""What happens in a training, in the order in which it happens: what logs, bars and callbacks are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..net import CaffeNet, Outputs


@dataclass(frozen=True)
class NetOutput:
    """One output of a net: its values, float32 in one row, and its weight in the loss, 0 if it is not part of it."""

    name: str
    values: np.ndarray
    weight: float = 0.0


def listed(net: CaffeNet, outputs: Outputs) -> list[NetOutput]:
    """The outputs of a net by name, as Caffe lists them."""
    weights = {blob.name: float(weight) for blob, weight in net.losses.items()}
    return [NetOutput(name, outputs[name].reshape(-1), weights.get(name, 0.0)) for name in sorted(outputs)]


@dataclass
class Step:
    """What one iteration gave. `loss` is the mean of its passes, `smoothed` that of the last average_loss iterations,
    `outputs` are those of its last pass, `rate` is the learning rate, `norm` the gradients' where they were clipped to
    `limit`, `rises` whether multistep went on to its next value, the `current` one."""

    iteration: int
    loss: np.float32
    smoothed: np.float32
    outputs: Outputs
    rate: np.float32
    norm: float | None = None
    limit: float = 0.0
    rises: bool = False
    current: int = 0


@dataclass(frozen=True)
class WeightsLoaded:
    """The train net, or the test net of this number, has the weights of a file; `ignored` are the layers of the file
    that it does not have."""

    path: str
    ignored: list[str]
    test: int | None = None


@dataclass(frozen=True)
class Resumed:
    """The training goes on from this state."""

    path: str


@dataclass(frozen=True)
class Begun:
    """Iterations follow."""

    iteration: int


@dataclass(frozen=True)
class Testing:
    """A test net is about to run; `ignored` are layers of the train net that it does not have."""

    iteration: int
    number: int
    ignored: list[str]


@dataclass(frozen=True)
class Passed:
    """Pass `number` of the `count` passes of a test, with its outputs."""

    number: int
    count: int
    outputs: list[NetOutput]


@dataclass(frozen=True)
class Tested:
    """The means of a test net's passes."""

    iteration: int
    number: int
    loss: np.float32
    outputs: list[NetOutput]


@dataclass(frozen=True)
class TestStopped:
    """A test was left before its end."""

    iteration: int
    number: int


@dataclass(frozen=True)
class Stepped:
    """An iteration is done. `displayed`: by the solver's `display` it is shown."""

    step: Step
    displayed: bool
    outputs: list[NetOutput] = field(default_factory=list)


@dataclass(frozen=True)
class Shown:
    """The pass after the last iteration, without an update."""

    iteration: int
    loss: np.float32
    outputs: list[NetOutput]


@dataclass(frozen=True)
class Saved:
    """A snapshot is written."""

    iteration: int
    model: str
    state: str


@dataclass(frozen=True)
class Restarted:
    """The records of this data layer begin again after the present batch."""

    layer: str


@dataclass(frozen=True)
class Traced:
    """A part of debug_info: the mean magnitude of the `kind` (data or diff) of a `blob` of a layer, which is a `role`:
    top blob, bottom blob or param blob."""

    backward: bool
    layer: str
    role: str
    blob: str
    kind: str
    value: float


@dataclass(frozen=True)
class Norms:
    """L1 and L2 norms of all weights and all gradients, after the gradients of a pass."""

    first: tuple[float, float]
    second: tuple[float, float]


@dataclass(frozen=True)
class Finished:
    """There are no more iterations; `stopped`: before max_iter, as was asked for."""

    iteration: int
    stopped: bool


Event = (
    WeightsLoaded | Resumed | Begun | Testing | Passed | Tested | TestStopped | Stepped | Shown | Saved | Restarted
    | Traced | Norms | Finished
)  # fmt: skip
Tell = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Nothing is to know of it."""
