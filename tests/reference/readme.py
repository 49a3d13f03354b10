"""The code blocks of the README, as commands with what they print, and a shell to run them in."""

from __future__ import annotations

import glob
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
PYTHON = sys.executable
PROGRAMS = {"caffe64": [PYTHON, "-m", "caffe64"], "python": [PYTHON], "make": ["make", "-s"], "ls": ["ls"]}


def block(start: str) -> str:
    """The one block that begins with `start`."""
    (found,) = [text for _, text in BLOCKS if text.startswith(start)]
    return found


def session(text: str) -> list[tuple[str, list[str]]]:
    """Of a block with a prompt: each command, which a backslash continues, and the lines that follow it."""
    commands = re.split(r"^\$ ", re.sub(r"\\\n\s*", "", text), flags=re.MULTILINE)[1:]
    return [(lines[0], lines[1:]) for lines in map(str.splitlines, commands)]


def listed(text: str) -> list[str]:
    """Of a block without one: the commands, which a backslash continues, each before what is said of it."""
    return [re.split(r" {3,}", line)[0] for line in re.sub(r"\\\n\s*", "", text).splitlines()]


def run(command: str, folder: Path, **environment: str) -> str:
    """What a command prints on stdout, which must succeed in `folder`; a shell runs those of other programs."""
    name, *arguments = words(command, folder)
    process = [*PROGRAMS[name], *arguments] if name in PROGRAMS else ["sh", "-c", command]
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment}
    done = subprocess.run(process, cwd=folder, env=settings, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def words(command: str, folder: Path) -> list[str]:
    """As a shell finds them: a pattern stands for the files of `folder` that match."""
    name, *arguments = shlex.split(command)
    files = [sorted(glob.glob(each, root_dir=folder)) or [each] for each in arguments]
    return [name, *(each for found in files for each in found)]


def target(make: str) -> str:
    """The command that a target of the Makefile runs: make("make demo") -> "python demos/mnist/run.py"."""
    rule = rf"^{make.removeprefix('make ')}: .*\n\t\$\(BIN\)/(.*)$"
    return re.search(rule, (ROOT / "Makefile").read_text(), re.MULTILINE)[1]


def check_printed(printed: str, shown: list[str], measured: str) -> None:
    """The lines are those shown, but for what matches `measured`, and for spaces, which follow how wide numbers are. A
    line of three dots stands for some lines."""
    found, expected = masked(printed.splitlines(), measured), masked(shown, measured)
    if "..." in expected:
        start = expected.index("...")
        end = start + 1 - len(expected)
        assert len(found) > len(expected), "the dots stand for nothing"
        found, expected = found[:start] + found[end:], expected[:start] + expected[end:]
    assert found == expected, f"printed {found}\nshown {expected}"


def check_table(printed: str, shown: list[str], measured: str, always: str) -> None:
    """The same of a table that leaves out rows whose numbers are small, each of another first word; those that hold
    `always` are never left out."""
    found, expected = (
        {line.split()[0]: line for line in masked(lines, measured)} for lines in (printed.splitlines(), shown)
    )
    names = (set(found) & set(expected)) | {name for name, line in (found | expected).items() if always in line}
    for name in names:
        assert found.get(name) == expected.get(name), f"printed {found.get(name)!r}, shown {expected.get(name)!r}"


def masked(lines: list[str], measured: str) -> list[str]:
    return [" ".join(re.sub(measured, "#", line).split()) for line in lines]
