"""Bytes and text <-> specs and arrays. One file a format; imports nothing of the engine but `jit`."""
