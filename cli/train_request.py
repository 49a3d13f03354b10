"""What `caffe64 train` is asked to do, and what can be wrong with it before any work."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from ..errors import UsageError
from ..formats.content import BUNDLE_SUFFIX, is_bundle
from . import files, plot
from .data import BALANCED
from .log import SUFFIXES as LOG_SUFFIXES


@dataclasses.dataclass(frozen=True)
class TableRequest:
    """The options for a table. `held_out`: the share of rows to validate on; `weights`: the column that weighs rows."""

    targets: tuple[str, ...]
    features: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    impute: str | None = None
    scale: str | None = None
    held_out: float | None = None
    weights: str | None = None


@dataclasses.dataclass(frozen=True)
class TrainRequest:
    """The request of the command line. `rows` None: all. `seed`, `shuffle`, `threads`, `shards` None: not given."""

    net: Path
    weights: Path
    optimizer: Path
    rows: int | None
    x: Path
    y: Path | None
    seed: int | None = None
    threads: int | None = None
    shards: int | None = None
    init: Path | None = None
    shuffle: bool | None = None
    remainder: bool | None = None
    class_weights: Path | None = None  # or BALANCED
    row_weights: Path | None = None
    val_x: Path | None = None
    val_y: Path | None = None
    table: TableRequest | None = None
    patience: int | None = None
    keep_best: bool = False
    log: Path | None = None
    plot: Path | None = None
    checkpoint: Path | None = None
    checkpoint_every: int | None = None
    resume: Path | None = None
    strict: bool = False
    quiet: bool = False

    @property
    def may_begin(self) -> bool:
        """Whether --checkpoint and --resume name one file: then the run continues if it is there, else begins. Two
        names that differ by a typing error never begin a run again."""
        files = (self.checkpoint, self.resume)
        return None not in files and len({os.path.realpath(path) for path in files}) == 1

    @property
    def validates(self) -> bool:
        return self.val_x is not None or (self.table is not None and self.table.held_out is not None)

    @property
    def begins(self) -> bool:
        """Whether the run begins, without a checkpoint to continue."""
        return self.resume is None or (self.may_begin and not os.path.lexists(self.resume))

    def without_files(self) -> TrainRequest:
        """That of a rank which says and writes nothing, and which is given the checkpoint by another."""
        files = (*(() if self.table else ("val_x", "val_y")), "log", "plot", "checkpoint", "checkpoint_every", "resume")
        return dataclasses.replace(self, quiet=True, **dict.fromkeys(files))


def check(request: TrainRequest, *, writes: bool) -> None:
    """Contradicting options, missing files and folders that cannot be written, before any work."""
    _check_table(request)
    if writes and not request.validates and (request.patience is not None or request.keep_best):
        raise UsageError(
            "--patience and --keep-best compare validation losses: they need --val-x X --val-y Y, or --validation"
        )
    if request.checkpoint_every is not None and request.checkpoint is None:
        raise UsageError("--checkpoint-every needs --checkpoint FILE")
    if request.init is not None and request.resume is not None and not request.may_begin:
        raise UsageError(
            "--init and --resume exclude each other, as a checkpoint brings its own weights, unless --checkpoint and "
            "--resume name one file, which the run may have to begin"
        )
    files.check_suffix(request.log, "--log", LOG_SUFFIXES)
    files.check_suffix(request.plot, "--plot", plot.SUFFIXES)
    if request.plot is not None:
        plot.check_plotting()
    weights = None if request.class_weights == BALANCED else request.class_weights
    inputs = (request.net, request.optimizer, request.x, request.y, request.val_x, request.val_y)
    inputs += (weights, request.row_weights)
    files.check_inputs((*inputs, request.init, None if request.begins else request.resume))
    if writes:
        files.check_outputs((request.weights, request.log, request.plot, request.checkpoint), inputs)


def _check_table(request: TrainRequest) -> None:
    """Which files belong together: X and Y, or a table, which has its targets itself."""
    table = request.table
    if table is None:
        if request.y is None:
            raise UsageError("the file of targets, Y, is missing: ... N X Y, or ... N TABLE --target COLUMN")
        if (request.val_x is None) != (request.val_y is None):
            raise UsageError("--val-x and --val-y belong together")
        return
    if request.y is not None or request.val_y is not None:
        other = request.y or request.val_y
        raise UsageError(f"with --target, a table holds its targets itself: leave {other} out")
    if request.val_x is not None and table.held_out is not None:
        raise UsageError("--validation takes rows of the table, and --val-x another table: one of them is enough")
    if not is_bundle(request.weights):
        raise UsageError(
            f"with --target, the columns are kept with the weights: {request.weights} must end with {BUNDLE_SUFFIX}"
        )
