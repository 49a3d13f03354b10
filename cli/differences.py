"""Differences of outputs as `optimize`, `verify` and `export` show them."""

from __future__ import annotations

from ..caffe.verify import Difference


def difference_line(each: Difference) -> str:
    return f"{each.output!r} differs by at most {each.relative:.2g} relative, {each.absolute:.2g} absolute"
