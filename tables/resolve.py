"""Whether a net fits the columns of a table.   table.py, cli -> [resolve]"""

from __future__ import annotations

from ..api import Net
from ..engine.textnet.layers import TABLE
from ..engine.textnet.layers.layer import TargetKind
from ..errors import InputError, UsageError
from ..formats.network import NetSpec
from .columns import TableColumns
from .columns_fit import LABELLED


def check_fits(spec: NetSpec, columns: TableColumns, loss: str, name: str) -> None:
    """Raises InputError unless the net takes the features and gives the outputs of the columns."""
    if spec.loss is None:
        raise InputError(name, "the last layer is not a loss layer", "one, such as sce or l2l")
    if (spec.loss in LABELLED) != (loss in LABELLED):
        raise UsageError(f"the net ends in {spec.loss}, but the table is for {loss}: Table(..., loss={spec.loss!r})")
    check_scaling(spec.loss, columns)
    if spec.features != columns.size:
        columns_count = len(columns.features)
        of = (
            f"those of {columns_count} columns"
            if columns_count == columns.size
            else (f"those of {columns_count} columns, with one for each value of a category")
        )
        hint = f"write inp {columns.size} {spec.minibatch}, or inp ? {spec.minibatch}"
        raise InputError(name, f"the net has {spec.features} features", f"{columns.size}, {of}", hint)
    outputs = Net(spec).plan.outputs
    if outputs != columns.outputs:
        what = "targets" if columns.labels is None else f"labels of {columns.target_names[0]!r}"
        raise InputError(
            name, f"the net has {outputs} outputs", f"{columns.outputs}, the number of {what}", _last(spec, columns)
        )


def scales_targets(loss: str) -> bool:
    """Whether the targets of a loss layer are scaled where the features are: real ones, not labels or shares."""
    return TABLE[loss].target_kind is TargetKind.REAL


def check_scaling(loss: str | None, columns: TableColumns) -> None:
    """Raises UsageError for scaled targets of a net whose loss layer does not take such."""
    if columns.scales_targets and not (loss and scales_targets(loss)):
        raise UsageError(f"the net ends in {loss}, whose targets are not scaled: Table(..., loss={loss!r})")


def _last(spec: NetSpec, columns: TableColumns) -> str:
    """A hint: the line of the last fully connected layer with the right number."""
    for layer in reversed(spec.layers):
        if layer.word == "lin":
            rest = " ".join(str(layer).split()[2:])
            return f"write lin {columns.outputs} {rest}, or lin ? {rest}"
    return ""
