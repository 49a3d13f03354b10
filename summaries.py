"""`summary(net)`: the layers of a net, of a text net or Caffe's, and their costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from .engine.textnet.model import Model
from .errors import UsageError
from .results import Result, TextTable

if TYPE_CHECKING:
    from .api import Net
    from .caffe.net import CaffeNet
    from .caffe.summary import Summary


@dataclass(frozen=True)
class TextLayerSummary:
    """A line of a text net: its text, numbers per row that it reads and gives, parameters, multiply-accumulates per
    row, and the range of its parameters, None where there are none."""

    layer: str
    inputs: int
    outputs: int
    parameters: int
    macs: int
    smallest: float | None
    largest: float | None


@dataclass(frozen=True, repr=False)
class TextSummary(Result):
    """A text net. `network` is its file or else its text, `weights` the file of its weights, None for others;
    `parameters` and `macs` (per row) are of all layers; `has_weights` is whether these have ranges."""

    network: str
    weights: str | None
    has_weights: bool
    minibatch: int
    parameters: int
    macs: int
    layers: list[TextLayerSummary]

    @property
    def parts(self) -> list[TextTable | str]:
        rows = [list(map(_cell, row.values())) for row in self._rows()]
        total = f"{self.parameters:,} parameters, {self.macs:,} MACs per row, minibatch {self.minibatch}"
        return [TextTable(list(self._rows()[0]), rows), total, *([f"{self.weights} fits"] if self.weights else [])]

    @property
    def data(self) -> dict[str, Any]:
        names = ("network", "weights", "minibatch", "parameters", "macs")
        return {**{name: getattr(self, name) for name in names}, "layers": self._rows()}

    def _rows(self) -> list[dict[str, Any]]:
        left_out = () if self.has_weights else ("smallest", "largest")
        return [{name: value for name, value in vars(each).items() if name not in left_out} for each in self.layers]


@overload
def summary(net: Net) -> TextSummary: ...
@overload
def summary(net: CaffeNet) -> Summary: ...
def summary(net: Net | CaffeNet) -> Summary | TextSummary:
    """The layers of a net and their costs, as `caffe64 summary` shows them of a Caffe net, `caffe64 info` of a text
    net: in a notebook as a table, with str() as text, with `to_json()` as the command's --json.

    A Caffe net has the shapes of its present inputs; of a text net with weights the range of each layer's parameters
    is there too. Nothing is run. Raises UsageError for anything but a net.
    """
    if isinstance(net, Model):
        return summarise_text(net)
    from .caffe.net import CaffeNet
    from .caffe.summary import summarise

    if isinstance(net, CaffeNet):
        return summarise(net.path, net.graph, net.shapes)
    raise UsageError(f"net is of the type {type(net).__name__}, expected a caffe64.Net or a caffe64.CaffeNet")


def summarise_text(net: Model, network: str | None = None, weights: str | None = None) -> TextSummary:
    """The summary of a text net, of these files if it is of files."""
    infos, blobs = net.plan.infos, None if net.parameters is None else net.layer_parameters()
    layers = [
        TextLayerSummary(
            info.text,
            info.inputs,
            info.outputs,
            info.parameters,
            info.macs,
            float(blobs[number].min()) if blobs and info.parameters else None,
            float(blobs[number].max()) if blobs and info.parameters else None,
        )
        for number, info in enumerate(infos)
    ]
    text = " / ".join(info.text for info in infos) if network is None else network
    macs = sum(info.macs for info in infos)
    return TextSummary(text, weights, blobs is not None, net.plan.spec.minibatch, net.parameter_count, macs, layers)


def _cell(value: str | int | float | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else f"{value:,}"
