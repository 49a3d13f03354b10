"""Plain technical English: patterns that are wrong in docstrings, comments and messages, with the plainer form of each.

They are narrow, so that text that matches one can always be written otherwise.
"""

from __future__ import annotations

import ast
import functools
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(
    path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] not in (".venv", "build", "data", "tests")
)
PAGES = sorted(
    [*ROOT.glob("*.md"), *(path for part in ("docs", "demos", "perf") for path in (ROOT / part).rglob("*.md"))]
)
COMPARED = "longer|shorter|more|less|fewer|better|worse|larger|smaller|wider|faster|slower|greater|higher|lower|other"
UNIT = "(?:axis|batch|block|blob|bottom|call|channel|class|epoch|family|file|group|image|item|lane|layer|line|minibatch"
UNIT += "|net|panel|pass|picture|pixel|point|prediction|row|run|second|step|thread|tile|top|value|vector)"
RATES = "bits|bytes|cycles|FMAs|MACs|minibatches|rows|times(?= a second)"
PATTERNS = {
    # data and code are not people: "the caller", "the function that", "any layer"
    "people": r"\b(?:any|every|no|some)body\b|\b(?:any|every|some)one else\b|(?<!people )\bwho(?:ever)?\b",
    # "is given", "is reported", "distinguished by"
    "told": r"\b(?:is|are|was|were|be) told\b|\btold (?:apart|by|of)\b|\btells? apart\b",
    # "is not an X"
    "is no X": rf"(?<![Tt]here )\b(?:is|are) no (?!(?:{COMPARED})\b)[a-z]+",
    # "one per X", "rows per second"
    "a for per": rf"\bone an? {UNIT}(?=[.,;:)]|$)|\b(?:{RATES}) an? {UNIT}\b(?! time)",
}
EXAMPLES = {
    "people": "so whoever writes calls written()",
    "told": "types are told apart by name",
    "is no X": "'blue' is no list of numbers",
    "a for per": "none, or one a blob",
}


@functools.cache
def texts() -> list[tuple[Path, int, str]]:
    """Those of the package's files, without line breaks, and the pages."""
    found = [(path, line, text) for path in FILES for line, text in words(path)]
    found += [(path, 0, path.read_text()) for path in PAGES]
    return [(path, line, " ".join(text.split())) for path, line, text in found]


def words(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of each string, an f-string with {} for its values, and of each block of comments."""
    source = path.read_text()
    tree = ast.parse(source)
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            texts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield node.lineno, "".join(map(str, texts))
    comments = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            comments += f" {token.string.lstrip('# ')}"
        elif token.type != tokenize.NL and comments:
            yield token.start[0] - 1, comments
            comments = ""


def faults(kind: str, text: str) -> list[str]:
    return [match[0] for match in re.finditer(PATTERNS[kind], text)]


@pytest.mark.parametrize("kind", PATTERNS)
def test_a_pattern_finds_its_example(kind):
    assert faults(kind, EXAMPLES[kind])


@pytest.mark.parametrize("kind", PATTERNS)
def test_the_package_speaks_plain_english(kind):
    found = [f"{path.relative_to(ROOT)}:{line}: {each}" for path, line, text in texts() for each in faults(kind, text)]
    assert found == []
