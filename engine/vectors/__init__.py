"""The vector type and its operations, views, copies, exp and tanh, bytes as vectors."""
