"""The records of an LMDB file, in the order of their keys. Reading needs no lock, and nothing but the file.

LMDB's own library maps the file and follows what it finds there: one damaged file in five ends the process. Here
each page is read by its place and its numbers are checked, so that damage is an InputError.

    page      uint64 number, uint16 0, uint16 flags, uint16 end of the offsets, uint16 start of the nodes; then uint16
              offsets of its nodes in the page. The first of the pages of one value has their number instead of the
              last two
    meta      pages 0 and 1: after 16 bytes uint32 magic and version, uint64 address and size, two trees (of free pages,
              of records), uint64 last page and transaction; the newer one counts
    tree      uint32 page size (in the first tree), uint16 flags and depth, uint64 branch, leaf and overflow pages,
              records, root
    node      uint16 low, high, flags, size of the key; the key. In a branch low, high and flags are the number of a
              page, in a leaf low and high the size of the value, which follows, or else uint64 number of its first page

All little-endian, as 64-bit machines write them.
"""

from __future__ import annotations

import os
import struct
import weakref
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import FileMissing, InputError
from .content import CUT_SHORT, HEAD, refuse_stand_ins

MAGIC_NUMBER, LMDB_VERSION = 0xBEEFC0DE, 1
HEADER = struct.Struct("<QHHHH")
META = struct.Struct("<IIQQ" + "IHHQQQQQ" * 2 + "QQ")
NODE = struct.Struct("<HHHH")
BRANCH, LEAF, OVERFLOW = 1, 2, 4
DUPLICATES = 4  # of a tree: several values for a key
ELSEWHERE, ANY_TREE = 1, 6  # of a leaf's node: the value has its own pages; it is a tree
NO_PAGE = (1 << 64) - 1
PAGE_SIZES = [1 << power for power in range(9, 17)]
MOST_DEPTH, LEAST_NODE = 32, 10  # levels, as in LMDB; bytes with the node's offset


class Tree(NamedTuple):
    """The records of a file: bytes of a page, levels, number of records, number of the first page."""

    page: int
    depth: int
    records: int
    root: int
    transaction: int


