"""The value of each number, over a million tokens, and which bytes are numbers, against a plain reference."""

import gzip
import os
import random
import re
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from caffe64.errors import InputError
from caffe64.formats import numbers
from caffe64.formats.number_scanner import (
    FILLED,
    HARD,
    POSITION,
    SCAN_DONE,
    SCAN_FULL,
    SCAN_MALFORMED,
    count_numbers,
    scan_numbers,
)
from caffe64.formats.numbers import locate_number, read_numbers


def random_float32(rng, *, smallest=-150, largest=127):
    return np.float32(rng.choice((-1, 1)) * rng.random() * 2.0 ** rng.randint(smallest, largest))


def exactly(value):
    """All digits of a float, or of a fraction of a power of two."""
    return f"{Decimal(value):f}"


def between_float32(rng):
    """The exact middle of two float32 neighbours, or a hair beside it: where rounding decides."""
    low = random_float32(rng, smallest=-100, largest=100)
    middle = (float(low) + float(np.nextafter(low, np.float32(np.inf)))) / 2
    text = exactly(middle)
    if "." not in text:
        text += "."
    return rng.choice((text, text + "0" * rng.randint(1, 40) + "1", text[:-1], text[:-3] + "4999", repr(middle)))


FORMS = {
    "pixels": lambda rng: str(rng.randint(-128, 127)),
    "whole numbers": lambda rng: str(rng.choice((-1, 1)) * rng.getrandbits(rng.randint(1, 100))),
    "%f": lambda rng: f"{rng.gauss(0, 10 ** rng.randint(-4, 6)):f}",
    "%e": lambda rng: f"{random_float32(rng):.{rng.randint(0, 12)}e}",
    "numpy.savetxt": lambda rng: f"{rng.gauss(0, 1):.18e}",
    "repr of float32": lambda rng: str(random_float32(rng)),
    "repr of float64": lambda rng: repr(rng.gauss(0, 10.0 ** rng.randint(-40, 37))),
    "short decimals": lambda rng: f"{rng.randint(-999, 999)}.{rng.randint(0, 99999999)}",
    "signs and bare points": lambda rng: (
        rng.choice("+-") + rng.choice(("{}.", ".{}", "{}", "00{}.0")).format(rng.randint(0, 10**8))
    ),
    "zeros": lambda rng: rng.choice(("", "-", "+")) + rng.choice(("0", "0.0", ".000", "0e9", "0e-999", "0.0E+99999")),
    "exponents": lambda rng: (
        f"{rng.randint(-99999, 99999)}{rng.choice('eE')}{rng.choice(('', '-', '+'))}{rng.randint(0, 33)}"
    ),
    "leading zeros": lambda rng: "0" * rng.randint(0, 30) + f"{rng.random():.{rng.randint(1, 30)}f}",
    "long mantissas": lambda rng: f"{rng.getrandbits(200) / 1e30:.40f}"[: rng.randint(20, 60)],
    "exact digits": lambda rng: exactly(float(random_float32(rng, smallest=-60, largest=80))),
    "between float32": between_float32,
    "denormals": lambda rng: f"{rng.random() * 10.0 ** rng.randint(-48, -37):.{rng.randint(0, 20)}e}",
    "too small": lambda rng: rng.choice(
        ("1e-46", "-7e-46", "1e-400", "-1e-99999999999999999999", "0." + "0" * 60 + "1")
    ),
    "nearly too large": lambda rng: rng.choice(
        ("3.4028235e38", "340282346638528859811704183484516925440", "-3.40282356e38")
    ),
    "moved points": lambda rng: rng.choice(
        ("1" + "0" * 300 + "e-300", "0." + "0" * 300 + "7e301", "1" + "0" * 150 + "e-1500", f"{'9' * 25}e-20")
    ),
}
SEPARATORS = [" ", " ", " ", "\n", "\r\n", ",", "\t", "; ", "  ", " x ", "|", "\0", "\xe9", "/", "(", "z", "\n\n"]


