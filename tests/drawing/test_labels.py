"""Short texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffe64.drawing.labels import amount, bytes_text, seconds_text, shape_text, shorten, text_width, total_text
from caffe64.drawing.net import DrawnLayer, DrawnNet, Total


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (7, "7"), (999, "999"), (1000, "1k"), (999_600, "1M"), (118_013_952, "118M")]
)
def test_amounts_have_three_digits(value, text):
    assert amount(value) == text


@pytest.mark.parametrize(("value", "text"), [(4, "4 B"), (1536, "1.5 KiB"), (15_163_200, "14.5 MiB")])
def test_bytes(value, text):
    assert bytes_text(value) == text


@pytest.mark.parametrize(("value", "text"), [(2, "2 s"), (0.0123, "12.3 ms"), (6.62e-5, "66.2 µs"), (3e-8, "30 ns")])
def test_seconds(value, text):
    assert seconds_text(value) == text


def test_shapes():
    assert [shape_text(shape) for shape in ((1, 64, 56, 56), (), None)] == ["1×64×56×56", "scalar", "?"]


@given(st.text(max_size=80), st.integers(30, 300))
def test_shortened_text_fits_and_keeps_its_ends(text, width):
    short = shorten(text, 11, width)
    whole = " ".join(text.split())
    if text_width(whole, 11) <= width:
        assert short == whole
    else:
        begin, _, end = short.partition("…")
        assert text_width(short, 11) <= width
        assert whole.startswith(begin)
        assert whole.endswith(end)


def test_totals_count_shared_weights_once_and_say_what_is_not_known():
    layers = (
        DrawnLayer("a", "Convolution", weights=((2, 3), (2,)), shared=((0, "w"),), macs=10, memory=8),
        DrawnLayer("b", "Convolution", weights=((2, 3), (2,)), shared=((0, "w"),), macs=5, memory=0, seconds=0.5),
        DrawnLayer("c", "Other"),
    )
    totals = DrawnNet("net", layers).totals()
    assert totals["parameters"] == Total(6 + 2 + 2, whole=False)
    assert totals["macs"] == Total(15, whole=False)
    assert totals["seconds"] == Total(0.5, whole=False)
    assert total_text("macs", totals["macs"]) == "≥ 15"
    assert "seconds" not in DrawnNet("net", layers[:1]).totals()
    assert total_text("macs", DrawnNet("net", layers[:2]).totals()["macs"]) == "15"
