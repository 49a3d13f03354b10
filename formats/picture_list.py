"""Lists of pictures: a line for each, its file and after the last blank its label, a whole number."""

from __future__ import annotations

import os
import re

from ..errors import InputError
from .files import open_input
from .text import quote

LABEL = re.compile(r"[+-]?[0-9]{1,10}")


def read_picture_list(path: str | os.PathLike[str]) -> list[tuple[str, int]]:
    """Files and labels; empty lines do not count. Raises InputError for a line of another form, and for none."""
    with open_input(path) as file:
        lines = file.read().decode("utf-8", "surrogateescape").split("\n")
    found = []
    for number, line in enumerate(lines, 1):
        name, _, label = line.rstrip().rpartition(" ")
        if not label:
            continue
        if not name.strip() or not LABEL.fullmatch(label) or not -(1 << 31) <= int(label) < 1 << 31 or "\0" in name:
            raise InputError(path, f"found {quote(line.rstrip())}", "a file, a blank and a label", line=number)
        found.append((name, int(label)))
    if not found:
        raise InputError(path, "is empty", "lines of a file, a blank and a label")
    return found
