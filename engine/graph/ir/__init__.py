"""The graph: blobs, nodes, and the interface of layer types."""
