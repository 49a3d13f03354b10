"""The pages of docs/ as things to do: files to write, commands with what they print, Python code.

Comments of a page prepare what a reader has:

    <!-- setup: NAME -->     the files that NAME of SETUPS makes
    <!-- file: NAME -->      the next block is the content of this file
    <!-- module: NAME -->    the next block is the content of NAME.py, which is imported then

    python -m reference.pages PAGE     does all of a page in the present folder, in a process of its own: a page may
                                       register layers
"""

from __future__ import annotations

import doctest
import importlib
import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from support import SHARED

from .readme import ROOT, check_printed, check_table, run, session
from .small_caffe_net import write_net, write_picture, write_trained

DOCS = ROOT / "docs"
CIFAR = SHARED / "caffe" / "cifar10"
PIECE = re.compile(r"^<!-- (setup|file|module): (\S+) -->$|^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SHOWN = {"sh", "dockerfile"}  # not run: installation, Docker, long benchmarks
ROUNDED = r"\d[\d.]*e[-+]\d+|\d+\.\d{4,}"  # goes by the CPU
MEASURED = r"(?<!\w)\d[\d.,]*%?(?!\w)"


class Piece(NamedTuple):
    """`kind`: setup, file, module, console, python or pycon; `name` of a setup, file or module; `text` of a block."""

    kind: str
    name: str
    text: str


def pieces(page: str) -> list[Piece]:
    """What a page, a path below docs/, says is to be done, in its order. A block of text belongs to a file."""
    found, pending = [], None
    for comment, name, language, text in PIECE.findall((DOCS / page).read_text()):
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
    np.savetxt(folder / "X.txt", random.standard_normal((40, 6)))
    np.savetxt(folder / "Y.txt", random.integers(0, 3, 40), "%d")


def caffe_net(folder: Path) -> None:
    net = write_net(folder)
    net.graph.nodes[1].name = "conv1"
    net.save(folder / "deploy.prototxt", folder / "net.caffemodel")


def cifar10(folder: Path) -> None:
    """The real net where it is there, else one that is made, whose outputs are not those that are shown."""
    if CIFAR.exists():
        for name in ("train_val.prototxt", "cifar10.caffemodel"):
            shutil.copy(CIFAR / name, folder)
        shutil.copy(CIFAR / "images" / "cifar10_15_8.png", folder / "ship.png")
    else:
        write_trained(folder / "train_val.prototxt", folder / "cifar10.caffemodel")
        write_picture(folder / "ship.png", 32, 32)


SETUPS = {each.__name__: each for each in (text_net, caffe_net, cifar10)}
REAL = {"cifar10": CIFAR}  # where the files of a setup are, without which other outputs than those shown are right


def do_page(page: str, folder: Path) -> None:
    """All of a page in `folder`, the present one. Raises AssertionError where something else is printed than shown."""
    names, compare = {}, True
    for kind, name, text in pieces(page):
        if kind == "setup":
            SETUPS[name](folder)
            compare &= REAL.get(name, DOCS).exists()
        elif kind == "file":
            (folder / name).write_text(text)
        elif kind == "module":
            (folder / f"{name}.py").write_text(text)
            importlib.import_module(name)
        elif kind == "python":
            exec(text, names)
        elif kind == "pycon":
            example = doctest.DocTestParser().get_doctest(text, names, page, page, 0)
            doctest.DebugRunner().run(example, clear_globs=False)
        else:
            do_session(text, folder, compare)


def do_session(text: str, folder: Path, compare: bool) -> None:
    """Commands, and where output is shown, that it is theirs: times and rounding errors by their shape."""
    for command, shown in session(text):
        printed = run(command, folder)
        if compare and shown:
            if command.startswith("caffe64 time"):
                check_table(printed, shown, MEASURED, always="Convolution")
            else:
                check_printed(printed, shown, ROUNDED)


if __name__ == "__main__":
    sys.path.insert(0, "")
    do_page(sys.argv[1], Path.cwd())
