"""The vector type and its verbs, views, copies, exp and tanh, bytes as vectors."""
