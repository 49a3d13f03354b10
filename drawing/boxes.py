"""The box of a layer, and of a unit of layers that is shut, as SVG.

All that comes from files goes through `escaped`, which escapes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..markup import escaped
from .compare import Fate
from .kinds import kind_of
from .labels import amount, seconds_text, shape_text, shorten, text_width
from .net import DrawnLayer

LINE, PAD = 15.0, 7.0  # between lines of text, and around them
LEFT, RIGHT = 14.0, 8.0  # beside the text
NAME, PLAIN, MARK, SHAPE = 13.0, 11.0, 12.0, 10.5  # sizes to measure text with; bold ones are a little wider
TOGGLE = 18.0  # where the name of a unit ends
NARROWEST, WIDEST = 150.0, 250.0


class Member(NamedTuple):
    """A layer that a box shows, its number in the net and its fate."""

    number: int
    layer: DrawnLayer
    fate: Fate


def box_width(members: Sequence[Member]) -> float:
    """A width in which most texts of these layers' boxes fit."""
    return min(WIDEST, max((_wanted_width(each.layer, each.fate) for each in members), default=NARROWEST))


def _wanted_width(layer: DrawnLayer, fate: Fate) -> float:
    last = text_width(_shape(layer), SHAPE) + 16 + text_width(_cost([layer]), PLAIN)
    lines = (text_width(layer.name, NAME) + TOGGLE, text_width(_type(layer), PLAIN), text_width(fate.brief, MARK), last)
    return LEFT + max(NARROWEST - LEFT - RIGHT, *lines) + RIGHT


def box_height(members: Sequence[Member]) -> float:
    """Of the box of a layer, or of several as one."""
    return 2 * PAD + LINE * (3 + bool(members[0].fate.mark) + (len(members) > 1))


def draw_box(members: Sequence[Member], width: float, y: float) -> str:
    """One box. Of several layers it shows the first one, the types of the others, and the last one's output."""
    first, fate = members[0].layer, members[0].fate
    layers = [each.layer for each in members]
    lines, cost = _lines(members, width - LEFT - RIGHT), _cost(layers)
    drawn = "".join(
        f'<text class="{style}" x="{LEFT:g}" y="{y + PAD + LINE * (row + 0.76):g}">{line}</text>'
        for row, (style, line) in enumerate(lines)
    )
    base, height = y + PAD + LINE * (len(lines) - 0.24), box_height(members)
    style = f"layer k-{kind_of(first).key}" + (f" m-{fate.mark}" if fate.mark else "")
    title = "\n".join(f"{layer.name}: {_type(layer)}" for layer in layers)
    return (
        f'<g class="{style}" data-layers="{" ".join(str(each.number) for each in members)}" tabindex="0" '
        f'role="button" aria-label="{escaped(first.name)}"><title>{escaped(title)}</title>'
        f'<rect class="box" y="{y:g}" width="{width:g}" height="{height:g}" rx="5"/>'
        f'<rect class="bar" x="4" y="{y + 5:g}" width="4" height="{height - 10:g}" rx="2"/>{drawn}'
        f'<text class="soft" text-anchor="end" x="{width - RIGHT:g}" y="{base:g}">{escaped(cost)}</text></g>'
    )


def _lines(members: Sequence[Member], room: float) -> list[tuple[str, str]]:
    """(class, escaped text) of each line."""
    first, fate = members[0].layer, members[0].fate
    lines = [
        ("name ink", escaped(shorten(first.name, NAME, room - TOGGLE))),
        ("soft", escaped(shorten(_type(first), PLAIN, room))),
    ]
    if len(members) > 1:
        lines.append(("soft", "+ " + " · ".join(map(_follower, members[1:]))))
    if fate.mark:
        lines.append(("mark", escaped(shorten(fate.brief, MARK, room))))
    layers = [each.layer for each in members]
    beside = text_width(_cost(layers), PLAIN) + 8
    return [*lines, ("shape soft", escaped(shorten(_shape(layers[-1]), SHAPE, room - beside)))]


def _follower(member: Member) -> str:
    mark, name = member.fate.mark, escaped(member.layer.type)
    gone = " gone" if mark in ("folded", "removed") else ""
    return f'<tspan class="t-{mark}{gone}">{name}</tspan>' if mark else name


def draw_toggle(width: float, *, opened: bool) -> str:
    """The arrow of a unit that opens or shuts it."""
    label, shape = ("draw as one", "M-2 0h10l-5 6z") if opened else ("show its layers", "M0 -2l6 5l-6 5z")
    return (
        f'<g class="toggle" role="button" tabindex="0" aria-label="{label}" transform="translate({width - 17:g} 10)">'
        f'<title>{label}</title><rect x="-7" y="-8" width="22" height="22" fill="none" pointer-events="all"/>'
        f'<path class="soft" d="{shape}"/></g>'
    )


def _type(layer: DrawnLayer) -> str:
    return f"{layer.type} {layer.label}".strip()


def _shape(layer: DrawnLayer) -> str:
    more = f" +{len(layer.outputs) - 1}" if len(layer.outputs) > 1 else ""
    return shape_text(layer.outputs[0][1]) + more if layer.outputs else ""


def _cost(layers: Sequence[DrawnLayer]) -> str:
    """The time of these layers, or where none was measured their multiply-accumulates."""
    seconds = [layer.seconds for layer in layers if layer.seconds is not None]
    if seconds:
        return seconds_text(sum(seconds))
    macs = sum(layer.macs or 0 for layer in layers)
    return f"{amount(macs)} MACs" if macs else ""
