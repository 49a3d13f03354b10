"""The pages of docs/ and demos/ as things to do: files to write, commands with what they print, Python code.

Comments of a page prepare what a reader has:

    <!-- setup: NAME -->         the files that NAME of SETUPS makes
    <!-- file: NAME -->          the next block is the content of this file
    <!-- module: NAME -->        the next block is the content of NAME.py, which is imported then
    <!-- reduced: OPTIONS -->    the commands of the next block take long: they are run with these options as well, and
                                 what they print has the words that are shown, with other numbers

Of `caffe64 ... > FILE` the page shows stderr, of a command that fails its error.

    python -m reference.pages PAGE     does all of a page in the present folder, in a process of its own: a page may
                                       register layers
"""

from __future__ import annotations

import doctest
import importlib
import os
import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from support import SHARED
from typer.testing import CliRunner

import caffe64
from caffe64.cli.app import app
from caffe64.formats.idx import write_idx

from .readme import ROOT, check_printed, check_table, run, session, words
from .small_caffe_net import write_net
from .small_training import write_training

DOCS = ROOT / "docs"
PIECE = re.compile(r"^<!-- (setup|file|module|reduced): ([^\n]+?) -->$|^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SHOWN = {"sh", "dockerfile"}  # not run: installation, Docker, long benchmarks
ROUNDED = (  # goes by the CPU, and by the package onnx
    r"\d[\d.]*e[-+]\d+|\d+\.\d{4,}|(?<=onnx: )[\d,]+(?= bytes)|(?<=\.c: )[\d,]+(?= bytes)"
    r"|(?<=differs by at most )0(?= relative)"
)
MEASURED = r"(?<!\w)\d[\d.,x]*%?(?!\w)"
QUALITY = r"(-?\d[\d.]*) (?:%|dB|bits)"  # of what is learnt: each machine's own in the last digits
CLOSE = 0.5
ERROR = "caffe64: error: "  # of a command that is shown to fail
COMPILING = re.compile(r"^caffe64: compil(?:ing|ed) .*\n", re.MULTILINE)  # in a first run


class Piece(NamedTuple):
    """`kind`: setup, file, module, reduced, console, python or pycon; `name` of a setup, file or module, or the options
    that reduce; `text` of a block."""

    kind: str
    name: str
    text: str


def pieces(page: str) -> list[Piece]:
    """What a page, a path in the repository, says is to be done, in its order. A block of text belongs to a file."""
    found, pending = [], None
    for comment, name, language, text in PIECE.findall((ROOT / page).read_text()):
        if comment == "setup":
            found.append(Piece("setup", name, ""))
        elif comment:
            pending = comment, name
        elif pending:
            found.append(Piece(*pending, text))
            pending = None
        elif language not in SHOWN:
            assert language in ("console", "python", "pycon"), f"{page}: a block of {language} that belongs to no file"
            found.append(Piece(language, "", text))
    return found


def text_net(folder: Path) -> None:
    random = np.random.default_rng(0)
    (folder / "net.txt").write_text("5\ninp 6 4\nlin 5 -1\nrel\nlin 3 -1\nsce\n")
    (folder / "optimizer.txt").write_text("0.01 0 1 0 0.9 2")
    np.savetxt(folder / "trainX.txt", random.standard_normal((40, 6)))
    np.savetxt(folder / "trainY.txt", random.integers(0, 3, 40), "%d")


def caffe_net(folder: Path) -> None:
    net = write_net(folder)
    net.graph.nodes[1].name = "conv1"
    net.save(folder / "small.prototxt", folder / "small.caffemodel")


def training_data(folder: Path) -> None:
    """MNIST's files with a few rows, LeNet as in Caffe's tree, pictures of two classes and a list of some, arrays."""
    random = np.random.default_rng(0)
    (folder / "mnist").mkdir()
    lenet_tree(folder)
    for name, rows in (("train", 70), ("t10k", 20)):
        write_idx(folder / f"mnist/{name}-labels-idx1-ubyte.gz", random.integers(0, 10, rows, np.uint8))
        write_idx(folder / f"mnist/{name}-images-idx3-ubyte.gz", random.integers(0, 256, (rows, 28, 28), np.uint8))
    for number in range(8):
        kind = folder / "photos" / ("dogs" if number % 2 else "cats")
        kind.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (40, 30, 3), np.uint8)).save(kind / f"{number}.png")
    (folder / "photos.txt").write_text("cats/0.png 0\ndogs/1.png 1\ndogs/3.png 1\n")
    np.save(folder / "X.npy", random.integers(0, 256, (20, 1, 8, 8)))
    np.save(folder / "Y.npy", np.arange(20) % 4)


