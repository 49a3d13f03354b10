"""Differences of outputs as `optimize`, `verify` and `export` show them."""

from __future__ import annotations

from ..caffe.verify import Difference


def difference_line(each: Difference) -> str:
    figures = f"{each.relative:.2g} relative, {each.absolute:.2g} absolute"
    return f"{each.output!r} differs by at most {figures}" + (f": {each.note}" if each.note else "")
