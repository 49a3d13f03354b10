"""Arithmetic on arrays and specs. Knows no file syntax and prints nothing."""
