"""inp F B: the input, F features per row, B rows per minibatch. It computes nothing: the loop gathers the rows."""

from __future__ import annotations

from ....formats.network import GRAMMAR
from ...compiler.jit import kernel
from ...vectors.copying import copy
from .layer import FORWARD, TextLayer


@kernel(FORWARD)
def forward(x, p, settings, y, scratch):
    """Writes y [B, F] = x [B, F]."""
    copy(x, 0, y, 0, x.size)


LAYER = TextLayer(word=GRAMMAR["inp"], forward=forward)
