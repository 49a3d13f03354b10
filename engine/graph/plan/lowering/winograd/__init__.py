"""Convolutions by Winograd's algorithm."""

from .convolve import WINOGRAD

__all__ = ["WINOGRAD"]
