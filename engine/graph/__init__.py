"""The Caffe side of the engine: graphs of layers, their shapes, passes over them, and running them.

graph.py     Graph, Node, Blob: what is computed from what
build.py     a NetParameter message and its weights -> Graph, and back
op.py        Op: what the engine knows of a layer type
layers/      one file a family of layer types: shapes, forward, cost
backward/    one file a family of layer types: gradients
shapes.py    shapes of all blobs for given inputs
runtime.py   a Graph with memory for its blobs: forward
needs.py     which layers run backward, and for what
gradients.py memory for gradients: backward
passes/      one file a pass: Graph -> Graph with the same outputs
onnx_export/ one file a family of layer types: Graph -> ONNX
"""
