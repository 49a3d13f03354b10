"""What a solver file says, typed: the fields of SolverParameter, by their names."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from .schema import Message

TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")  # in the order of the older `solver_type`
POLICIES = ("fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid")
NET_FIELDS = ("net", "net_param", "train_net", "train_net_param")


@dataclass(frozen=True)
class SolverSettings:
    """Names and defaults are Caffe's. `type` is the update rule by its newer name; a net that lies in the solver file
    itself is a message, and so are the states of nets; `hdf5`: snapshots are HDF5 files; `gpu`: the file says so."""

    net: str = ""
    net_param: Message | None = None
    train_net: str = ""
    train_net_param: Message | None = None
    test_net: tuple[str, ...] = ()
    test_net_param: tuple[Message, ...] = ()
    train_state: Message | None = None
    test_state: tuple[Message, ...] = ()
    test_iter: tuple[int, ...] = ()
    test_interval: int = 0
    test_initialization: bool = True
    test_compute_loss: bool = False
    base_lr: float = 0.0
    lr_policy: str = ""
    gamma: float = 0.0
    power: float = 0.0
    stepsize: int = 0
    stepvalue: tuple[int, ...] = ()
    max_iter: int = 0
    display: int = 0
    average_loss: int = 1
    iter_size: int = 1
    type: str = "SGD"
    momentum: float = 0.0
    momentum2: float = 0.999
    rms_decay: float = 0.99
    delta: float = 1e-8
    weight_decay: float = 0.0
    regularization_type: str = "L2"
    clip_gradients: float = -1.0
    snapshot: int = 0
    snapshot_prefix: str | None = None
    snapshot_after_train: bool = True
    snapshot_diff: bool = False
    hdf5: bool = False
    gpu: bool = False
    random_seed: int = -1
    weights: tuple[str, ...] = ()
    debug_info: bool = False


HDF5, GPU = 0, 1  # SolverParameter.SnapshotFormat, .SolverMode
MESSAGES_OR_NONE = ("net_param", "train_net_param", "train_state", "snapshot_prefix")


def settings_of(message: Message) -> SolverSettings:
    """The settings of a SolverParameter."""
    found: dict[str, Any] = {
        "type": TYPES[message.solver_type] if message.HasField("solver_type") else message.type,
        "hdf5": message.snapshot_format == HDF5,
        "gpu": message.HasField("solver_mode") and message.solver_mode == GPU,
    }
    for each in dataclasses.fields(SolverSettings):
        if each.name not in found:
            value = getattr(message, each.name)
            absent = each.name in MESSAGES_OR_NONE and not message.HasField(each.name)
            found[each.name] = None if absent else tuple(value) if isinstance(each.default, tuple) else value
    return SolverSettings(**found)
