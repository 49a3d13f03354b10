"""Names, strings and arrays of numbers as C has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

C_LINE = 100  # characters of a line of numbers, about
C_NUMBERS_AT_ONCE = 1 << 16  # turned into text at a time
C_PLAIN = set(range(32, 127)) - set(b'"\\?')  # bytes that a string holds as they are; ?? begins a trigraph


def identifier(name: str) -> str:
    """A name with which C's names can begin, of letters, digits and single underscores: `my-net 2` -> `my_net_2`.
    What is left of a name without any is `net`."""
    found = re.sub(r"[^0-9A-Za-z]+", "_", name).strip("_") or "net"
    return found if found[0].isalpha() else f"net_{found}"


def string(text: str) -> str:
    """A string of C with the bytes of `text` in UTF-8; octal escapes, since hexadecimal ones have no end."""
    body = "".join(
        chr(byte) if byte in C_PLAIN else f"\\{byte:03o}" for byte in text.encode("utf-8", "surrogateescape")
    )
    return f'"{body}"'


def strings(name: str, size: str, texts: Sequence[str]) -> Iterator[str]:
    """The definition of an array of strings, one in a line."""
    yield f"const char *const {name}[{size}] = {{\n"
    yield from (f"    {string(text)},\n" for text in texts)
    yield "};\n"


def number(value: float) -> str:
    """A float32 number with its nine digits, which read back bit for bit."""
    text = f"{value:.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def numbers(name: str, values: np.ndarray) -> Iterator[str]:
    """The definition of an array of finite float32 numbers."""
    flat = np.ravel(values)
    yield f"static const float {name}[{flat.size}] = {{\n"
    for start in range(0, flat.size, C_NUMBERS_AT_ONCE):
        yield from _lines(list(map(number, flat[start : start + C_NUMBERS_AT_ONCE].tolist())))
    yield "};\n"


def _lines(texts: Sequence[str]) -> Iterator[str]:
    step = max(1, C_LINE // (max(map(len, texts)) + 2))
    for start in range(0, len(texts), step):
        yield f"    {', '.join(texts[start : start + step])},\n"
