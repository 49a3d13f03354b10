"""Names, strings and numbers of C files."""

from __future__ import annotations

import re

import numpy as np
import pytest

from caffe64.engine.textnet.writers.c_text import identifier, number, string


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("digits", "digits"),
        ("my-net v2.1", "my_net_v2_1"),
        ("2fast", "net_2fast"),
        ("_Private__x_", "Private_x"),
        ("int", "int"),  # int_predict is no keyword
        ("Größe", "Gr_e"),
        ("模型", "net"),
        ("", "net"),
        ("*/ #include", "include"),
    ],
)
def test_an_identifier_begins_names_of_c(name, expected):
    assert identifier(name) == expected
    assert re.fullmatch("[A-Za-z][A-Za-z0-9_]*", expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, "1.0f"), (-0.0, "-0.0f"), (0.1, "0.100000001f"), (1e10, "1e+10f"), (-3e-41, "-3.00003988e-41f")],
)
def test_numbers_are_floats_of_c(value, expected):
    assert number(float(np.float32(value))) == expected


def test_numbers_read_back_bit_for_bit():
    source = np.random.default_rng(0)
    values = source.integers(0, 1 << 32, 20000, np.uint32).view(np.float32)
    values = np.concatenate([values[np.isfinite(values)], np.float32([0, 1, 16777217, 1e-45, 3.4028235e38])])
    read = np.array([float(number(value).removesuffix("f")) for value in values.tolist()]).astype(np.float32)
    np.testing.assert_array_equal(read.view(np.uint32), values.view(np.uint32))


def test_strings_hold_what_would_end_or_change_them():
    assert string('a"b\\c') == '"a\\042b\\134c"'
    assert string("??/\n1é") == '"\\077\\077/\\0121\\303\\251"'