def tokens_and_text(count, seed):
    """Tokens of all forms, and a text of them with random separators and no newline at its end."""
    rng = random.Random(seed)
    forms = list(FORMS.values())
    tokens = [forms[k % len(forms)](rng) for k in range(count)]
    separators = rng.choices(SEPARATORS, k=count)
    text = "".join(part for pair in zip(tokens, separators, strict=True) for part in pair)
    return tokens, text[: -len(separators[-1])].encode("latin-1")


def assert_same_bits(actual, tokens):
    with np.errstate(over="ignore"):
        expected = np.array(list(map(float, tokens))).astype(np.float32)
    assert np.isfinite(expected).all()
    assert len(actual) == len(expected)
    wrong = np.flatnonzero(actual.view(np.uint32) != expected.view(np.uint32))
    assert not len(wrong), f"{tokens[wrong[0]]!r} reads as {actual[wrong[0]]}, expected {expected[wrong[0]]}"


def test_a_million_numbers_of_every_form_are_float32_of_float_bit_for_bit(write):
    tokens, text = tokens_and_text(1_000_000, seed=1)
    path = write(text)
    assert_same_bits(read_numbers(path, len(tokens)), tokens)
    assert_same_bits(read_numbers(path), tokens)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_alone(form, write):
    """A form whose numbers all take the slow path fills the list of those more than once."""
    rng = random.Random(form)
    tokens = [FORMS[form](rng) for _ in range(10_000)]
    assert_same_bits(read_numbers(write(" ".join(tokens))), tokens)


# Plain numbers, which are converted in windows: every count of digits on both sides of the point, and one too many.


def plain_tokens(rng, count, digits, places):
    """`digits` before the point, None of `places`: no point."""
    for _ in range(count):
        number = f"{rng.randrange(10**digits):0{digits}d}"
        if places is not None:
            number += "." + f"{rng.randrange(10**places):0{places}d}"[:places]
        yield rng.choice(("", "", "-", "+")) + number


@pytest.mark.parametrize("digits", range(1, 11))
def test_plain_numbers_of_all_lengths(digits, write):
    rng = random.Random(digits)
    shapes = [list(plain_tokens(rng, 100, digits, places)) for places in (None, *range(15))]
    shapes += [[rng.choice(rng.choice(shapes)) for _ in range(3000)], ["-0"] * 100, ["-0.0"] * 100, ["+0"] * 100]
    tokens = [token for shape in shapes for token in shape]
    text = "".join(token + rng.choice((" ", " ", ", ", "\n", "\t\t ")) for token in tokens)
    assert_same_bits(read_numbers(write(text)), tokens)


def test_short_numbers_of_one_to_four_digits_with_all_values(write):
    tokens = [str(value) for value in range(-10_000, 10_000)] + ["+7", "-0", "007", "-00", "+000"] * 20
    assert_same_bits(read_numbers(write(" ".join(tokens))), tokens)


@pytest.mark.parametrize("bad", ["1.2.3", "1-2", "--1", "-", ".", "+-1", "1.-2", "-.-", "nan"])
def test_a_byte_outside_a_number_is_found_at_every_position_of_a_window(bad, write):
    for before in range(3, 80):
        text = "1 " * before + bad + " 3.25" * 40
        with pytest.raises(InputError, match=f"found '{re.escape(bad)}'") as caught:
            read_numbers(write(text))
        assert (caught.value.line, caught.value.column) == (1, 2 * before + 1)


@pytest.mark.parametrize("odd", ["1.", ".5", "-.5", "1e3", "1.5E-3", "123456789.123456789", "0.1234567890123", "x7"])
def test_odd_numbers_at_every_position_of_a_window(odd, write):
    for before in range(3, 80):
        tokens = ["-1.5"] * 20 + [odd.strip("x")] + ["3", "4.25"] * 20
        text = " " * before + " ".join(tokens).replace(odd.strip("x"), odd, 1)
        assert_same_bits(read_numbers(write(text)), tokens)


