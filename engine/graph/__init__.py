"""Nets as graphs of layers: what they compute, changed, run and compared. A folder imports from those above it.

ir/            Graph, Node, Blob, Op: what is computed from what, and whose the weights are
ops/           one file per family of layer types: shapes, forward, gradient, cost
analysis/      what a graph says without running: shapes, costs, labels, fillers, which layers need a gradient
reference/     graphs run layer by layer by plain code, which what runs them fast is held against
passes/        one file per pass: Graph -> Graph with the same outputs
plan/          graphs prepared to run as fast as they can
execution/     what runs users' nets: by a Plan, or with all blobs kept; gradients; timing
verification/  whether two graphs have the same outputs, and how large a difference counts
frontends/     caffe: messages and weights -> Graph, and back; onnx: Graph -> ONNX
"""
