"""caffe64 info: the layers of a net, and whether a weights file fits it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options

NAME = "info"
EXAMPLES = ("caffe64 info net.txt", "caffe64 info net.txt weights.bin --json", "caffe64 info model.c64")


def command(
    net: Annotated[Path, options.input_argument("NET", "Network file, or a MODEL.c64.")],
    weights: Annotated[Path | None, options.input_argument("[WEIGHTS]", "Weights file to check.")] = None,
    as_json: options.Json = False,
) -> None:
    """Show the layers of a net, and whether weights fit it.

    MACs are multiply-adds per row. With WEIGHTS, the range of each layer's parameters is shown as well; of a MODEL.c64
    also the columns of its table.
    """
    from ..api import Net
    from ..formats.content import is_bundle
    from ..summaries import summarise_text
    from .table import print_result

    if not is_bundle(net):
        model = Net.read(net)
        if weights:
            model.load(weights)
        print_result(summarise_text(model, str(net), weights and str(weights)), as_json)
        return
    if weights:
        raise typer.BadParameter(f"{net} holds its weights itself; leave '{weights}' out.", param_hint="WEIGHTS")
    from ..tables.bundle import Bundle
    from ..tables.summary import BundleSummary

    bundle = Bundle.read(net)
    print_result(BundleSummary(summarise_text(bundle.net, str(net), None), bundle.columns), as_json)
