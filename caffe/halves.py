"""A net with weights rounded to float16, as a file with such weights holds it."""

from __future__ import annotations

from ..engine.graph.analysis.halves import rounded
from .net import CaffeNet


def rounded_net(net: CaffeNet) -> CaffeNet:
    """A copy whose filters and matrices are rounded, in float32. Raises InputError for weights beyond float16."""
    made = CaffeNet(rounded(net.graph), path=net.path, threads=net.threads, exact=net.exact)
    made._shapes = dict(net._shapes)
    return made
