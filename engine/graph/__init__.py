"""The Caffe side of the engine: graphs of layers, their shapes, passes over them, and running them.

ir/            Graph, Node, Blob: what is computed from what; Op: what the engine knows of a layer type
ops/           one file per family of layer types: attributes, shapes, forward, gradient, cost
analysis/      shapes of all blobs for given inputs, costs, initial weights
passes/        one file per pass: Graph -> Graph with the same outputs
plan/          a Graph as fast as it can be
execution/     a Graph that runs: forward, backward, timed
verification/  two graphs compared
frontends/     Caffe's messages -> Graph, and back; Graph -> ONNX
"""
