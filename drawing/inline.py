"""A picture, or a whole page, as a piece of HTML inside another page, such as a notebook.

Neither sees the styles of the page around it, nor that page theirs; scripts of the page in a frame cannot reach out.
"""

from __future__ import annotations

import base64

from ..markup import escaped
from .picture import Picture
from .svg import draw_alone

TALLEST = 480  # pixels; more is scrolled


def inline_picture(picture: Picture) -> str:
    """An <img> that holds the SVG file of a picture."""
    data = base64.b64encode(draw_alone(picture).encode()).decode()
    image = f'<img alt="{escaped(picture.net.name)}" style="max-width:none" src="data:image/svg+xml;base64,{data}">'
    return f'<div style="max-height:{TALLEST}px;overflow:auto">{image}</div>'


def inline_page(page: str, title: str) -> str:
    """An <iframe> that holds a page of `make_page`."""
    style = f"width:100%;height:{TALLEST}px;border:1px solid #8792a2"
    return (
        f'<iframe title="{escaped(title)}" sandbox="allow-scripts" style="{style}" srcdoc="{escaped(page)}"></iframe>'
    )
