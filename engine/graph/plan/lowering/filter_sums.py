"""Where sums of gradients of filters and biases lie, and how they are added to Caffe's layout."""

from __future__ import annotations

from typing import NamedTuple

from ....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ....compiler.jit import inline
from ....products.pixel_tile import PANEL
from ....vectors.copying import copy_transposed
from ....vectors.simd import element, load, load_part, store, store_element, store_part
from ..steps import Scratch


class FilterPlaces(NamedTuple):
    """Where sums and gradients lie, in bytes. Gradients may be anywhere, also before the arena."""

    groups: int
    merged: int  # groups of the filters that are one group, of which an output has the places of its own alone
    blocks: int  # of LANES outputs, of a group
    outputs: int  # of a group
    planes: int
    taps: int  # of a place; 0: the filters' gradient is not wanted
    pixel: int  # places of a plane
    places: int  # of a group
    parts: int
    sums: int  # of the first part; -1: in scratch
    part: int  # from a part to the next
    filters: int  # the gradients
    biases: int
    has_biases: int
    scratch: Scratch


@inline
def add_sums(arena, f, sums, group, panel, plane, tile):
    """Add the sums of a panel and a plane, those of all parts in order, to the gradient of the filters: lines of LANES
    taps of LANES outputs are transposed. `tile`: scratch."""
    if f.merged > 1:
        _add_diagonal(arena, f, sums, group, panel, plane)
        return
    vectors, first = min(PANEL, f.blocks - panel * PANEL), plane * f.pixel
    count = min(f.pixel, f.places - first) * f.taps
    output = f.places * f.taps * FLOAT_BYTES
    for v in range(vectors):
        outputs = min(LANES, f.outputs - (panel * PANEL + v) * LANES)
        to = f.filters + (group * f.outputs + (panel * PANEL + v) * LANES) * output + first * f.taps * FLOAT_BYTES
        for n in range(0, count, LANES):
            number = min(LANES, count - n)
            for k in range(number):
                place, tap = (n + k) // f.taps, (n + k) % f.taps
                line = sums + ((tap * f.pixel + place) * vectors + v) * VECTOR_BYTES
                total = load(arena, line)
                for part in range(1, f.parts):
                    total = total + load(arena, line + part * f.part)
                store(arena, tile + k * VECTOR_BYTES, total)
            turned = tile + LANES * VECTOR_BYTES
            copy_transposed(arena, tile, VECTOR_BYTES, arena, turned, VECTOR_BYTES)
            for lane in range(outputs):
                at = to + lane * output + n * FLOAT_BYTES
                if number == LANES:
                    store(arena, at, load(arena, at) + load(arena, turned + lane * VECTOR_BYTES))
                else:
                    added = load_part(arena, at, number) + load(arena, turned + lane * VECTOR_BYTES)
                    store_part(arena, at, added, number)


@inline
def _add_diagonal(arena, f, sums, group, panel, plane):
    """The same of groups that are merged: few numbers, one by one."""
    vectors = min(PANEL, f.blocks - panel * PANEL)
    own_outputs, own_places = f.outputs // f.merged, f.places // f.merged
    for o in range(panel * PANEL * LANES, min(f.outputs, (panel * PANEL + vectors) * LANES)):
        start = o // own_outputs * own_places
        to = f.filters + ((group * f.outputs + o) * own_places - start) * f.taps * FLOAT_BYTES
        column = sums + (o // LANES - panel * PANEL) * VECTOR_BYTES + o % LANES * FLOAT_BYTES
        for place in range(max(start, plane * f.pixel), min(start + own_places, (plane + 1) * f.pixel)):
            for tap in range(f.taps):
                at = column + (tap * f.pixel + place - plane * f.pixel) * vectors * VECTOR_BYTES
                total = element(arena, at)
                for part in range(1, f.parts):
                    total = total + element(arena, at + part * f.part)
                line = to + (place * f.taps + tap) * FLOAT_BYTES
                store_element(arena, line, element(arena, line) + total)


@inline
def places_read(f, panel, plane):
    """The first place and the one behind the last of a plane that an output of a panel has, from the plane's on."""
    low, high = plane * f.pixel, min(f.places, (plane + 1) * f.pixel)
    if f.merged > 1:
        outputs, places = f.outputs // f.merged, f.places // f.merged
        last = min(f.outputs, (panel + 1) * PANEL * LANES) - 1
        low, high = max(low, panel * PANEL * LANES // outputs * places), min(high, (last // outputs + 1) * places)
    return low - plane * f.pixel, high - plane * f.pixel


@inline
def add_biases(arena, f, sums, group, panel):
    """The same for the biases; `sums` of the panel's."""
    for v in range(min(PANEL, f.blocks - panel * PANEL)):
        block = panel * PANEL + v
        total = load(arena, sums + v * VECTOR_BYTES)
        for part in range(1, f.parts):
            total = total + load(arena, sums + v * VECTOR_BYTES + part * f.part)
        number, to = min(LANES, f.outputs - block * LANES), f.biases + (group * f.outputs + block * LANES) * FLOAT_BYTES
        store_part(arena, to, load_part(arena, to, number) + total, number)


@inline
def bias_sums_at(f, group, panel):
    """Where the sums of a panel's biases are, from a part's first sum on: behind those of all filters."""
    return (f.groups * f.blocks * f.planes * f.taps * f.pixel + group * f.blocks + panel * PANEL) * VECTOR_BYTES


@inline
def filter_sums_at(f, group, panel, plane):
    """Where the sums of a panel and a plane are."""
    vectors, depth = min(PANEL, f.blocks - panel * PANEL), f.taps * f.pixel
    return ((group * f.blocks + panel * PANEL) * f.planes * depth + plane * depth * vectors) * VECTOR_BYTES
