"""A net as SVG: units of layers as boxes, edges as paths; as a file of its own with title and legend.

On a page, each unit of several layers is drawn twice, shut and open; a class of the unit says which one is seen.
"""

from __future__ import annotations

from ..markup import escaped
from .boxes import box_height, draw_box, draw_toggle
from .kinds import DARK, KINDS, LIGHT, MARKS, SHAPES, UNKNOWN, kind_of, style_sheet
from .labels import shorten, text_width
from .layout import edge_path, stack_rows
from .picture import LONG, Picture


def draw(picture: Picture, *, opened: bool, both: bool = True, number: int = 0) -> str:
    """The <svg> element of a picture, its units open or shut; with `both`, each unit in both ways. `number` keeps the
    ids of two on a page apart."""
    heights = [pair[opened] for pair in picture.heights]
    rows = stack_rows(picture.layout, heights)
    edges = "\n".join(
        f'<path class="edge" data-edge="{edge}" marker-end="url(#tip{number})" '
        f'd="{edge_path(picture.layout, rows, heights, edge)}"/>'
        for edge in range(len(picture.layout.edges))
    )
    units = "\n".join(_draw_unit(picture, index, rows.y[index], opened, both) for index in range(len(picture.units)))
    width, height = picture.layout.width, rows.height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="net" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="group" aria-label="{escaped(picture.net.name)}">\n'
        f'<defs><marker id="tip{number}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path class="tip" d="M0 0.5L8 4L0 7.5z"/></marker></defs>\n'
        f'<g class="view">\n<g class="edges">\n{edges}\n</g>\n{units}\n</g>\n</svg>'
    )


def _draw_unit(picture: Picture, index: int, y: float, opened: bool, both: bool) -> str:
    unit, width = picture.units[index], picture.width
    x = picture.layout.x[index] - width / 2
    head = f'<g class="unit{" open" if opened else ""}" data-unit="{index}" transform="translate({x:g} {y:g})">'
    if len(unit) == 1 or not (opened or both):
        return f"{head}{draw_box(unit, width, 0)}</g>"
    boxes, position = [], 0.0
    for each in unit:
        boxes.append(draw_box([each], width, position))
        position += box_height([each])
    if not both:
        return f"{head}{''.join(boxes)}</g>"
    return (
        f'{head}<g class="shut">{draw_box(unit, width, 0)}{draw_toggle(width, opened=False)}</g>'
        f'<g class="opened">{"".join(boxes)}{draw_toggle(width, opened=True)}</g></g>'
    )


def draw_alone(picture: Picture) -> str:
    """A whole SVG file: title, legend, the net, its units shut if it is long."""
    opened = len(picture.net.layers) <= LONG
    inner = draw(picture, opened=opened, both=False)
    heights = [pair[opened] for pair in picture.heights]
    legend, legend_width, legend_height = _legend(picture)
    width = max(picture.layout.width, legend_width)
    height = stack_rows(picture.layout, heights).height + legend_height
    style = f"{SHAPES}{style_sheet(LIGHT)}\n@media (prefers-color-scheme: dark){{\n{style_sheet(DARK)}\n}}"
    shift = f"translate({(width - picture.layout.width) / 2:g} {legend_height:g})"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}">\n<title>{escaped(picture.net.name)}</title>\n<style>{style}</style>\n'
        f'<rect class="paper" width="100%" height="100%"/>\n{legend}\n<g transform="{shift}">\n{inner}\n</g>\n</svg>\n'
    )


def kinds_and_marks(picture: Picture) -> list[tuple[str, str, str]]:
    """(class, title, colour) of the entries of the legend: the kinds and marks in the picture."""
    types = {kind_of(layer) for layer in picture.net.layers}
    marks = {member.fate.mark for member in picture.members}
    return [(f"k-{kind.key}", kind.title, kind.colour) for kind in (*KINDS, UNKNOWN) if kind in types] + [
        (f"m-{mark}", mark, colour) for mark, colour in MARKS.items() if mark in marks
    ]


def _legend(picture: Picture) -> tuple[str, float, float]:
    """The name of the net and two columns of colours; their width and height."""
    title = shorten(picture.net.name, 16, 400)
    parts = [f'<text class="ink" x="24" y="36" font-weight="600" style="font-size:15px">{escaped(title)}</text>']
    entries = kinds_and_marks(picture)
    for number, (_, name, colour) in enumerate(entries):
        x, y = 24 + number % 2 * 120, 52 + number // 2 * 18
        parts.append(f'<rect x="{x}" y="{y}" width="10" height="10" rx="2" fill="{colour}"/>')
        parts.append(f'<text class="soft" x="{x + 16}" y="{y + 9}">{escaped(name)}</text>')
    rows = (len(entries) + 1) // 2
    return "\n".join(parts), max(288.0, 48 + text_width(title, 16)), 52.0 + 18 * rows
