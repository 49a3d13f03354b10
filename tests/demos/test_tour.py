"""The notebook runs from top to bottom, and what was committed with it is the output of such a run."""

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
from reference.child import PACKAGES

nbformat = pytest.importorskip("nbformat", reason="nbclient and ipykernel run the notebook: pip install -e '.[dev]'")
nbclient = pytest.importorskip("nbclient", reason="nbclient and ipykernel run the notebook: pip install -e '.[dev]'")
pytest.importorskip("ipykernel", reason="nbclient and ipykernel run the notebook: pip install -e '.[dev]'")

NOTEBOOK = Path(__file__).resolve().parents[2] / "demos" / "tour.ipynb"
WHERE = "import os, sys, caffe64; print(sys.executable, os.path.realpath(caffe64.__path__[0]))"
LARGEST = 400_000  # bytes
ROUNDING = 0.05  # of a printed time, µs


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(notebook, stream="stdout") -> str:
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == stream)


def pictures(notebook) -> list[Image.Image]:
    outputs = [output.get("data", {}) for cell in code_cells(notebook) for output in cell.outputs]
    return [Image.open(io.BytesIO(base64.b64decode(data["image/png"]))) for data in outputs if "image/png" in data]


def difference(one: Image.Image, other: Image.Image) -> float:
    """The share of the pixels that differ clearly: a label is 2e-3 of them, the rounding of another CPU's 6e-4."""
    pixels = [np.asarray(picture.convert("RGB"), int) for picture in (one, other)]
    return float((abs(pixels[0] - pixels[1]).max(axis=2) > 40).mean())


def without_numbers(line: str) -> str:
    """What is left without timings and what rounds differently on another CPU, and without the gaps between columns."""
    return " ".join(re.sub(r"-?\d[\d.,]*(e-\d+)?", "0", line).split())


@pytest.fixture(scope="module")
def committed():
    return nbformat.read(NOTEBOOK, 4)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook after a run in an empty folder, by this interpreter and with this checkout's package."""
    folder = tmp_path_factory.mktemp("tour")
    notebook = nbformat.read(NOTEBOOK, 4)
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    notebook.cells.append(nbformat.v4.new_code_cell(WHERE))
    environment = {"PYTHONPATH": str(PACKAGES), "IPYTHONDIR": str(folder / "ipython"), "MPLBACKEND": None}
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    settings = {**os.environ, **environment}
    client.execute(env={name: value for name, value in settings.items() if value is not None})
    return notebook


def test_every_cell_runs_in_this_interpreter(executed):
    cells = code_cells(executed)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert cells[-1].outputs[0].text.split() == [sys.executable, str(NOTEBOOK.parents[1])]


def test_the_nets_learn(executed):
    text = printed(executed)
    digits = float(re.search(r"test accuracy ([\d.]+) %, mean loss", text)[1])
    assert 96 < digits <= 100
    spirals = {word: float(share) for word, share in re.findall(r"^(tnh|rel|swi 1\.5) .*?([\d.]+) %", text, re.M)}
    assert set(spirals) == {"tnh", "rel", "swi 1.5"}
    assert min(spirals.values()) > 98
    from_command_line = float(re.search(r"^accuracy +([\d.]+)%", text, re.M)[1])
    assert from_command_line == digits, "the same weights, by the command line"


def test_the_loop_in_the_notebook_and_fit_agree_bit_by_bit(executed):
    text = printed(executed)
    losses = re.findall(r"loss ([\d.]+) by the loop, ([\d.]+) by net.fit", text)
    assert len(losses) == 5
    assert all(one == other for one, other in losses)
    assert float(losses[0][0]) > 0.5 > 0.2 > float(losses[-1][0])
    assert "all 4810 weights are equal, bit by bit" in text


def test_kernels_and_the_new_layer_are_compared_with_numpy(executed):
    text = printed(executed)
    rows = re.findall(r"(\de-\d+) +([\d.]+) µs +([\d.]+) µs +([\d.]+)$", text, re.M)
    assert len(rows) == 5
    for error, ours, numpys, ratio in rows:
        assert float(error) < 2e-6
        least, most = ((float(numpys) + off) / (float(ours) - off) for off in (-ROUNDING, ROUNDING))
        assert least - 0.01 < float(ratio) < most + 0.01
    outputs, gradient = re.search(r"largest error: outputs (\S+), gradient (\S+)", text).groups()
    assert 0 < float(outputs) < 2e-6
    assert 0 < float(gradient) < 2e-6


def test_it_shows_what_the_committed_one_shows(executed, committed):
    assert [cell.source for cell in executed.cells[:-1]] == [cell.source for cell in committed.cells]
    pairs = list(zip(pictures(executed), pictures(committed), strict=True))
    assert len(pairs) == 4
    for one, other in pairs:
        if one.info["Software"] == other.info["Software"]:  # the version of Matplotlib, which has its fonts
            assert difference(one, other) < 1e-3
    lines = printed(executed).splitlines()[:-1]  # without those of WHERE
    assert [without_numbers(line) for line in lines] == [
        without_numbers(line) for line in printed(committed).splitlines()
    ]


def test_the_committed_outputs_come_from_one_run_and_show_no_machine(committed):
    cells = code_cells(committed)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert printed(committed, "stderr") == ""
    assert not re.search(r"(^|[\s'\"(])/\w+/|Warning", printed(committed))
    assert NOTEBOOK.stat().st_size < LARGEST


def test_it_is_installed_from_a_checkout_as_the_readme_says(committed):
    text = "".join(cell.source for cell in committed.cells if cell.cell_type == "markdown")
    assert re.findall(r"pip install [^`]*", text) == ['pip install ".[demos]"']
