"""A hash table of texts, in compiled code.   field_scanner.py -> [text_table]

Texts of all columns are in one table, each once for each column:

    words[TEXT_WORDS * k:]    of text k: its offset, its length, its column, its hash, its number in its column
    slots [2^n]               which text a hash stands for, -1: none; the next free one where two hashes meet
    counts[c]                 the texts of column c
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.compiler.jit import I1, I1_IN, U1, U1_IN, forced_inline, i64, inline, kernel, void
from ..engine.vectors.byte_vectors import address, byte, eight, put8bytes

TEXT_WORDS = 5  # int64 for each text

u64 = np.uint64
HASH_SEED = u64(14695981039346656037)
_PRIME = u64(0x9E3779B97F4A7C15)


@kernel(void(I1_IN, i64, I1), fastmath=None)
def index_words(words: np.ndarray, known: int, slots: np.ndarray) -> None:
    """Make `slots` anew for the first `known` texts."""
    mask = len(slots) - 1
    slots[:] = -1
    for k in range(known):
        slot = _first_slot(words[TEXT_WORDS * k + 3], mask)
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = k


@kernel(i64(U1_IN, I1_IN, i64, I1, I1, i64, I1, I1), fastmath=None)
def merge_words(
    text: np.ndarray,
    more: np.ndarray,
    number: int,
    words: np.ndarray,
    slots: np.ndarray,
    known: int,
    counts: np.ndarray,
    codes: np.ndarray,
) -> int:
    """Put the first `number` texts of the table `more` into another one with `known` texts, which has room for them.
    codes[k] becomes the number of text k in its column there. Returns how many texts it has then."""
    text, end, mask = address(text), len(text), len(slots) - 1
    words, slots, counts = address(words), address(slots), address(counts)
    for k in range(number):
        start, length, column, code = (
            more[TEXT_WORDS * k],
            more[TEXT_WORDS * k + 1],
            more[TEXT_WORDS * k + 2],
            more[TEXT_WORDS * k + 3],
        )
        place = place_text(text, end, start, length, column, code, words, slots, known, mask, counts)
        known += place == known
        codes[k] = integer(words, TEXT_WORDS * place + 4)
    return known


@kernel(i64(U1_IN, I1_IN, I1_IN, U1), fastmath=None)
def join_words(text: np.ndarray, words: np.ndarray, chosen: np.ndarray, result: np.ndarray) -> int:
    """Copy the `chosen` texts to uint8 `result`, each with a line feed behind it. Returns the bytes written."""
    text, size = address(text), 0
    for k in chosen:
        start = words[TEXT_WORDS * k]
        for i in range(start, start + words[TEXT_WORDS * k + 1]):
            result[size] = byte(text, i)
            size += 1
        result[size] = 10
        size += 1
    return size


@forced_inline
def place_text(
    text: Any,
    end: int,
    start: int,
    length: int,
    column: int,
    code: Any,
    words: Any,
    slots: Any,
    known: int,
    mask: int,
    counts: Any,
) -> Any:
    """Which text of the table this is; `known`, and it is put there, if it is a new one.

    All arrays are addresses: Numba would count references to them, and pass each in seven words."""
    slot = _first_slot(code, mask)
    k = integer(slots, slot)
    while k >= 0:
        here = TEXT_WORDS * k
        if (
            integer(words, here + 3) == code
            and integer(words, here + 1) == length
            and integer(words, here + 2) == column
        ):
            other, same = integer(words, here), 0
            while same + 8 <= length and eight(text, start + same) == eight(text, other + same):
                same += 8
            differ = word_at(text, start + same, end) ^ word_at(text, other + same, end)
            if same + 8 > length and differ & first_bytes(length - same) == u64(0):
                return k
        slot = (slot + 1) & mask
        k = integer(slots, slot)
    here, number = TEXT_WORDS * known, integer(counts, column)
    put_integer(slots, slot, known)
    put_integer(words, here, start)
    put_integer(words, here + 1, length)
    put_integer(words, here + 2, column)
    put_integer(words, here + 3, code)
    put_integer(words, here + 4, number)
    put_integer(counts, column, number + 1)
    return known


@inline
def integer(numbers: Any, k: int) -> Any:
    """Element k of the int64 array at the address `numbers`."""
    return np.int64(eight(numbers, 8 * k))


@inline
def put_integer(numbers: Any, k: int, value: int) -> None:
    put8bytes(numbers, 8 * k, u64(value))


@forced_inline
def hash_text(text: Any, start: int, stop: int, end: int) -> tuple[Any, Any]:
    """Of eight bytes at a time, the last ones less than eight; and a word of which a bit is set if it is in one of
    these."""
    code, every, i = HASH_SEED, u64(0), start
    while i + 8 <= stop:
        word = eight(text, i)
        code, every, i = mixed(code, word), every | word, i + 8
    word = word_at(text, i, end) & first_bytes(stop - i)
    return mixed(code, word), every | word


@inline
def mixed(code: Any, word: Any) -> Any:
    """The hash `code` with eight more bytes."""
    code = (code ^ word) * _PRIME
    return code ^ (code >> u64(32))


@inline
def word_at(text: Any, i: int, end: int) -> Any:
    """Bytes i to i + 7, with line feeds for those behind the end."""
    if i + 8 <= end:
        return eight(text, i)
    word = u64(0)
    for k in range(8):
        word |= u64(byte(text, i + k) if i + k < end else 10) << u64(8 * k)
    return word


@inline
def first_bytes(length: int) -> Any:
    """A mask of so many bytes, up to 8."""
    return u64(0) if length == 0 else ~u64(0) >> u64(64 - 8 * length)


@inline
def _first_slot(code: Any, mask: int) -> Any:
    """Of an int64 `code`: as an unsigned one it would be shifted otherwise."""
    return (code ^ (code >> 29)) & mask
