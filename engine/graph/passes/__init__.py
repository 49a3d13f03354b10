"""Rewrites of a graph that keep its outputs: one file per pass."""
