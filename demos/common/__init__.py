"""Shared by the demos: finding their data, a progress bar, pictures."""
