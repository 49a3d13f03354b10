"""caffe64 eval: loss, accuracy and confusion table of a trained net."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from . import options

if TYPE_CHECKING:
    import numpy as np

    from ..api import Evaluation

NAME = "eval"
EXAMPLES = (
    "caffe64 eval net.txt weights.bin all testX.txt testY.txt",
    "caffe64 eval net.txt weights.bin 10000 testX.npy testY.npy --json",
)


def command(
    net: options.Net,
    weights: options.Weights,
    n: options.Rows,
    x: options.InputX,
    y: options.InputY,
    threads: options.Threads = None,
    strict: options.Strict = False,
    as_json: options.Json = False,
) -> None:
    """Score a net on known answers: loss, accuracy, confusion table.

    Accuracy, precision, recall and the table are for nets that end in sce.
    """
    from ..api import Net
    from ..formats.data import kernels_to_read
    from . import compiling, files
    from .data import naming_label, read_inputs, read_targets, require_loss
    from .output import Output

    files.check_inputs((net, weights, x, y))
    output = Output()
    model = Net.read(net)
    require_loss(model, net)
    model.load(weights)
    compiling.prepare([*model.kernels(training=False), *kernels_to_read(x, y)], output)
    X = read_inputs(model, x, options.row_count(n), strict=strict)
    Y = read_targets(model, y, X, strict=strict)
    with naming_label(y, Y):
        scores = model.evaluate(X, Y, threads=threads)
    (print_json if as_json else print_text)(scores, len(X))


def print_json(scores: Evaluation, rows: int) -> None:
    import json

    loss = scores.loss if math.isfinite(scores.loss) else None  # JSON has no infinity
    result = {"rows": rows, "loss": loss, "accuracy": scores.accuracy}
    if scores.confusion is not None:
        result["classes"] = [
            {"class": label, "rows": int(sum(line)), "precision": precision, "recall": recall}
            for label, (line, precision, recall) in enumerate(
                zip(scores.confusion, *rates(scores.confusion), strict=True)
            )
        ]
        result["confusion"] = scores.confusion.tolist()
    print(json.dumps(result))


def print_text(scores: Evaluation, rows: int) -> None:
    print(f"rows      {rows}")
    print(f"loss      {scores.loss:.6f}")
    if scores.accuracy is None:
        return
    from .table import print_table

    print(f"accuracy  {scores.accuracy:.2%}\n\nconfusion: a line for each true class, a column for each predicted one")
    classes = len(scores.confusion)
    header = ["class", *map(str, range(classes)), "recall"]
    precisions, recalls = rates(scores.confusion)
    lines = [
        [str(label), *map(str, line), _percent(recall)]
        for label, (line, recall) in enumerate(zip(scores.confusion, recalls, strict=True))
    ]
    print_table(header, [*lines, ["precision", *map(_percent, precisions), ""]])


def rates(confusion: np.ndarray) -> tuple[list[float | None], list[float | None]]:
    """Precision and recall of each class; None where nothing was predicted as it, or none was there."""
    hits, predicted, true = confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)
    return (
        [int(hit) / int(total) if total else None for hit, total in zip(hits, predicted, strict=True)],
        [int(hit) / int(total) if total else None for hit, total in zip(hits, true, strict=True)],
    )


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.1%}"
