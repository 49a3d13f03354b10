"""`caffe64.Table`: a file or a data frame as the rows that a net is trained on, and what was fitted to them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from ..api import Net, parse_net
from ..arguments import instance, names, seed_number, whole_number
from ..errors import UsageError
from ..formats.network import GRAMMAR, NetSpec
from .columns import TableColumns
from .columns_fit import IMPUTE, LABELLED, SCALE, choose_features, fit_columns, fit_labels
from .raw import CATEGORY, RawTable
from .reading import open_table
from .resolve import check_fits, scales_targets
from .weights import column_weights

if TYPE_CHECKING:
    import polars

    class HasColumns(Protocol):
        """A data frame of pandas."""

        @property
        def columns(self) -> Any: ...
        def __getitem__(self, key: str, /) -> Any: ...

    TableSource: TypeAlias = str | os.PathLike[str] | polars.DataFrame | HasColumns

SPLIT_KEY = 0x7461626C  # so that no other random numbers of the seed are the same


class Table:
    """Rows of named columns, from CSV, TSV, Parquet or a data frame, as arrays for a net.

        table = caffe64.Table("flowers.csv", target="species", scale="standard")
        train, held_out = table.split(0.2)
        net = train.net("inp ? 10 / lin 16 -1 / rel / lin ? -1 / sce")
        net.fit(train.X, train.Y, optimizer, validation=(held_out.X, held_out.Y))
        caffe64.Bundle(net, train.columns).save("flowers.c64")

    source       the name of a file, or a frame of polars or pandas
    target       the name of the column that is to be predicted, or a list of several
    features     names of the columns that the net takes; None: all but the targets
    drop         names of columns to leave out
    impute       "mean" or "median": for a missing number; for a missing category the most frequent. None: refused
    weights      the name of a column of weights of the rows, for `fit(..., sample_weight=table.weights)`; no feature
    scale        "standard": mean 0 and deviation 1; "minmax": 0 to 1; None: numbers as they are. Features, and targets
                 of l2l and hub: `Bundle` predicts in their units
    loss         the last line of the net: "sce" for a target of labels, others for numbers. None: "sce" for one target
                 of texts or booleans, else "l2l"

    Texts become an input of 0 or 1 for each of their values, in sorted order; booleans 0 or 1. Everything is fitted to
    the rows of the table, in a split to those of its first part. Raises InputError with line and column for what a file
    should not hold, and UsageError.
    """

    def __init__(
        self,
        source: TableSource,
        *,
        target: str | Sequence[str],
        features: Sequence[str] | None = None,
        drop: Sequence[str] = (),
        impute: str | None = None,
        scale: str | None = None,
        weights: str | None = None,
        loss: str | None = None,
    ):
        self._targets = [target] if isinstance(target, str) else list(names("target", target, "names", least=1))
        for name, value, known in (("impute", impute, IMPUTE), ("scale", scale, SCALE)):
            if value is not None and value not in known:
                raise UsageError(f"{name} is {value!r}, expected {' or '.join(map(repr, known))}, or None")
        chosen = None if features is None else names("features", features, "names", least=1)
        if loss is not None and (loss not in GRAMMAR or GRAMMAR[loss].role != "loss"):
            raise UsageError(f"loss is {loss!r}, expected the word of a loss layer, such as 'sce' or 'l2l', or None")
        dropped, self._impute, self._scale = names("drop", drop, "names"), impute, scale
        labelled = self._targets if loss in LABELLED else []
        if weights is not None:
            instance("weights", weights, str, "the name of a column")
        used = None if chosen is None else {*chosen, *self._targets}

        def is_unused(name: str) -> bool:
            return name != weights and (name in dropped or (used is not None and name not in used))

        self._raw = self._read(source, labelled, is_unused)
        self._weights = weights
        self._features = choose_features(self._raw, self._targets, chosen, dropped, weights)
        self.loss = self._default_loss() if loss is None else loss
        if self.loss in LABELLED and len(self._targets) > 1:
            raise UsageError(f"{len(self._targets)} targets, expected one for {self.loss!r}, the column of labels")
        self._fitted: TableColumns | None = None
        self._ignores = False
        self._labels = fit_labels(self._raw, self._targets[0]) if self.loss in LABELLED else None

    @staticmethod
    def _read(source: Any, labelled: Sequence[str], is_unused: Callable[[str], bool]) -> RawTable:
        """The table. A column of labels may hold numbers, or texts of which some are numbers."""
        raw = open_table(source, {}, is_unused)
        mixed = [name for name in labelled if name in raw.columns and raw.columns[name].wrong]
        return open_table(source, dict.fromkeys(mixed, CATEGORY), is_unused) if mixed else raw

    def _default_loss(self) -> str:
        first = self._raw.columns[self._targets[0]]
        labelled = len(self._targets) == 1 and first.kind != "number"
        return "sce" if labelled else "l2l"

    @property
    def columns(self) -> TableColumns:
        """What was fitted: for `Bundle`, and for a look at `feature_names`, `labels`, `shift` and `factor`."""
        if self._fitted is None:
            self._fitted = fit_columns(
                self._raw,
                self._features,
                self._targets,
                self._labels,
                impute=self._impute,
                scale=self._scale,
                scale_targets=scales_targets(self.loss),
            )
        return self._fitted

    @cached_property
    def X(self) -> np.ndarray:
        """float32 [N, F]."""
        return self.columns.inputs(self._raw, ignore_unknown=self._ignores)

    @cached_property
    def Y(self) -> np.ndarray:
        """float32 [N], the number of each row's label, or [N, T], the values of the targets, scaled where `scale` is
        given and the loss takes real numbers: `columns.values` turns outputs of the net into units of the targets."""
        return self.columns.targets(self._raw)

    @cached_property
    def weights(self) -> np.ndarray | None:
        """float32 [N], of the column of row weights; None without one."""
        return None if self._weights is None else column_weights(self._raw, self._weights)

    def give_up(self) -> tuple[np.ndarray, np.ndarray]:
        """X and Y, of a table that is not used any more: X takes over its memory where it can."""
        Y = self.Y
        return self.columns.inputs(self.__dict__.pop("_raw"), ignore_unknown=self._ignores, in_place=True), Y

    def __len__(self) -> int:
        return self._raw.rows

    def split(self, share: float, seed: int = 0) -> tuple[Table, Table]:
        """Two tables: all rows but a `share` of them, to train on, and these, to validate with, drawn by `seed`. Both
        keep the order of the rows.

        Categories, means and scales are fitted to the first alone; a category that only the second has is 0 in all its
        inputs there. Labels are those of both.
        """
        if isinstance(share, bool) or not isinstance(share, float) or not 0 < share < 1:
            raise UsageError(f"share is {share!r}, expected a number between 0 and 1")
        held_out = round(share * len(self))
        if not 0 < held_out < len(self):
            raise UsageError(f"a share of {share:g} of {len(self)} rows is {held_out}, expected some rows in each part")
        # Philox, which gives the same numbers in every version of NumPy.
        drawn = np.random.Generator(np.random.Philox(key=[SPLIT_KEY, seed_number(seed)])).random(len(self))
        order = np.argsort(drawn, kind="stable")
        return self.parts(np.sort(order[held_out:]), np.sort(order[:held_out]))

    def parts(self, train: np.ndarray, held_out: np.ndarray) -> tuple[Table, Table]:
        """Two tables of these rows, int64 numbers from 0, to train on and to validate with, as of `split`: for a
        cross-validation."""
        first, second = (self._part(self._raw.take(rows)) for rows in (train, held_out))
        second._fitted, second._ignores = first.columns, True
        return first, second

    def like(self, source: TableSource) -> Table:
        """Another file or frame as this one's columns say, to validate with; an unknown category is 0 in all inputs."""

        def is_unused(name: str) -> bool:
            return name != self._weights and self.columns.is_unused(name)

        other = self._part(open_table(source, self.columns.kinds, is_unused))
        other._fitted, other._ignores = self.columns, True
        return other

    def head(self, rows: int) -> Table:
        """The first rows. Raises InputError if there are fewer."""
        return self._part(self._raw.head(whole_number("rows", rows, 1)))

    def _part(self, raw: RawTable) -> Table:
        """Other rows, to which nothing is fitted yet."""
        part = object.__new__(type(self))
        vars(part).update({name: value for name, value in vars(self).items() if name not in ("X", "Y", "weights")})
        part._raw, part._fitted = raw, None
        return part

    def net(self, net: str | NetSpec) -> Net:
        """A net for this table: its text as `Net` takes it, where `?` is the number of features or outputs. Raises
        InputError for one that does not fit, UsageError for another loss than the table's."""
        columns = self.columns
        spec = net if isinstance(net, NetSpec) else parse_net(net, features=columns.size, outputs=columns.outputs)
        check_fits(spec, columns, self.loss, "<net>")
        return Net(spec)

    def __repr__(self) -> str:
        return f"<caffe64.Table of {len(self)} rows: {len(self._features)} features, target {self._targets}>"
