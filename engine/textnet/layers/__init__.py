"""The layers of a text net: one file per layer, and this table.

A new layer of the package is a file here and a line in the table. A layer of the user's own is the same file
anywhere, and `register(LAYER)`.
"""

from __future__ import annotations

from ....errors import UsageError
from ....formats.network import GRAMMAR, add_word
from . import bce, bnm, drp, hub, inp, l2l, lin, lky, rel, sce, sft, sig, smx, tnh
from .layer import TextLayer

BUILT_IN_LAYERS = (inp, lin, rel, lky, tnh, sig, smx, drp, bnm, sce, sft, bce, l2l, hub)
TABLE: dict[str, TextLayer] = {module.LAYER.word.name: module.LAYER for module in BUILT_IN_LAYERS}


def register(layer: TextLayer) -> TextLayer:
    """Make `layer` known to network files and nets. Raises UsageError if its word is taken by a built-in layer, or its
    functions do not go together."""
    name = layer.word.name
    if layer.across and not layer.train:
        raise UsageError(f"the layer {name!r} is across, which needs train")
    if layer.train and layer.picks:
        raise UsageError(f"the layer {name!r} has train, which does not pick rows: expected picks=False")
    if name in TABLE and TABLE[name].word.meaning != layer.word.meaning:
        raise UsageError(f"the layer word {name!r} is taken")
    if name not in GRAMMAR:
        add_word(layer.word)
    TABLE[name] = layer
    return layer
