"""An ONNX model's records -> a graph of layers with the same inputs, outputs and arithmetic.

model.py         the whole model              builder.py   layers, values and their shapes for several batches
refusals.py      operators that no layer has
filters.py, pooling.py, affine.py, broadcast.py, elementwise.py, statistics.py, arrangement.py, pictures.py
                 one per family: operator -> function(builder, node) that adds its layers and gives its outputs
"""
