"""Stored zips: what is written reads back, and a size is refused before so much is read."""

from __future__ import annotations

import struct

import pytest

from caffe64.errors import InputError
from caffe64.formats.stored_zip import open_stored, write_stored

CENTRAL = b"PK\1\2"
SIZES_AT = 20  # of the compressed and of the whole member in its entry of the central directory


@pytest.fixture
def path(tmp_path):
    write_stored(tmp_path / "a.zip", {"one": lambda member: member.write(b"12345"), "two": lambda member: None})
    return tmp_path / "a.zip"


def content(path, name, most=None):
    with open_stored(path, "a thing") as members, members.member(name, most) as source:
        return source.size, source.stream.read()


def test_members_read_back(path):
    assert content(path, "one") == content(path, "one", 5) == (5, b"12345")
    assert content(path, "two", 0) == (0, b"")
    with open_stored(path, "a thing") as members:
        assert ("one" in members, "three" in members) == (True, False)


def test_a_larger_member_than_is_wanted_is_refused(path):
    with pytest.raises(InputError, match="is not a thing: its one is compressed or too large"):
        content(path, "one", 4)


def test_a_size_beyond_the_file_is_refused(path):
    data = bytearray(path.read_bytes())
    struct.pack_into("<II", data, data.index(CENTRAL) + SIZES_AT, 1 << 30, 1 << 30)
    path.write_bytes(data)
    with pytest.raises(InputError, match="its one is compressed or too large"):
        content(path, "one")
