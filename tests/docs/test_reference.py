"""Tables of the documentation, against the code that they are about."""

from __future__ import annotations

import json
import re
import zipfile
from io import BytesIO

import numpy as np
import pytest
from reference import elementary
from reference.pages import DOCS, ROOT
from test_architecture import FLOORS

import caffe64
from caffe64 import errors
from caffe64.cli import app, config_ini, log
from caffe64.formats.network import GRAMMAR
from caffe64.proto import caffe_pb2

NAMES = r"`(\w+)`"
VARIABLE = r"[\"'](CAFFE64_\w+|NUMBA_\w+|OMP_\w+|XDG_\w+)[\"']"


def names(cells: list[list[str]]) -> set[str]:
    """What is code in the first cells."""
    return {name for first, *_ in cells for name in re.findall(NAMES, first)}


def rows(page: str, header: str) -> list[list[str]]:
    """The cells of the table whose first line is `header`."""
    (table,) = re.findall(rf"^{re.escape(header)}\n\|[-|: ]+\|\n((?:\|.*\n)+)", (DOCS / page).read_text(), re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in table.splitlines()]


def test_exit_codes():
    shown = {}
    for code, _, kinds in rows("reference/exit-codes.md", "| exit code | meaning | exception in Python |"):
        shown |= {name: shown.get(name, set()) | {int(code)} for name in re.findall(NAMES, kinds)}
    kinds = [
        value for value in vars(errors).values() if isinstance(value, type) and value.__module__.endswith("errors")
    ]
    expected = {kind.__name__: {kind.exit_code} for kind in kinds if kind is not caffe64.Caffe64Error}
    expected["Interrupted"] = {129, 130, 143}
    assert shown == expected


def test_environment_variables():
    shown = names(rows("reference/environment.md", "| variable | effect |"))
    folders = ("api.py", "caffe", "cli", "demos", "engine", "formats", "jobs")
    files = [path for name in folders for path in [ROOT / name, *(ROOT / name).rglob("*.py")] if path.is_file()]
    read = {name for file in files for name in re.findall(VARIABLE, file.read_text())}
    assert {"CAFFE64_DATA", "XDG_CACHE_HOME", "OMP_NUM_THREADS"} <= read
    assert read - shown == set()


def test_commands_where_kernels_do_not_run():
    """test_elsewhere.py runs them."""
    header = "| command | Linux on x86-64 or aarch64 | macOS, Windows, other CPUs, or without Numba |"
    table = rows("reference/platforms.md", header)
    assert names(table) == {module.NAME for module in (*app.TEXT_NETS, *app.CAFFE_NETS, *app.MANY)} | {
        "warmup",
        "doctor",
        "cache",
    }
    refused = names([cells for cells in table if "exit code 2" in cells[2]])
    assert refused == {module.NAME for module in app.COMPUTING} | {"cache"}


def test_the_lines_of_a_network_file():
    header = "| line | layer | forward | gradient |"
    shown = {re.match(NAMES[:-1], cells[0])[1] for cells in rows("reference/formats.md", header)}
    assert shown == set(GRAMMAR)


def test_the_fields_of_a_log():
    assert tuple(cells[0].strip("`") for cells in rows("reference/formats.md", "| field | value |")) == log.FIELDS


def test_the_keys_of_a_checkpoint(tmp_path):
    net = caffe64.Net("inp 2 2 / lin 1 -1 / l2l")
    training = caffe64.Training(net, np.eye(2, dtype=np.float32), np.ones(2), caffe64.Optimizer(0.1, 0, 1, 0, 0, 2))
    training.run_epoch()
    caffe64.write_checkpoint(tmp_path / "c", training.checkpoint())
    with zipfile.ZipFile(tmp_path / "c") as archive:
        members = set(archive.namelist())
        header = bytes(np.load(BytesIO(archive.read("header.npy"))))
    assert names(rows("reference/formats.md", "| key of the header | value |")) == set(json.loads(header))
    assert members == {cells[0].strip("`") for cells in rows("reference/formats.md", "| member | type | content |")}


def test_the_numbers_of_fields_in_a_caffemodel():
    shown = rows("reference/formats.md", "| message | field | number | value |")
    assert len(shown) > 10
    for message, field, number, _ in shown:
        known = getattr(caffe_pb2, message).DESCRIPTOR.fields_by_name
        assert known[field.strip("`")].number == int(number), (message, field)


def test_the_keys_of_a_config_ini():
    (text,) = re.findall(r"^\*\*`config\.ini`.*?(?=\n\n)", (DOCS / "reference/formats.md").read_text(), re.M | re.S)
    assert set(config_ini.KEYS) <= set(re.findall(NAMES, text))


def test_the_errors_of_elementary_functions():
    functions = ("EXP", "DECAY", "EXP_MINUS_ONE", "TANH", "SIGMOID", "SIGMOID_SLOPE")
    expected = [getattr(elementary, f"{name}_ULP") for name in functions]
    assert [float(error) for _, error in rows("explanation/accuracy.md", "| function | error |")] == expected


@pytest.mark.parametrize("floor", FLOORS)
def test_every_floor_is_shown(floor):
    block = re.search(r"(?:^    .*\n)+", (DOCS / "explanation/architecture.md").read_text(), re.MULTILINE)[0]
    left = [line[:35] for line in block.splitlines()]
    assert re.search(rf"\b{floor.split('.')[-1]}\b", "\n".join(left))