class LmdbFile:
    """`path` is the folder with data.mdb, or the file itself; `count` the number of records. Raises InputError for
    any other file, for one with several databases in it, and for a damaged one."""

    def __init__(self, path: Path):
        self.path = path
        self._name = path / "data.mdb" if path.is_dir() else path
        try:
            self._file = os.open(self._name, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            raise FileMissing(self._name) from None
        except OSError as error:
            raise InputError(self._name, f"cannot be read: {error.strerror}") from None
        weakref.finalize(self, os.close, self._file)
        self._size = os.fstat(self._file).st_size
        refuse_stand_ins(self._name, self._read(0, min(HEAD, self._size)))
        first = self._meta(0, None)
        found = [tree for tree in (first, self._meta(first.page, first.page)) if tree]
        self._tree = max(found, key=lambda tree: tree.transaction)
        self.count = self._tree.records
        if self.count * LEAST_NODE > self._size:
            raise self._damaged(f"announces {self.count} records in {self._size} bytes")
        self._index: tuple[array[int], array[int]] | None = None

    def records(self, start: int = 0) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values, from the record of that number on. The first call with a start reads all pages of records,
        but no values; later ones find the page at once."""
        if 0 < start < self.count:
            yield from self._records_from(start)
            return
        left = self.count
        for page in self._leaves(self._tree.root, 1) if left else ():
            offsets = self._offsets(page)
            left -= len(offsets)
            if left < 0:
                raise self._damaged(f"has more than the {self.count} records that it announces")
            if start < len(offsets):
                for offset in offsets[start:]:
                    yield self._record(page, offset)
            start = max(0, start - len(offsets))
        if left:
            raise self._damaged(f"has {self.count - left} records of the {self.count} that it announces")

    def _records_from(self, start: int) -> Iterator[tuple[bytes, bytes]]:
        pages, firsts = self._found_index()
        at = bisect_right(firsts, start) - 1
        for place in range(at, len(pages)):
            page, first = self._page(pages[place]), firsts[place]
            offsets, end = self._offsets(page), firsts[place + 1] if place + 1 < len(pages) else self.count
            if not HEADER.unpack_from(page)[2] & LEAF or len(offsets) != end - first:
                raise self._damaged(f"page {pages[place]} has changed")
            for offset in offsets[max(0, start - first) :]:
                yield self._record(page, offset)

    def _found_index(self) -> tuple[array[int], array[int]]:
        """The numbers of the pages with records, in order, and the number of the first record of each."""
        if self._index is None:
            pages, firsts, found = array("q"), array("q"), 0
            for page in self._leaves(self._tree.root, 1):
                pages.append(HEADER.unpack_from(page)[0])
                firsts.append(found)
                found += len(self._offsets(page))
                if found > self.count:
                    raise self._damaged(f"has more than the {self.count} records that it announces")
            if found < self.count:
                raise self._damaged(f"has {found} records of the {self.count} that it announces")
            self._index = pages, firsts
        return self._index

    def _meta(self, at: int, page: int | None) -> Tree:
        """The tree of records by the meta page at this place; of the second, by which pages have this size."""
        fields = META.unpack(self._read(at + HEADER.size, META.size))
        if fields[0] != MAGIC_NUMBER or fields[1] != LMDB_VERSION:
            raise InputError(self._name, "is not an LMDB database", "one that a 64-bit machine wrote", CUT_SHORT)
        size, (flags, depth), (records, root) = fields[4], fields[13:15], fields[18:20]
        if size not in PAGE_SIZES or page not in (None, size):
            raise self._damaged(f"announces pages of {size} bytes")
        if flags & DUPLICATES:
            raise InputError(self._name, "is a database with several values for a key", "one record for each")
        return Tree(size, depth, records, root, fields[21])

    def _leaves(self, number: int, level: int) -> Iterator[bytes]:
        """The pages with records below a page, in order."""
        page = self._page(number)
        flags = HEADER.unpack_from(page)[2]
        if flags & LEAF and level == self._tree.depth:
            yield page
        elif flags & BRANCH and level < min(self._tree.depth, MOST_DEPTH):
            for offset in self._offsets(page):
                low, high, top, _ = NODE.unpack_from(page, offset)
                yield from self._leaves(low | high << 16 | top << 32, level + 1)
        else:
            raise self._damaged(f"page {number} is none of level {level} of {self._tree.depth}")

    def _page(self, number: int) -> bytes:
        page = self._read(number * self._tree.page, self._tree.page)
        if HEADER.unpack_from(page)[0] != number:
            raise self._damaged(f"another page is in the place of page {number}")
        return page

    def _offsets(self, page: bytes) -> tuple[int, ...]:
        """The offsets of a page's nodes, at least one."""
        number, _, _, end, _ = HEADER.unpack_from(page)
        if not HEADER.size < end <= len(page) or end % 2:
            raise self._damaged(f"page {number} has {end - HEADER.size} bytes of offsets")
        offsets = struct.unpack_from(f"<{(end - HEADER.size) // 2}H", page, HEADER.size)
        if min(offsets) < end or max(offsets) > len(page) - NODE.size:
            raise self._damaged(f"page {number} has offsets that are not in it")
        return offsets

    def _record(self, page: bytes, offset: int) -> tuple[bytes, bytes]:
        low, high, flags, key_size = NODE.unpack_from(page, offset)
        size, at = low | high << 16, offset + NODE.size + key_size
        if not flags and at + size <= len(page):
            return page[at - key_size : at], page[at : at + size]
        if flags & ANY_TREE:
            raise InputError(self._name, "holds several databases, with names", "records, as Caffe's tools write them")
        if at + (8 if flags & ELSEWHERE else size) > len(page):
            raise self._damaged(f"page {HEADER.unpack_from(page)[0]} ends inside a record")
        key = page[at - key_size : at]
        if not flags & ELSEWHERE:  # another flag, without a meaning here
            return key, page[at : at + size]
        number = int.from_bytes(page[at : at + 8], "little")
        place = number * self._tree.page
        pages = self._read(place, HEADER.size + size)
        header = HEADER.unpack_from(pages)
        if header[0] != number or not header[2] & OVERFLOW:
            raise self._damaged(f"page {number} does not hold a value")
        return key, pages[HEADER.size :]

    def _read(self, at: int, size: int) -> bytes:
        if at + size > self._size:
            raise self._damaged(f"ends after {self._size} bytes, inside a page")
        try:
            if hasattr(os, "pread"):  # which processes that are forked can share
                data = os.pread(self._file, size, at)
            else:
                os.lseek(self._file, at, os.SEEK_SET)
                data = os.read(self._file, size)
        except OSError as error:
            raise InputError(self._name, f"cannot be read: {error.strerror}") from None
        if len(data) < size:
            raise self._damaged("has become shorter")
        return data

    def _damaged(self, what: str) -> InputError:
        return InputError(self._name, f"is a damaged LMDB database: {what}", hint=CUT_SHORT)
