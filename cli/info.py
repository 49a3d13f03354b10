"""caffe64 info: the layers of a net, and whether a weights file fits it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from . import options

NAME = "info"
EXAMPLES = ("caffe64 info net.txt", "caffe64 info net.txt weights.bin --json")


def command(
    net: options.Net,
    weights: Annotated[Path | None, options.input_argument("[WEIGHTS]", "Weights file to check.")] = None,
    as_json: options.Json = False,
) -> None:
    """Show the layers of a net, and whether weights fit it.

    MACs are multiply-adds per row. With WEIGHTS, the range of each layer's parameters is shown as well.
    """
    from ..api import Net
    from ..summaries import summarise_text
    from .table import print_result

    model = Net.read(net)
    if weights:
        model.load(weights)
    print_result(summarise_text(model, str(net), weights and str(weights)), as_json)
