"""Nets as ONNX models in onnxruntime: what compares them where kernels do not run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import __version__
from ..engine.compiler.support import obstacle
from ..engine.graph.analysis.shapes import infer_shapes
from ..engine.graph.ops import OPS
from ..engine.graph.passes.drop_dead_layers import drop_dead_layers
from ..engine.graph.verification.rows import FoundRows
from ..errors import InputError, UsageError
from .export import require
from .net import CaffeNet
from .sides import Arrays, CaffeSide, largest


class ExportedSide(CaffeSide):
    """A Caffe net, or one that was read from ONNX, as the ONNX model that `export_onnx` writes, run layer by layer by
    onnxruntime: none of its own folding takes part in a comparison. Raises UsageError without the packages."""

    def __init__(self, net: CaffeNet):
        super().__init__(net)
        self.graph, self.place = None, "onnxruntime"
        for package in ("onnx", "onnxruntime"):
            require(package, f"comparing nets, where kernels do not run ({obstacle()}),")

    def run(self, inputs: Arrays, *, reference: bool) -> Arrays:
        from ..engine.graph.frontends.onnx.compare import run_model
        from ..engine.graph.frontends.onnx.origin import model_outputs
        from ..engine.graph.frontends.onnx.write.model import onnx_model

        graph = self.net.graph.copy()
        drop_dead_layers(graph)
        taken = {blob.name for blob in graph.inputs}
        shapes = infer_shapes(graph, {name: values.shape for name, values in inputs.items() if name in taken})
        try:
            model = onnx_model(graph, shapes, __version__)
        except InputError as error:
            raise UsageError(f"{self.path}: is compared in onnxruntime, as {obstacle()}: {error.found}") from None
        names = [blob.name for blob in model_outputs(graph)]
        found = dict(zip(names, run_model(model, inputs, fuse=False)[0].values(), strict=True))
        return {blob.name: found[blob.name] for blob in graph.results if blob.name in found}

    def scales(self, inputs: Arrays, outputs: Arrays) -> Mapping[str, Any]:
        """The largest value of each output; of detections, rows in any order."""
        keys = {top.name: OPS[node.type].row_keys for node in self.net.graph.nodes for top in node.tops}
        rows = {name: FoundRows(keys[name], (outputs[name],)) for name in outputs if keys[name]}
        return {**largest(outputs), **rows}


def side_of(net: CaffeNet) -> CaffeSide:
    """A net where it can run: in caffe64, or, where kernels do not run, in onnxruntime."""
    return ExportedSide(net) if obstacle() else CaffeSide(net)
