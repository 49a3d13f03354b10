"""Text from files inside HTML and SVG."""

from __future__ import annotations

import re

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")  # what XML cannot hold


def escaped(value: str) -> str:
    """Escaped for SVG and HTML, in attributes as well; characters that XML does not have become U+FFFD."""
    from html import escape  # 6 ms, mostly for names of characters

    return escape(CONTROL.sub("\ufffd", value))
