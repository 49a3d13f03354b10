"""A trained net in formats of other programs: ONNX models and C."""
