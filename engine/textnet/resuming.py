"""From a checkpoint to a run that goes on: what must be the same, and what is taken from it."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arguments import instance
from ...errors import InputError, UsageError
from ...formats.checkpoint import Checkpoint
from ...formats.network import format_network
from ...formats.optimizer import Optimizer, same_history
from .model import Model
from .records import EpochRecord, schedule_of
from .row_weights import fingerprint

if TYPE_CHECKING:
    from .training import Training

OPTIMIZER_MEANING = "a caffe64.Optimizer, such as caffe64.read_optimizer gives"


def resumed(
    kind: type[Training], checkpoint: Checkpoint, model: Model, X: Any, Y: Any, optimizer: Optimizer | None,
    shards: int | None, remainder: bool | None, **options: Any,
) -> Training:  # fmt: skip
    """A training of this kind, with the arguments of `Training.resume`, that goes on from `checkpoint`."""
    instance("checkpoint", checkpoint, Checkpoint, "what caffe64.read_checkpoint or Training.checkpoint gives")
    instance("the net", model, Model, "a caffe64.Net")
    if optimizer is None:
        optimizer = checkpoint.optimizer
    for name in ("seed", "shuffle"):
        if options[name] is None:
            options[name] = getattr(checkpoint, name)
    check_resumable(checkpoint, model, X, options["seed"], options["shuffle"], shards, remainder)
    instance("optimizer", optimizer, Optimizer, OPTIMIZER_MEANING)
    model.parameters = model.unpack(checkpoint.parameters)
    run = kind(model, X, Y, optimizer, shards=checkpoint.shards, remainder=checkpoint.remainder, **options)
    take_state(run, checkpoint)
    return run


def check_resumable(
    checkpoint: Checkpoint, model: Model, X: Any, seed: int, shuffle: bool, shards: int | None, remainder: bool | None
) -> None:
    """Raises UsageError, or InputError for a checkpoint that does not fit its own net. None: not given."""
    if format_network(model.plan.spec) != checkpoint.network:
        raise UsageError("the net differs from the checkpoint's; train it from the start, or --init with its weights")
    if hasattr(X, "__len__") and len(X) != checkpoint.rows:
        raise UsageError(f"the checkpoint was trained on {checkpoint.rows} rows, here are {len(X)}")
    if checkpoint.parameters.size != model.parameter_count:
        found = f"holds {checkpoint.parameters.size} parameters"
        raise InputError("the checkpoint", found, f"{model.parameter_count}, as its net has")
    if checkpoint.step and (seed, shuffle) != (checkpoint.seed, checkpoint.shuffle):
        raise UsageError("the checkpoint lies within an epoch, so the seed and the shuffling must stay the same")
    if shards not in (None, checkpoint.shards):
        found = f"the checkpoint's run has {checkpoint.shards} shards, here are {shards}"
        raise UsageError(f"{found}: the sums would be others (leave it out, or begin a run)")
    if remainder not in (None, checkpoint.remainder):
        found = f"the checkpoint's run has remainder={checkpoint.remainder}, here is {remainder}"
        raise UsageError(f"{found}: its epochs would have other minibatches (leave it out, or begin a run)")


def checkpoint_of(run: Training) -> Checkpoint:
    """Everything that `resume` needs to end with the same bits as an unbroken run."""
    return Checkpoint(
        network=format_network(run.model.plan.spec),
        optimizer=run.optimizer,
        seed=run.seed,
        shuffle=run.shuffle,
        rows=run.rows,
        epoch=run.epoch,
        step=run.step,
        rate=run.rate,
        parameters=run.model.pack(run.model.parameters),
        losses=run.losses[: run.step].copy(),
        history=[asdict(record) for record in run.history],
        shards=run.shards,
        remainder=run.remainder,
        row_weights=fingerprint(run.row_weights),
        scheduled=run.schedule is not None,
        **run.packed_histories(),
        updates=run.updates - run.step if run.optimizer.rule == "adam" else 0,
    )


def take_state(run: Training, checkpoint: Checkpoint) -> None:
    """Put `run`, which has not begun and has the checkpoint's weights, where the other one was. Raises UsageError for
    other weights of rows, or a schedule that is missing."""
    optimizer, saved = run.optimizer, checkpoint.optimizer
    if fingerprint(run.row_weights) != checkpoint.row_weights:
        found = "weights of rows or classes"
        if not checkpoint.row_weights:
            raise UsageError(f"the checkpoint's run has no {found} (leave them out, or begin a run)")
        raise UsageError(
            f"the checkpoint's run has other {found}: give those"
            if run.row_weights.size
            else f"the checkpoint's run has {found}: give them here as well"
        )
    if checkpoint.scheduled and not run.schedule:
        raise UsageError("the checkpoint's run has a schedule of its own, a function: give it here as well")
    if same_history(optimizer.rule, saved.rule):
        run.take_histories(checkpoint.velocity, checkpoint.second, checkpoint.updates)
    run.epoch, run.step = checkpoint.epoch, checkpoint.step
    run.losses[: run.step] = checkpoint.losses
    names = [field.name for field in fields(EpochRecord)]  # records may hold more, such as validation scores
    run.history = [EpochRecord(**{name: record[name] for name in names}) for record in checkpoint.history]
    if schedule_of(optimizer) == schedule_of(saved):
        run.rate = checkpoint.rate
    elif optimizer.schedule == "step":
        drops = run.epoch // optimizer.step if optimizer.step else 0
        with np.errstate(over="ignore"):
            run.rate = optimizer.rate and optimizer.rate * float(np.float64(optimizer.factor) ** drops)
