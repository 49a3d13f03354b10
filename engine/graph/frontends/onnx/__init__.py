"""A graph of Caffe layers -> an ONNX model with the same inputs, outputs and arithmetic.

builder.py       nodes, initialisers, names               batch.py     which axes grow with the batch
filters.py, pooling.py, affine.py, elementwise.py, statistics.py, arrangement.py
                 one per family: layer type -> function(builder, layer) that adds its nodes
compare.py       the model in onnxruntime against the graph's own outputs

Importing this package imports onnx, which caffe64 does not require.
"""

from .compare import compare_with_onnxruntime, run_model
from .model import EXPORTS, onnx_model

__all__ = ["EXPORTS", "compare_with_onnxruntime", "onnx_model", "run_model"]
