"""Nets as graphs of layers: what they compute, changed, run and compared. A folder imports from those above it.

ir/            Graph, Node, Blob, Op: what is computed from what, and the owner of the weights
ops/           one file per family of layer types: shapes, forward, gradient, cost
analysis/      what follows from a graph without a run: shapes, costs, labels, fillers, which layers need a gradient
reference/     graphs run layer by layer by plain code, to compare with
passes/        one file per pass: Graph -> Graph with the same outputs
plan/          graphs prepared to run as fast as they can
execution/     running users' nets: by a Plan, or with all blobs kept; gradients; timing
verification/  whether two graphs have the same outputs, and how large a difference counts
frontends/     caffe: messages and weights -> Graph, and back; onnx: Graph -> ONNX
"""
