"""ONNX models -> graphs (`read/`), and graphs -> ONNX models (`write/`), with a check of these in onnxruntime
(`compare.py`). `write/` and `compare.py` import the package onnx, `read/` has the records of `formats/onnx/`."""
