"""ONNX models and graphs.

write/        a graph -> an ONNX model
compare.py    a model in onnxruntime against the graph's own outputs

Importing this package imports onnx, which caffe64 does not require.
"""

from .compare import compare_with_onnxruntime, run_model
from .write.model import EXPORTS, onnx_model

__all__ = ["EXPORTS", "compare_with_onnxruntime", "onnx_model", "run_model"]
