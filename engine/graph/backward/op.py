"""What the engine knows of a layer type's gradients.

A file of this folder says it for a family of types:

    prepare(node, bottoms, tops, run)   for these shapes, and for `run`, which the layer's Op prepared: a function
                                        back(inputs, outputs, output_gradients, input_gradients, weight_gradients)

`back` runs after `run`, on what that read and wrote: lists of float32 C-contiguous arrays, one a blob, gradients of
their blob's shape. It overwrites the input gradients and adds to the weight gradients; None stands for one that nobody
wants. No array overlaps another, but where the layer works in place an input gradient may be the output gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Run

Arrays = Sequence[np.ndarray]
Gradients = Sequence[np.ndarray | None]
Back = Callable[[Arrays, Arrays, Arrays, Gradients, Gradients], None]


@dataclass(frozen=True)
class Backward:
    """One layer type. `labels` are the bottoms to which it gives no gradient; `loss` says that its top is a loss, of
    which gradients are taken unless loss_weight is 0."""

    type: str
    prepare: Callable[[Node, list[Shape], list[Shape], Run], Back]
    labels: tuple[int, ...] = ()
    loss: bool = False
