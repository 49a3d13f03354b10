"""Analysis of a graph without running it: shapes, cost, which blobs may share memory."""
