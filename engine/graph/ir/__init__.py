"""What a graph is: blobs, nodes, and what the engine knows of a layer type."""
