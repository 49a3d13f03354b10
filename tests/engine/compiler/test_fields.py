"""Rows of numbers with named fields: one declaration serves the writer and compiled code, at no cost there."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import caffe64
from caffe64.engine.compiler import jit, kernel_file
from caffe64.engine.compiler.fields import field_count, numbers, read_fields, read_row
from caffe64.engine.compiler.jit import I1, I1_IN, kernel, void
from caffe64.engine.compiler.signatures import i64

GRAPH = Path(caffe64.__file__).parent / "engine/graph"


class Inner(NamedTuple):
    offset: int
    step: int


class Outer(NamedTuple):
    first: int
    x: Inner
    y: Inner
    last: int


ROW = Outer(first=2, x=Inner(offset=3, step=5), y=Inner(offset=7, step=11), last=13)


@kernel(void(I1_IN, i64, I1))
def read_all(table, at, out):
    f = read_fields(table, at, Outer)
    out[0], out[1], out[2], out[3], out[4], out[5] = f.first, f.x.offset, f.x.step, f.y.offset, f.y.step, f.last


@kernel(void(I1_IN, i64, I1))
def sum_steps(table, rows, out):
    for n in range(rows):
        row = read_row(table, 3, n, Outer)
        out[n] = row.x.step + row.y.step


def test_a_kernel_reads_what_was_written_by_the_same_names():
    assert field_count(Outer) == 6
    assert numbers(ROW) == [2, 3, 5, 7, 11, 13]
    out = np.zeros(6, np.int64)
    read_all(np.array([0, 0, *numbers(ROW)]), 2, out)
    assert out.tolist() == [2, 3, 5, 7, 11, 13]


def test_a_kernel_reads_the_rows_of_a_table():
    rows = [ROW, ROW._replace(x=Inner(offset=0, step=20)), ROW._replace(y=Inner(offset=0, step=30))]
    out = np.zeros(3, np.int64)
    sum_steps(np.array([0, 0, 0, *(number for row in rows for number in numbers(row))]), 3, out)
    assert out.tolist() == [16, 31, 35]


@pytest.mark.parametrize("wrong", [1.0, None, "3", Inner(offset=0, step=0)])
def test_a_number_of_another_type_is_refused(wrong):
    with pytest.raises(TypeError, match=r"Outer.last: found .*, expected int"):
        numbers(ROW._replace(last=wrong))


@pytest.mark.parametrize("wrong", [3, (3, 5), ROW])
def test_another_group_than_declared_is_refused(wrong):
    with pytest.raises(TypeError, match=r"Outer.x: found .*, expected Inner"):
        numbers(ROW._replace(x=wrong))


def sum_by_position(table, at, out):
    out[0] = table[at] + table[at + 2] * table[at + 4]


def sum_by_name(table, at, out):
    f = read_fields(table, at, Outer)
    out[0] = f.first + f.x.step * f.y.step


def instructions(function):
    """The instructions of the kernel itself, without its entry points."""
    compiled = kernel(void(I1_IN, i64, I1))(function)
    compiled.compile()
    assembly = compiled.made.result.library.get_asm_str()
    name = compiled.made.result.fndesc.mangled_name
    (body,) = re.findall(rf'^"?{re.escape(name)}"?:\n(.*?)^\s*\.size', assembly, re.M | re.S)
    return [line for line in body.splitlines() if re.match(r"\t[a-z]", line)]


def test_a_name_costs_no_instruction_and_a_field_that_is_not_read_no_load(monkeypatch):
    """Plain indices that may be negative cost a test each; names none."""
    monkeypatch.setattr(kernel_file, "cache_directory", lambda: None)  # Numba keeps no assembly
    monkeypatch.setattr(jit, "KERNELS", [])
    by_name, by_position = instructions(sum_by_name), instructions(sum_by_position)
    assert len(by_name) <= len(by_position)
    loads = [line for line in by_name if re.search(r"\t(mov|imul|add)q?\t.*\(.*\), *%", line)]
    assert 3 <= len(loads) <= 6, by_name  # three fields, and at most table, its place, and the result's from the stack


# Folders below engine/graph, and what rows of fields are called there.
ROWS = {"plan": ("tables", "program"), "ops": ("counts", "sizes"), "backward": ("counts", "sizes")}


def position_coded(path, names):
    """Lines of a file that index one of `names` with a bare number, or a sum with one."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in names:
            parts = [part.value for part in ast.walk(node.slice) if isinstance(part, ast.Constant)]
            if any(isinstance(part, int) for part in parts):
                yield node.lineno


def test_no_kernel_of_a_graph_reads_a_bare_position():
    files = [(path, names) for folder, names in ROWS.items() for path in (GRAPH / folder).rglob("*.py")]
    assert len(files) > 50
    found = {
        str(path.relative_to(GRAPH)): lines for path, names in files if (lines := list(position_coded(path, names)))
    }
    assert not found
