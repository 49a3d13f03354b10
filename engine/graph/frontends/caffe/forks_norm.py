"""BN, of SegNet's Caffe or of PSPNet's, as the fields say; where there are none, PSPNet's. (Where there is a model, it
decides, and `formats/caffe/own_bn.py` then writes a field.)"""

from __future__ import annotations

from dataclasses import replace

from .....formats.caffe.own_bn import says_segnet
from ...ir.filler import Filler
from ...ir.graph import BlobSpec, Node
from ...ops.bn import BN
from .fields import Reader, Write, read_fields, writes

FILLERS = {"scale_filler": 1.0, "shift_filler": 0.0}, {"slope_filler": 1.0, "bias_filler": 0.0}
STATISTICS = Filler(value=0.0), Filler(value=1.0)  # mean and variance of PSPNet's


def _read_bn(node: Node, layer) -> BN:
    mode = layer.bn_param.bn_mode if says_segnet(layer) else None
    return read_fields(BN, layer.bn_param, bn_mode=mode)


def _write_mode(layer, mode: int | None) -> None:
    layer.bn_param.ClearField("bn_mode")
    if mode is not None:
        layer.bn_param.bn_mode = mode


def _read_bn_fillers(layer) -> tuple[Filler, ...]:
    """1 and 0 where there are none, as for Scale: the forks' own 0 would make a net's output constant."""
    parameter, segnets = layer.bn_param, says_segnet(layer)
    first = tuple(
        read_fields(Filler, getattr(parameter, name)) if parameter.HasField(name) else Filler(value=default)
        for name, default in FILLERS[not segnets].items()
    )
    return first if segnets else first + STATISTICS


def bn_specs(layer, specs: tuple[BlobSpec, ...]) -> tuple[BlobSpec, ...]:
    """No gradient changes PSPNet's statistics, nor anything of a frozen one; `specs` are those in the file."""
    if says_segnet(layer):
        return specs
    given = specs + (BlobSpec(),) * (4 - len(specs))
    return tuple(
        replace(spec, lr_mult=0.0, decay_mult=0.0) if number > 1 or layer.bn_param.frozen else spec
        for number, spec in enumerate(given)
    )


_WRITE: dict[str, Write] = {name: writes("bn_param", name) for name in ("momentum", "eps", "frozen")}
READERS = {"BN": Reader(_read_bn, {**_WRITE, "bn_mode": _write_mode}, _read_bn_fillers)}
