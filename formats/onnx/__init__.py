"""ONNX files: bytes -> checked plain records, without protobuf messages (`records.py`).

Importing this package does not import onnx; reading a file does.
"""

from .inputs import check_types
from .losses import losses
from .message import is_onnx
from .outline import read_outline
from .read import read_onnx
from .records import Dimension, OnnxModel, OnnxNode, OnnxOutline, OnnxValue

__all__ = [
    "Dimension",
    "OnnxModel",
    "OnnxNode",
    "OnnxOutline",
    "OnnxValue",
    "check_types",
    "is_onnx",
    "losses",
    "read_onnx",
    "read_outline",
]
