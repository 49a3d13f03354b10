"""`caffe64.Bundle`: a net with its weights and the columns of its tables, in one .c64 file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..api import Evaluation, Net
from ..arguments import flag, instance
from ..errors import InputError, UsageError
from ..formats.bundle import COLUMNS_MEMBER, read_bundle, write_bundle
from ..formats.content import BUNDLE_SUFFIX, is_bundle
from .columns import TableColumns
from .columns_json import columns_from_json, columns_to_json
from .predictions import Predictions, check_finite_outputs, named_outputs
from .reading import open_table
from .resolve import check_scaling

if TYPE_CHECKING:
    from .table import TableSource


class Bundle:
    """A net, with weights, and the `TableColumns` of the table that it was trained on, None without one.

    bundle = caffe64.Bundle.read("flowers.c64")
    bundle.predict("new.csv")                      a polars DataFrame: prediction, p(setosa), p(virginica)
    bundle.net, bundle.columns                     the `Net`; `columns.labels`, `columns.feature_names`
    """

    def __init__(self, net: Net, columns: TableColumns | None = None):
        self.net = instance("net", net, Net, "a caffe64.Net")
        self.columns = (
            None if columns is None else instance("columns", columns, TableColumns, "those of a caffe64.Table")
        )
        if columns is not None and (net.spec.features, net.plan.outputs) != (columns.size, columns.outputs):
            raise UsageError(
                f"the net has {net.spec.features} features and {net.plan.outputs} outputs, but the columns are "
                f"{columns.size} and {columns.outputs}"
            )
        if columns is not None:
            check_scaling(net.spec.loss, columns)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Raises InputError for a file that is damaged or not a bundle."""
        parts = read_bundle(path)
        name = os.fspath(path)
        net = Net(parts.spec)
        counts, sizes = [len(each) for each in parts.weights], [info.parameters for info in net.layers]
        if counts != sizes:
            raise InputError(path, f"holds weights of {counts} parameters", f"{sizes} as its net has", "is it damaged?")
        net.parameters = net.unpack(np.concatenate(parts.weights))
        columns = None if parts.columns is None else columns_from_json(parts.columns, f"{name}/{COLUMNS_MEMBER}")
        try:
            return cls(net, columns)
        except UsageError as error:
            raise InputError(path, f"is damaged: {error}") from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, aside and then renamed. Raises UsageError without weights, for some that are not finite, and
        for a name that does not end with .c64; OutputError where it cannot be written."""
        if not is_bundle(path):
            raise UsageError(f"the path is {str(path)!r}, expected a name that ends with {BUNDLE_SUFFIX}")
        columns = None if self.columns is None else columns_to_json(self.columns)
        write_bundle(path, self.net.spec, self.net.layer_parameters(), columns)

    def predict(self, source: TableSource, *, ignore_unknown: bool = False, threads: int | None = None) -> Any:
        """A polars DataFrame: a column `prediction` of labels and `p(LABEL)` for each, or the values of the targets.

        The table needs no target. `ignore_unknown`: a category that the training had not is 0 in all its inputs, not
        an InputError. Raises UsageError for a bundle without columns.
        """
        return self.outputs(source, ignore_unknown=ignore_unknown, threads=threads).frame()

    def outputs(self, source: TableSource, *, ignore_unknown: bool = False, threads: int | None = None) -> Predictions:
        """The same as arrays: `outputs` float32 [N, K] in units of the targets, `labels` and `names` [K]."""
        columns = self.known_columns()
        raw = open_table(source, columns.kinds, columns.is_unused)
        X = columns.inputs(raw, ignore_unknown=flag("ignore_unknown", ignore_unknown))
        found = columns.values(self.net.predict(X, threads=threads))
        check_finite_outputs(found, raw.path)
        return named_outputs(self.net, columns, found)

    def evaluate(self, source: TableSource, *, ignore_unknown: bool = False, threads: int | None = None) -> Evaluation:
        """Loss, and for labels accuracy and confusion, of a table with the target; errors are in its units, the loss is
        that of scaled targets where they are scaled."""
        columns = self.known_columns()
        raw = open_table(source, columns.kinds, columns.is_unused)
        X = columns.inputs(raw, ignore_unknown=flag("ignore_unknown", ignore_unknown))
        return columns.described(self.net.evaluate(X, columns.targets(raw), threads=threads))

    def known_columns(self) -> TableColumns:
        """Raises UsageError for a net that was not trained on a table."""
        if self.columns is None:
            raise UsageError("the net was not trained on a table: bundle.net.predict takes an array")
        return self.columns

    def __repr__(self) -> str:
        columns = "no columns" if self.columns is None else f"{len(self.columns.features)} columns"
        return f"<caffe64.Bundle: {self.net!r}, {columns}>"
