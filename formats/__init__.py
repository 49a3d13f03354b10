"""Bytes and text <-> specs and arrays. One file per format."""