def scoring(folder: Path) -> None:
    """A Caffe net and a text net, rows for both, pictures and a list of some."""
    random = np.random.default_rng(0)
    write_net(folder)
    np.save(folder / "X.npy", random.random((1000, 3, 8, 6), np.float32))
    net = caffe64.Net("inp 6 10 / lin 3 -2 / sce")
    net.initialise(0)
    net.write(folder / "net.txt")
    net.save(folder / "weights.bin")
    np.save(folder / "rows.npy", random.random((5000, 6)))
    for number in range(12):
        kind = folder / "photos" / ("dogs" if number % 2 else "cats")
        kind.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (40, 30, 3), np.uint8)).save(kind / f"{number}.png")
    (folder / "list.txt").write_text("".join(f"photos/dogs/{number}.png 1\n" for number in range(1, 12, 2)))


def lenet_tree(folder: Path) -> None:
    """The demo's solver and net where Caffe's tree has them, with the names that these have there."""
    place = "examples/mnist"
    (folder / place).mkdir(parents=True)
    for path in (ROOT / "demos" / "lenet").glob("*.prototxt"):
        text = re.sub(r'(net|source|snapshot_prefix): "(?=lenet|mnist)', rf'\1: "{place}/', path.read_text())
        (folder / place / path.name).write_text(text)


def checkout(folder: Path) -> None:
    """The demos and the Makefile, whose virtual environment is this interpreter's."""
    shutil.copytree(ROOT / "demos", folder / "demos", ignore=shutil.ignore_patterns("out", "__pycache__"))
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, command in (("python", ""), ("caffe64", "-m caffe64")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        (programs / name).chmod(0o755)
    (folder / ".venv" / ".demos").touch()
    os.environ["CAFFE64_DATA"] = str(SHARED)


def caffe_training(folder: Path) -> None:
    write_training(folder)


MAKERS = (text_net, caffe_net, training_data, scoring, caffe_training, checkout)
SETUPS = {each.__name__: each for each in MAKERS}


def do_page(page: str, folder: Path) -> None:
    """All of a page in `folder`, the present one. Raises AssertionError where something else is printed than shown."""
    names = {}
    for kind, name, text in pieces(page):
        if kind == "setup":
            SETUPS[name](folder)
        elif kind == "file":
            (folder / name).write_text(text)
        elif kind == "module":
            (folder / f"{name}.py").write_text(text)
            importlib.import_module(name)
        elif kind == "reduced":
            do_session(text, folder, name)
        elif kind == "python":
            exec(text, names)
        elif kind == "pycon":
            example = doctest.DocTestParser().get_doctest(text, names, page, page, 0)
            doctest.DebugRunner().run(example, clear_globs=False)
        else:
            do_session(text, folder)


def do_session(text: str, folder: Path, reduced: str = "") -> None:
    """Commands, and where output is shown, that it is theirs: times and rounding errors by their shape."""
    for command, shown in session(text):
        printed = run_here(f"{command} {reduced}", folder, fails=any(line.startswith(ERROR) for line in shown))
        if shown:
            check(command, printed, shown, reduced)


def run_here(command: str, folder: Path, *, fails: bool = False) -> str:
    """`run`, of `caffe64` in this process, which has imported what it needs, unless it knows layers of the page."""
    name, *arguments = words(command, folder)
    if name != "caffe64" or any((folder / f"{module}.py").exists() for module in sys.modules):
        return run(command, folder)
    target = arguments.pop() if arguments[-2:-1] == [">"] else None
    done = CliRunner().invoke(app, arguments[:-1] if target else arguments, prog_name=name)
    assert (done.exit_code != 0) is fails, f"{command}: exit code {done.exit_code}\n{done.output}"
    if target:
        (folder / target).write_text(done.stdout)
    return COMPILING.sub("", done.stderr) if target or fails else done.stdout


def check(command: str, printed: str, shown: list[str], reduced: str) -> None:
    if command.startswith("caffe64 time"):
        check_table(printed, shown, MEASURED, always="Convolution")
    elif command.startswith("caffe64") and not reduced:
        check_printed(printed, shown, ROUNDED)
    else:
        check_printed(printed, shown, MEASURED)
        if not reduced:
            found, expected = (re.findall(QUALITY, lines) for lines in (printed, "\n".join(shown)))
            np.testing.assert_allclose(np.float64(found), np.float64(expected), atol=CLOSE)


if __name__ == "__main__":
    sys.path.insert(0, "")
    do_page(sys.argv[1], Path.cwd())
