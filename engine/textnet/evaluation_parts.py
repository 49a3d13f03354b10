"""An `Evaluation` as text: its numbers with what they mean, a table of the classes or targets, and the confusion table,
or, where that does not fit, the most frequent confusions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...results import TextTable, shortened, text_width

if TYPE_CHECKING:
    from .evaluation import Evaluation

LONGEST_NAME = 30  # characters of a class or target; the rest is left out
MOST_CONFUSIONS = 10  # pairs of classes that are listed
LOSSES = {  # what the loss of a row is
    "sce": "log loss: mean of -ln p(class)",
    "sft": "mean of the cross-entropy with the targets",
    "bce": "mean of the cross-entropy, summed over the labels",
    "l2l": "mean of the squared error, summed over the targets",
    "hub": "mean of Huber's loss, summed over the targets",
}
CONFUSION = "confusion: a line for each true class, a column for each predicted one"


def parts(scores: Evaluation) -> list[TextTable | str]:
    """Tables and lines of text, of the width of the terminal if there is one."""
    return [*_facts(scores), *_per_class(scores), *_per_label(scores), *_per_target(scores), *_confusion(scores)]


def _facts(scores: Evaluation) -> list[TextTable | str]:
    """One line for each number about all rows: name, value, meaning."""
    loss = LOSSES.get(scores.loss_word, "mean over the rows")
    if scores.scaled:
        loss = loss.replace("the targets", "the scaled targets") if "targets" in loss else f"{loss}, of scaled targets"
    found = [("rows", f"{scores.rows}", ""), ("loss", f"{scores.loss:.6f}", loss)]
    if scores.confusion is not None:
        found.append(("accuracy", _percent(scores.accuracy), "of the rows: the largest output is the class"))
        found.append(
            ("balanced", _percent(scores.balanced_accuracy), "balanced accuracy: mean of the classes' recalls")
        )
        found += [
            (f"top {k}", _percent(share), f"of the rows: the class is among the {k} largest outputs")
            for k, share in scores.top.items()
        ]
    if scores.label_counts is not None:
        found.append(("accuracy", _percent(scores.accuracy), "of the rows: every label is right"))
        found.append(("labels", _percent(scores.right_labels), "of all labels of all rows: are right"))
    if scores.per_target is not None:
        found.append(("R2", _value(scores.r2), "1: exact; 0: no better than the mean of the targets"))
        found.append(("MAE", _value(scores.mae), "mean absolute error"))
        found.append(("RMSE", _value(scores.rmse), "root of the mean squared error"))
    first, second = (max(len(line[column]) for line in found) for column in (0, 1))
    return [f"{name:{first}}  {value:{second}}  {meaning}".rstrip() for name, value, meaning in found]


def _per_class(scores: Evaluation) -> list[TextTable | str]:
    return [] if scores.per_class is None else _rates("class", scores, *scores.per_class)


def _per_label(scores: Evaluation) -> list[TextTable | str]:
    return [] if scores.per_label is None else _rates("label", scores, *scores.per_label)


def _rates(what: str, scores: Evaluation, rows: np.ndarray, *rates: np.ndarray) -> list[TextTable | str]:
    names = _names(scores)
    cells = [
        [name, f"{count}", *map(_percent, values)]
        for name, count, *values in zip(names, rows.tolist(), *(each.tolist() for each in rates), strict=True)
    ]
    return [
        "",
        f"precision: of the rows predicted as the {what}, the share that is right; recall:",
        f"of the {what}'s rows, the share that is found; F1: their harmonic mean",
        TextTable([what, "rows", "precision", "recall", "F1"], cells),
    ]


def _per_target(scores: Evaluation) -> list[TextTable | str]:
    errors = scores.per_target
    if errors is None or (scores.outputs == 1 and scores.labels is None):
        return []
    columns = (column.tolist() for column in errors)
    cells = [[name, *map(_value, values)] for name, *values in zip(_names(scores), *columns, strict=True)]
    return ["", TextTable(["target", "R2", "MAE", "RMSE"], cells)]


def _confusion(scores: Evaluation) -> list[TextTable | str]:
    confusion, names, width = scores.confusion, _names(scores), text_width()
    if confusion is None:
        return []
    numbers = [f"{number}" for number in range(len(confusion))]
    numbered = numbers if scores.labels is None else [f"{n} {name}" for n, name in zip(numbers, names, strict=True)]
    for first, others in ((names, names), (numbered, numbers)):  # long names need too much room above the columns
        if _width(confusion, first, others) <= width:
            return ["", CONFUSION, TextTable(["class", *others], _counts(confusion, first))]
    return ["", *_frequent(confusion, names, width)]


def _width(confusion: np.ndarray, first: Sequence[str], others: Sequence[str]) -> int:
    """Columns of the confusion table, without making its cells: there may be millions."""
    widths = np.maximum([len(f"{most}") for most in confusion.max(axis=0).tolist()], list(map(len, others)))
    return max(map(len, ("class", *first))) + int((2 + widths).sum())


def _counts(confusion: np.ndarray, names: Sequence[str]) -> list[list[str]]:
    return [[name, *map(str, line)] for name, line in zip(names, confusion.tolist(), strict=True)]


def _frequent(confusion: np.ndarray, names: Sequence[str], width: int) -> list[TextTable | str]:
    """The pairs of a true class and another that is predicted most often."""
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    pairs = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]
    cells = []
    for true, predicted in zip(*(each.tolist() for each in np.unravel_index(pairs, wrong.shape)), strict=True):
        if count := int(wrong[true, predicted]):
            share = count / int(confusion[true].sum())
            cells.append([names[true], names[predicted], f"{count}", _percent(share)])
    if not cells:
        return ["confusion: none"]
    size = f"the table of {len(confusion)} classes, which --json has, is wider than {width} columns"
    header = ["class", "predicted", "rows", "of the class"]
    return [f"confusion: the {len(cells)} most frequent ones", f"({size})", TextTable(header, cells, 2)]


def _names(scores: Evaluation) -> list[str]:
    """Of classes, labels or targets, as they fit into a table."""
    return list(map(str, range(scores.outputs))) if scores.labels is None else [*map(_shown, scores.labels)]


def _shown(name: str) -> str:
    return shortened(name, LONGEST_NAME) or "''"


def _percent(share: float | None) -> str:
    return "-" if share is None or share != share else f"{share:.2%}"


def _value(number: float | None) -> str:
    if number is None or number != number:
        return "-"
    return f"{number:.0f}" if 1e4 <= abs(number) < 1e9 else f"{number:.4g}"
