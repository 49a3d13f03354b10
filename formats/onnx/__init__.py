"""ONNX files: bytes -> checked plain records, without protobuf messages (`records.py`).

Importing this package does not import onnx; reading a file does.
"""
