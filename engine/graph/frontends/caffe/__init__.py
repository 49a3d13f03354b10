"""A NetParameter message -> graph, and back."""
