"""Graphs that run: all blobs kept, as fast as they can, backward, timed."""
