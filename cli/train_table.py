"""The table of `caffe64 train --target`: read, split, fitted; the net that it completes, and the bundle at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..api import Net
from ..errors import InputError, UsageError
from ..formats.content import is_bundle
from ..formats.network import loss_words, read_network
from . import compiling
from .data import read_class_weights, read_inputs, read_row_weights, read_targets
from .output import Output
from .train_request import TableRequest, TrainRequest

FAR = 0.5  # of a factor relative, of a shift in deviations: what other rows of the same source do not reach

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from ..tables.columns import TableColumns


def table_options(
    targets: list[str] | None,
    features: list[str] | None,
    drop: list[str] | None,
    impute: str | None,
    scale: str | None,
    held_out: float | None,
    weights: str | None,
) -> TableRequest | None:
    """The options of the command line; None without --target. Raises UsageError for others without it."""
    given = {"--features": features, "--drop": drop, "--impute": impute, "--scale": scale, "--validation": held_out}
    if not targets:
        for option, value in given.items():
            if value:
                raise UsageError(f"{option} is for a table: it needs --target COLUMN")
        return None
    from ..tables.columns_fit import IMPUTE, SCALE, split_names

    if held_out is not None and not 0 < held_out < 1:
        raise UsageError(f"--validation {held_out:g}: expected a share of the rows, between 0 and 1")
    for option, value, known in (("--impute", impute, IMPUTE), ("--scale", scale, SCALE)):
        if value is not None and value not in known:
            raise UsageError(f"{option} {value}: expected {' or '.join(known)}")
    chosen = tuple(split_names(features)) if features else None
    without = tuple(split_names(drop or ()))
    return TableRequest(tuple(split_names(targets)), chosen, without, impute, scale, held_out, weights)


@dataclass(frozen=True)
class TrainTable:
    """The rows to train on, X float32 [N, F] and Y [N] or [N, T], their weights [N] and the rows to validate with, both
    None without any, and the net with its sizes filled in."""

    X: np.ndarray
    Y: np.ndarray
    weights: np.ndarray | None
    held_out: tuple[np.ndarray, np.ndarray] | None
    columns: TableColumns
    net: Net

    @property
    def names(self) -> tuple[list[str], list[str]]:
        """Of the inputs [F] and of the outputs [K]."""
        return self.columns.feature_names, self.columns.output_names

    @property
    def facts(self) -> str:
        """One line for people: what was made of the columns."""
        columns = self.columns
        found = f"{len(columns.features)} columns are {columns.size} features"
        if columns.labels is not None:
            found += f", {columns.target_names[0]!r} has {len(columns.labels)} labels"
        elif columns.scales_targets:
            found += ", targets are scaled"
        return found + (f"; {len(self.held_out[1])} rows are held out" if self.held_out else "")


def read_table(request: TrainRequest, output: Output) -> TrainTable:
    """Read the table that `request` names, of as many rows as it says. Raises InputError, UsageError.

    Rows are held out by a fixed seed: trainings with other seeds validate on the same rows.
    """
    from ..tables.reading import kernels_of_tables
    from ..tables.resolve import check_fits
    from ..tables.table import Table

    compiling.prepare(kernels_of_tables(), output)
    asked = request.table
    assert asked is not None
    loss = read_network(request.net, features=1, outputs=1).loss
    if loss is None:
        raise InputError(request.net, "the last layer is not a loss layer", loss_words())
    table = Table(
        request.x,
        target=asked.targets,
        features=asked.features,
        drop=asked.drop,
        impute=asked.impute,
        scale=asked.scale,
        weights=asked.weights,
        loss=loss,
    )
    if request.rows is not None:
        table = table.head(request.rows)
    held_out = None
    if asked.held_out is not None:
        table, held_out = table.split(asked.held_out)
    elif request.val_x is not None:
        held_out = table.like(request.val_x)
    columns = table.columns
    spec = read_network(request.net, features=columns.size, outputs=columns.outputs)
    check_fits(spec, columns, loss, str(request.net))
    other = None if held_out is None else held_out.give_up()
    weights = table.weights
    found = TrainTable(*table.give_up(), weights, other, columns, Net(spec))
    output.say(found.facts)
    return found


def read_rows(
    net: Net, request: TrainRequest, table: TrainTable | None, output: Output
) -> tuple[np.ndarray, np.ndarray]:
    """X float32 [N, F] and Y float32 [N] or [N, T], of the table or of the two files."""
    output.line("Loading X...")
    X = table.X if table else read_inputs(net, request.x, request.rows, strict=request.strict)
    output.line("Loading Y...")
    return X, table.Y if table else read_targets(net, request.y, X, strict=request.strict)


def read_weights(
    net: Net, request: TrainRequest, table: TrainTable | None, X: np.ndarray, output: Output
) -> dict[str, np.ndarray | str | None]:
    """Of classes and of rows, as `Training` takes them. Those of a file are shown beside the labels of a table."""
    labels = table.columns.output_names if table and table.columns.labels else None
    classes = read_class_weights(net, request.class_weights, labels, strict=request.strict)
    if labels and classes is not None and not isinstance(classes, str):
        pairs = (f"{label} {weight:g}" for label, weight in zip(labels, classes.tolist(), strict=True))
        output.say(f"weights of the classes: {', '.join(pairs)}")
    rows = table.weights if table else read_row_weights(request.row_weights, X, strict=request.strict)
    return {"class_weight": classes, "sample_weight": rows}


def check_start(init: Path, columns: TableColumns, output: Output) -> None:
    """Compare the bundle whose weights a run starts from with the table. Raises UsageError for other inputs or outputs;
    says where they are scaled otherwise, which its weights are not made for."""
    if not is_bundle(init):
        return
    from ..tables.bundle import Bundle

    known = Bundle.read(init).columns
    if known is None:
        return
    for what, old, new in (
        ("input", known.feature_names, columns.feature_names),
        ("output", known.output_names, columns.output_names),
    ):
        for number, (one, other) in enumerate(zip(old, new, strict=False), 1):
            if one != other:
                raise UsageError(f"--init {init}: {what} {number} is {one!r} there, but {other!r} of this table")
    far = (abs(known.factor / columns.factor - 1) > FAR) | (abs(known.shift - columns.shift) * columns.factor > FAR)
    if far.any():
        name = columns.feature_names[int(far.argmax())]
        output.say(f"--init {init}: {name!r} is scaled otherwise there than here, so that its weights hardly fit")


def save(net: Net, path: Path, table: TrainTable | None) -> None:
    """Write the weights, or a bundle where the name is one's."""
    if is_bundle(path):
        from ..tables.bundle import Bundle

        Bundle(net, table and table.columns).save(path)
    else:
        net.save(path)
