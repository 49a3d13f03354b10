"""Records that a kernel reads: what protobuf makes of the same bytes, or nothing."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe64.formats.caffe.datum import DATUM, BadRecord, parse_datum
from caffe64.formats.plain_datums import LARGEST_SIDE, plain_pixels

SHAPES = st.tuples(*[st.integers(1, 4)] * 3)


def message(shape, pixels: bytes, label: int, **more) -> bytes:
    channels, height, width = shape
    return DATUM(channels=channels, height=height, width=width, data=pixels, label=label, **more).SerializeToString()


@st.composite
def plain_records(draw):
    """Messages as Caffe's tools write them, all of one shape, some with `encoded`, some with fields given twice."""
    shape = draw(SHAPES)
    size = int(np.prod(shape))
    records = []
    for _ in range(draw(st.integers(1, 5))):
        pixels, label = draw(st.binary(min_size=size, max_size=size)), draw(st.integers(0, 2**31 - 1))
        more = draw(st.sampled_from([{}, {"encoded": False}]))
        first = DATUM(channels=9, data=b"other", label=7).SerializeToString() if draw(st.booleans()) else b""
        records.append(first + message(shape, pixels, label, **more))
    return records


@settings(max_examples=200, deadline=None)
@given(plain_records())
def test_pixels_and_labels_are_those_that_protobuf_reads(records):
    found = plain_pixels(records)
    for number, record in enumerate(map(parse_datum, records)):
        size = int(np.prod(found.shape))
        pixels = found.data[found.starts[number] :][:size].reshape(found.shape)
        np.testing.assert_array_equal(pixels, record.pixels)
        assert found.labels[number] == record.label


SHAPE, PIXELS = (1, 2, 2), b"abcd"
PLAIN = message(SHAPE, PIXELS, 3)


def test_other_records_are_left_to_protobuf():
    floats = DATUM(channels=1, height=2, width=2, float_data=[1, 2, 3, 4]).SerializeToString()
    others = {
        "a file": message(SHAPE, PIXELS, 3, encoded=True),
        "floats": floats,
        "bytes and floats": PLAIN + floats,
        "a negative label": message(SHAPE, PIXELS, -1),
        "too few": message(SHAPE, PIXELS[1:], 3),
        "too many": message(SHAPE, PIXELS + b"e", 3),
        "no shape": DATUM(data=PIXELS).SerializeToString(),
        "no pixels": DATUM(channels=1, height=1, width=1).SerializeToString(),
        "negative sizes": message((-1, -2, 2), PIXELS, 3),
        "a size of too many bits": message((LARGEST_SIDE * 2, LARGEST_SIDE, LARGEST_SIDE), b"", 3),
        "an unknown field": PLAIN + b"\x40\x01",
        "a group": PLAIN + b"\x0b\x0c",
        "a field of another type": PLAIN + b"\x0a\x01a",
        "a varint that does not end": PLAIN + b"\x28" + b"\xff" * 20,
        "a length beyond the end": PLAIN + b"\x22\xff\xff\xff\xff\x7f",
        "a length of 63 bits": PLAIN + b"\x22" + b"\xff" * 8 + b"\x7f",
        "nothing": b"",
    }
    for name, record in others.items():
        assert plain_pixels([record]) is None, name
        assert plain_pixels([PLAIN, record]) is None, name
        assert plain_pixels([record, PLAIN]) is None, name
    assert plain_pixels([PLAIN, message((2, 2, 1), PIXELS, 3)]) is None


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_records_give_what_protobuf_gives_or_nothing(data):
    whole = message(SHAPE, PIXELS, 300)
    at = data.draw(st.integers(0, len(whole)))
    damaged = (
        whole[:at] if data.draw(st.booleans()) else whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + 1 :]
    )
    found = plain_pixels([damaged])
    if found is None:
        return
    try:
        record = parse_datum(damaged)
    except BadRecord:
        raise AssertionError(damaged) from None
    np.testing.assert_array_equal(found.data[found.starts[0] :][: record.pixels.size], record.pixels.ravel())
    assert (found.shape, found.labels[0]) == (record.pixels.shape, record.label)
