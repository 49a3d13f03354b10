"""A graph of layers -> an ONNX model with the same inputs, outputs and arithmetic.

model.py         the whole model              builder.py   nodes, initialisers, names
batch.py         which axes grow with the batch
filters.py, pooling.py, affine.py, elementwise.py, statistics.py, arrangement.py, resize.py, selection.py,
detection.py, recurrent.py
                 one per family: layer type -> function(builder, layer) that adds its nodes
"""
