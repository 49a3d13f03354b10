"""A file of lines `key = value` in a section [DEFAULT], as Python's configparser reads it, with each key's line."""

from __future__ import annotations

import configparser
import math
import re
from collections.abc import Collection
from pathlib import Path

from ..errors import InputError
from ..formats.text import quote, read_text

SECTION = "DEFAULT"
FORM = f"[{SECTION}] and lines of the form key = value"
MOST = 1 << 16  # of a size
KEY = re.compile(r"([^\s#;\[=:][^=:]*?)\s*[=:]")
STATES = configparser.ConfigParser.BOOLEAN_STATES


class ConfigFile:
    """The values of a file that may hold the keys `known`, whose upper and lower case are the same.

    Raises InputError with the line for a key that is unknown or repeated, for another section, for a line
    of another form; FileMissing. The methods raise it for a value of another kind, or none.
    """

    def __init__(self, path: Path, known: Collection[str]):
        self.path = path
        lines = read_text(path, "a config.ini").replace("\r\n", "\n").split("\n")
        self._values = self._parse(lines)
        keys = {number: match[1].lower() for number, line in enumerate(lines, 1) if (match := KEY.match(line))}
        self._lines = {key: number for number, key in keys.items()}
        names = {name.lower() for name in known}
        for name in self._values:
            if name not in names:
                raise self.error(name, f"the key {quote(name, 60)}", f"one of {', '.join(known)}")

    def __contains__(self, key: str) -> bool:
        """Whether the key is there with a value."""
        return bool(self._values.get(key.lower()))

    def error(self, key: str, found: str, expected: str = "", hint: str = "") -> InputError:
        """An InputError at the line of `key`, if it is there."""
        return InputError(self.path, found, expected, hint, line=self._lines.get(key.lower()))

    def text(self, key: str, expected: str = "a value for it") -> str:
        """The value, without quotes around it."""
        if key not in self:
            raise self.error(key, f"{key} is empty" if key.lower() in self._lines else f"no {key}", expected)
        text = self._values[key.lower()].strip("\"'")
        if "\n" in text:
            raise self.error(key, f"{key} has several lines", expected)
        return text

    def flag(self, key: str) -> bool:
        text = self.text(key, "yes or no")
        if text.lower() not in STATES:
            raise self.error(key, f"{key} = {quote(text, 60)}", "yes or no")
        return STATES[text.lower()]

    def number(self, key: str) -> float:
        text = self.text(key, "a number")
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self.error(key, f"{key} = {quote(text, 60)}", "a number")
        return number

    def size(self, key: str) -> int:
        """A whole number of at least 1."""
        text = self.text(key, "a whole number of at least 1")
        if not (text.isascii() and text.isdigit() and len(text) < 9 and 0 < int(text) <= MOST):
            raise self.error(key, f"{key} = {quote(text, 60)}", f"a whole number from 1 to {MOST}")
        return int(text)

    def _parse(self, lines: list[str]) -> dict[str, str]:
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string("\n".join(lines))
        except configparser.Error as error:
            number = getattr(error, "lineno", None) or error.errors[0][0]
            again = isinstance(error, configparser.DuplicateOptionError)
            found, expected = quote(lines[number - 1].strip(), 60), "each key once" if again else FORM
            raise InputError(self.path, f"the line {found}", expected, line=number) from None
        for name in parser.sections():
            number = next((number for number, line in enumerate(lines, 1) if line.startswith(f"[{name}]")), None)
            raise InputError(self.path, f"the section {quote(name, 60)}", f"all keys in [{SECTION}]", line=number)
        return dict(parser[SECTION])
