"""One net, or two side by side, as one HTML file that fetches nothing.

The SVG in it is a whole picture without any script; pane.js and page.js add moving, searching, opening and the panel. A
content security policy allows this style sheet and this script, by their hashes, and nothing else. The panel's data
is JSON in a <script> that is not run, with < escaped; page.js only ever puts it into the page as text.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from ..markup import escaped
from .kinds import DARK, LIGHT, SHAPES, style_sheet
from .labels import total_text
from .layout import MARGIN, TIP
from .net import DrawnNet, Total
from .panel import panel_of
from .picture import LONG, Picture
from .svg import draw, kinds_and_marks

TITLES = {"layers": "layers", "parameters": "parameters", "macs": "MACs", "memory": "activations", "seconds": "time"}


def make_page(pictures: Sequence[Picture]) -> str:
    """The page of one picture, or of two: the net before and after."""
    opened = max(len(picture.net.layers) for picture in pictures) <= LONG
    title = " and ".join(dict.fromkeys(picture.net.name for picture in pictures))
    style, script = _style(), _file("pane.js") + _file("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; "
        "form-action 'none'"
    )
    data = {"opened": opened, "margin": MARGIN, "tip": TIP, "nets": [_data(picture) for picture in pictures]}
    panes = "\n".join(_pane(pictures, number, opened) for number in range(len(pictures)))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escaped(title)}</title>
<style>{style}</style>
</head>
<body>
<header>
<div class="about">
<h1>{escaped(title)}</h1>
{_totals([picture.net for picture in pictures])}
</div>
<div class="tools" role="toolbar" aria-label="view" hidden>
<input id="search" type="search" placeholder="search layers" aria-label="search layers" spellcheck="false">
<output id="found"></output>
<button id="units" type="button" title="Show or hide the layers of units (E)"></button>
<button id="out" type="button" title="Zoom out (-)" aria-label="zoom out">−</button>
<button id="in" type="button" title="Zoom in (+)" aria-label="zoom in">+</button>
<button id="fit" type="button" title="The whole net (0)">fit</button>
<button id="theme" type="button" title="Dark or light" aria-label="dark or light">◐</button>
</div>
<ul class="legend">{_legend(pictures)}</ul>
</header>
<main>
{panes}
<aside id="panel" aria-live="polite" hidden></aside>
</main>
<script type="application/json" id="data">{_json(data)}</script>
<script>{script}</script>
</body>
</html>
"""


def _pane(pictures: Sequence[Picture], number: int, opened: bool) -> str:
    heading = f"<h2>{('before', 'after')[number]}</h2>\n" if len(pictures) > 1 else ""
    drawn = draw(pictures[number], opened=opened, number=number)
    return f'<section class="pane" data-pane="{number}">\n{heading}<div class="canvas">{drawn}</div>\n</section>'


def _totals(nets: Sequence[DrawnNet]) -> str:
    totals = [net.totals() for net in nets]
    keys = [key for key in TITLES if any(key in each for each in totals)]
    head = "".join(f"<th scope=col>{TITLES[key]}</th>" for key in keys)
    names = ("before", "after") if len(nets) > 1 else ("",)
    rows = [
        f"<tr><th scope=row>{name}</th>"
        + "".join(f"<td>{total_text(key, each[key]) if key in each else ''}</td>" for key in keys)
        + "</tr>"
        for name, each in zip(names, totals, strict=True)
    ]
    if len(nets) > 1:
        changes = "".join(f"<td>{_change(*(each.get(key) for each in totals))}</td>" for key in keys)
        rows.append(f'<tr class="change"><th scope=row>change</th>{changes}</tr>')
    return f'<table class="totals"><thead><tr><td></td>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _change(before: Total | None, after: Total | None) -> str:
    if not (before and after and before.whole and after.whole and before.value):
        return ""
    if before.value == after.value:
        return "none"
    return f"{100 * (after.value / before.value - 1):+.3g} %".replace("-", "−")


def _legend(pictures: Sequence[Picture]) -> str:
    entries = dict.fromkeys(entry[:2] for picture in pictures for entry in kinds_and_marks(picture))
    return "".join(
        f'<li class="{name}"><svg width="12" height="12" aria-hidden="true">'
        f'<rect class="{"bar" if name.startswith("k-") else "box"}" x="1" y="1" width="10" height="10"/></svg>'
        f"{escaped(title)}</li>"
        for name, title in entries
    )


def _data(picture: Picture) -> dict[str, Any]:
    layout, totals = picture.layout, picture.net.totals()
    return {
        "layers": [
            {"name": layer.name, "type": layer.type, "twin": fate.twin, "panel": panel_of(layer, fate, totals)}
            for _, layer, fate in picture.members
        ],
        "units": [[member.number for member in unit] for unit in picture.units],
        "heights": picture.heights,
        "left": [x - picture.width / 2 for x in layout.x],
        "unitWidth": picture.width,
        "rank": layout.rank,
        "edges": layout.edges,
        "routes": layout.routes,
        "gaps": layout.gaps,
        "width": layout.width,
    }


def _json(data: Any) -> str:
    """JSON that cannot end the element that it stands in."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e")


def _style() -> str:
    return "\n".join(
        (
            _file("page.css"),
            SHAPES,
            style_sheet(LIGHT),
            "@media screen and (prefers-color-scheme: dark){",
            style_sheet(DARK, ":root:not([data-theme=light])"),
            "}\n@media screen{",
            style_sheet(DARK, ":root[data-theme=dark]"),
            "}",
        )
    )


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
