"""Recurrent layers: their parameters and the fillers of their blobs, whose number depends on the bottoms."""

from __future__ import annotations

from ...ir.filler import Filler
from ...ops.lstm_forms import Lstm
from ...ops.recurrent import STATES, Recurrent
from .fields import Reader, by_name, filler_of


def _fillers(layer) -> tuple[Filler, ...]:
    parameter = layer.recurrent_param
    weight, bias = (filler_of(parameter, name, 0.0) for name in ("weight_filler", "bias_filler"))
    states = STATES[layer.type] if parameter.expose_hidden else 0
    static = [weight] if len(layer.bottom) - states == 3 else []
    return (weight, bias, *static, weight, *([weight, bias] if layer.type == "RNN" else []))


def _own_fillers(layer) -> tuple[Filler, ...]:
    weight, bias = (filler_of(layer.lstm_param, name, 0.0) for name in ("weight_filler", "bias_filler"))
    return weight, weight, bias


def _reader(kind: type, parameter: str, fillers) -> Reader:
    made = by_name(kind, parameter)
    return Reader(made.read, made.write, fillers)


READERS = {
    "LSTM": _reader(Recurrent, "recurrent_param", _fillers),
    "RNN": _reader(Recurrent, "recurrent_param", _fillers),
    "Lstm": _reader(Lstm, "lstm_param", _own_fillers),
}