def test_vectors_of_any_cpu_give_the_same_bits(write, tmp_path):
    """The code for a CPU without AVX, which every x86-64 runs."""
    tokens = [FORMS[form](random.Random(k)) for form in ("pixels", "%f", "short decimals") for k in range(300)]
    path = write(" ".join(tokens))
    code = "import sys; from caffe64.formats.numbers import read_numbers; read_numbers(sys.argv[1]).tofile('out')"
    environment = {**os.environ, "NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""}
    subprocess.run([sys.executable, "-c", code, path], check=True, cwd=tmp_path, env=environment)
    assert_same_bits(np.fromfile(tmp_path / "out", np.float32), tokens)


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 64])
def test_pieces_may_end_anywhere(piece, write, monkeypatch):
    tokens, text = tokens_and_text(2000, seed=2)
    path = write(text)
    monkeypatch.setattr(numbers, "PART", piece)
    assert_same_bits(read_numbers(path), tokens)
    assert_same_bits(read_numbers(path, 1000), tokens[:1000])


@pytest.mark.parametrize("piece", [400, 401, 4096])
def test_blocks_of_a_gz_may_end_anywhere(piece, write, monkeypatch):
    tokens, text = tokens_and_text(20_000, seed=3)
    path = write(gzip.compress(text, 1))
    monkeypatch.setattr(numbers, "PIECE", piece)
    monkeypatch.setattr(numbers, "PART", 100)
    assert_same_bits(read_numbers(path), tokens)
    assert_same_bits(read_numbers(path, 19_990), tokens[:19_990])
    assert locate_number(path, 19_990) == place_of(text, tokens, 19_990)


def place_of(text, tokens, index):
    """Line, column and token, by searching token after token."""
    at = -1
    for token in tokens[: index + 1]:
        at = text.index(token.encode(), at + 1 if at < 0 else at)
        start, at = at, at + len(token)
    return text.count(b"\n", 0, start) + 1, start - text.rfind(b"\n", 0, start), tokens[index]


@pytest.mark.parametrize("index", [0, 1, 777, 1999])
def test_numbers_are_located(index, write):
    tokens, text = tokens_and_text(2000, seed=4)
    assert locate_number(write(text), index) == place_of(text, tokens, index)


# Which bytes belong to numbers: a reference that walks over the text one byte at a time.


def reference_tokens(text):
    """The tokens of a text as (offset, token), well-formed or not."""
    text += b"  "
    tokens, i = [], 0
    while i < len(text):
        start = i
        while i < len(text) - 2 and (text[i] in b"0123456789+-." or is_exponent_mark(text, i)):
            i += 1
        if i > start:
            tokens.append((start, text[start:i]))
        i += 1
    return tokens


def is_exponent_mark(text, i):
    sign = 1 if text[i + 1] in b"+-" else 0
    return text[i] in b"eE" and i > 0 and text[i - 1] in b"0123456789." and text[i + 1 + sign] in b"0123456789"


def reference_outcome(text):
    """The values, or the offset of the first error."""
    words = []
    word = b""
    for i, byte in enumerate(text + b" "):
        if bytes([byte]).isalpha() and not is_exponent_mark(text + b"  ", i):
            word += bytes([byte])
        else:
            if word.lower() in (b"nan", b"inf", b"infinity"):
                words.append(i - len(word))
            word = b""
    bad = [offset for offset, token in reference_tokens(text) if not is_float(token)]
    if words or bad:
        return min(words + bad)
    return [float(token) for _, token in reference_tokens(text)]


def is_float(token):
    try:
        return abs(float(token)) < 3.4028235677973366e38  # from there on float32 is inf
    except ValueError:
        return False


