"""The sum of two parts of a gradient."""
