"""File formats of nets -> graphs, and back."""
