"""The weights of a Caffe net: taken from files and other nets, and written."""

from __future__ import annotations

import os
from typing import Self

from ..arguments import file_name, flag, instance
from ..engine.graph.ir.graph import Graph
from .gradients import NetGradients
from .weights import copy_weights, save_net, share_weights


class NetWeights:
    """Of a net of this `graph`, whose `notices` say what was not taken."""

    graph: Graph
    notices: list[str]
    _gradients: NetGradients

    def copy_from(self, caffemodel: str | os.PathLike[str]) -> None:
        """Take the weights of a model, as of `load_caffe`, for the layers that it has by name; others keep theirs, with
        a notice in `notices`.

        Raises InputError for a layer with blobs of other shapes, and a file that has none of the layers.
        """
        kept = copy_weights(self.graph, file_name(caffemodel)).kept
        self.notices += [f"{os.fspath(caffemodel)} has no weights for {name!r}, which keeps its own" for name in kept]

    def share_with(self, other: Self) -> None:
        """Use the weights of `other`, the same memory, in the layers that it has by name; others keep theirs.

        Raises UsageError for weights of other shapes.
        """
        instance("the other net", other, NetWeights, "a caffe64.CaffeNet")
        share_weights(self.graph, other.graph)
        self._gradients.forget(weights=True)

    def save(
        self, path: str | os.PathLike[str], caffemodel: str | os.PathLike[str] | None = None, *, half: bool = False
    ) -> None:
        """save(prototxt, caffemodel) writes the net and its weights; save("NAME.caffemodel") the weights alone, as in
        pycaffe, save("NAME.prototxt") the net alone. `half`: filters and matrices as float16, half the size, which
        NVIDIA's Caffe and OpenCV read, but not Caffe itself. Raises UsageError for one file of another name, InputError
        for weights beyond float16, OutputError."""
        save_net(self.graph, path, caffemodel, half=flag("half", half))
