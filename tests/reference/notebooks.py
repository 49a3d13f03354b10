"""Notebooks of demos/: what they hold, and a run of one."""

from __future__ import annotations

import base64
import io
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .child import PACKAGES

REASON = "nbclient and ipykernel run the notebook: pip install -e '.[dev]'"
nbformat = pytest.importorskip("nbformat", reason=REASON)
nbclient = pytest.importorskip("nbclient", reason=REASON)
pytest.importorskip("ipykernel", reason=REASON)

DEMOS = Path(__file__).resolve().parents[2] / "demos"
WHERE = "import os, sys, caffe64; print(sys.executable, os.path.realpath(caffe64.__path__[0]))"


def read(name: str):
    return nbformat.read(DEMOS / name, 4)


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(notebook, stream="stdout") -> str:
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == stream)


def shown(notebook, kind: str) -> list[str]:
    """What cells show of a kind, a MIME type."""
    data = [output.get("data", {}) for cell in code_cells(notebook) for output in cell.outputs]
    return [each[kind] for each in data if kind in each]


def pictures(notebook) -> list[Image.Image]:
    return [Image.open(io.BytesIO(base64.b64decode(each))) for each in shown(notebook, "image/png")]


def difference(one: Image.Image, other: Image.Image) -> float:
    """The share of the pixels that differ clearly: a label is 2e-3 of them, the rounding of another CPU's 6e-4."""
    pixels = [np.asarray(picture.convert("RGB"), int) for picture in (one, other)]
    return float((abs(pixels[0] - pixels[1]).max(axis=2) > 40).mean())


def without_numbers(line: str) -> str:
    """What is left without timings and what rounds differently on another CPU, and without the gaps between columns."""
    return " ".join(re.sub(r"-?\d[\d.,]*(e-\d+)?", "0", line).split())


def execute(name: str, folder: Path):
    """The notebook after a run in an empty folder, by this interpreter and with this checkout's package; WHERE is its
    last cell."""
    notebook = read(name)
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    notebook.cells.append(nbformat.v4.new_code_cell(WHERE))
    environment = {"PYTHONPATH": str(PACKAGES), "IPYTHONDIR": str(folder / "ipython"), "MPLBACKEND": None}
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    settings = {**os.environ, **environment}
    client.execute(env={name: value for name, value in settings.items() if value is not None})
    return notebook


def check_run(executed) -> None:
    """Every cell ran in this interpreter."""
    cells = code_cells(executed)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert cells[-1].outputs[0].text.split() == [sys.executable, str(DEMOS.parent)]


def check_same(executed, committed, count: int) -> None:
    """It shows what the committed one shows, with `count` pictures."""
    assert [cell.source for cell in executed.cells[:-1]] == [cell.source for cell in committed.cells]
    pairs = list(zip(pictures(executed), pictures(committed), strict=True))
    assert len(pairs) == count
    for one, other in pairs:
        if one.info["Software"] == other.info["Software"]:  # the version of Matplotlib, which has its fonts
            assert difference(one, other) < 1e-3
    lines = printed(executed).splitlines()[:-1]  # without those of WHERE
    assert [without_numbers(line) for line in lines] == [
        without_numbers(line) for line in printed(committed).splitlines()
    ]


def check_committed(committed, name: str, largest: int) -> None:
    """Its outputs come from one run and show no machine, in `largest` bytes."""
    cells = code_cells(committed)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert printed(committed, "stderr") == ""
    assert not re.search(r"(^|[\s'\"(])/\w+/|Warning", printed(committed))
    assert (DEMOS / name).stat().st_size < largest


def installed(committed) -> list[str]:
    """What it says is to be installed."""
    text = "".join(cell.source for cell in committed.cells if cell.cell_type == "markdown")
    return re.findall(r"pip install [^`]*", text)