texts = st.lists(st.sampled_from("0123456789+-..eE  \n,naifty"), max_size=40).map("".join) | st.lists(
    st.sampled_from(
        ["1", "-2.5", "1e5", "e", "E+3", "nan", "-inf", "Infinity", "info", ".", "1.", "5e", "x", " ", "\n"]
    )
).map("".join)


@given(texts)
@example("1e5e5")
@example("1e")
@example("0x10")
@example("1-2")
@example("nan")
@example("5e-x")
@example("1 nane5")
@example("2.e5")
@example(".e5")
@example("1e39")
def test_any_text_reads_as_the_reference_says(tmp_path_factory, text):
    data = text.encode()
    path = tmp_path_factory.mktemp("any") / "file"
    path.write_bytes(data)
    expected = reference_outcome(data)
    try:
        actual = read_numbers(path).tolist()
    except InputError as error:
        if error.line is None:
            assert expected == []
        else:
            lines = data.split(b"\n")
            offset = sum(len(line) + 1 for line in lines[: error.line - 1]) + error.column - 1
            # An error names the sign of -inf, whose letters the reference points at.
            assert expected in (offset, offset + 1) if data[offset : offset + 1] in b"+-" else expected == offset
    else:
        assert actual == [float(np.float32(value)) for value in expected]


@given(texts, st.integers(0, 40), st.integers(0, 40))
def test_tokens_are_counted_in_any_stretch(text, start, stop):
    data = text.encode() + b" "
    start, stop = sorted((min(start, len(data)), min(stop, len(data))))
    offsets = [offset for offset, _ in reference_tokens(data)]
    count = count_numbers(np.frombuffer(data, np.uint8), start, stop)
    assert count == sum(start <= offset < stop for offset in offsets)


def test_long_texts_are_counted_as_the_reference_does():
    rng = random.Random(5)
    data = "".join(rng.choices("0123456789+-.eE ,\n", k=5000)).encode()
    offsets = np.array([offset for offset, _ in reference_tokens(data)])
    text = np.frombuffer(data, np.uint8)
    for start, stop in ((0, 5000), (1, 4999), (130, 4000), (2, 200), (4800, 5000)):
        assert count_numbers(text, start, stop) == ((offsets >= start) & (offsets < stop)).sum()


def test_bytes_behind_the_text_are_not_looked_at():
    data = np.frombuffer(b"12.5e+3 789012345678901 -1.25 77 " * 10, np.uint8)
    values, hard = np.zeros(len(data), np.float32), np.zeros(2 * len(data), np.int64)
    for size in range(1, len(data)):
        text, state = data[:size], np.zeros(3, np.int64)
        tokens = [token for _, token in reference_tokens(text.tobytes())]
        whole = tokens if is_float(tokens[-1]) else tokens[:-1]  # a sign may be left over at the end
        assert scan_numbers(text, 0, size, values, hard, state) == (SCAN_DONE if whole == tokens else SCAN_MALFORMED)
        assert values[: state[FILLED]].tolist() == [np.float32(float(token)) for token in whole]
    for start in range(40):
        for size in (1, 2, 130, 258):  # those at which a block of the counting kernel ends with the text
            text = data[start : start + size]
            assert count_numbers(text, 0, size) == len(reference_tokens(text.tobytes()))


def test_the_kernel_stops_where_it_says():
    text = np.frombuffer(b"1 x 2 1e-40 3", np.uint8)
    values, hard, state = np.zeros(3, np.float32), np.zeros(2, np.int64), np.zeros(3, np.int64)
    assert scan_numbers(text, 0, len(text), values[:1], hard, state) == SCAN_FULL
    assert state.tolist() == [1, 4, 0]  # one number, at the second, none hard
    assert scan_numbers(text, 4, len(text), values, hard, state) == SCAN_FULL  # `hard` has room for one
    assert (state[FILLED], state[POSITION], state[HARD]) == (3, 12, 1)
    assert hard.tolist() == [6, 2]
    assert scan_numbers(text, 4, 5, values, hard, np.zeros(3, np.int64)) == SCAN_DONE
