"""caffe64 info: the layers of a net, and whether a weights file fits it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from . import options

if TYPE_CHECKING:
    from ..api import Net

NAME = "info"
EXAMPLES = ("caffe64 info net.txt", "caffe64 info net.txt weights.bin --json")


def command(
    net: options.Net,
    weights: Annotated[Path | None, options.input_argument("[WEIGHTS]", "Weights file to look into.")] = None,
    as_json: options.Json = False,
) -> None:
    """Show the layers of a net, and whether weights fit it.

    MACs are multiply-adds a row. With WEIGHTS, the range of each layer's parameters is shown as well.
    """
    from ..api import Net

    model = Net.read(net)
    layers = describe(model, weights)
    total = {
        "minibatch": model.spec.minibatch,
        "parameters": model.parameter_count,
        "macs": sum(layer["macs"] for layer in layers),
    }
    if as_json:
        import json

        print(
            json.dumps({"network": str(net), "weights": weights and str(weights), **total, "layers": layers}, indent=2)
        )
        return
    from .table import print_table

    header = ["layer", *list(layers[0])[1:]]
    print_table(header, [[_cell(value) for value in layer.values()] for layer in layers])
    print(f"{total['parameters']:,} parameters, {total['macs']:,} MACs a row, minibatch {total['minibatch']}")
    if weights:
        print(f"{weights} fits")


def describe(model: Net, weights: Path | None) -> list[dict]:
    """One dict a layer. Raises InputError if the file `weights` is not of this net."""
    layers = [
        {
            "layer": layer.text,
            "inputs": layer.inputs,
            "outputs": layer.outputs,
            "parameters": layer.parameters,
            "macs": layer.macs,
        }
        for layer in model.layers
    ]
    if weights:
        from ..formats.weights import read_weights

        arrays = read_weights(
            weights, [layer.parameters for layer in model.layers], [layer.text for layer in model.layers]
        )
        for layer, array in zip(layers, arrays, strict=True):
            layer["smallest"] = float(array.min()) if array.size else None
            layer["largest"] = float(array.max()) if array.size else None
    return layers


def _cell(value: str | int | float | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else f"{value:,}"
