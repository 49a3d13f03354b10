import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SHARED, needs_shared

from caffe64.errors import FileMissing, InputError, OutputError
from caffe64.formats.optimizer import Optimizer, format_optimizer, parse_optimizer, read_optimizer, write_optimizer

SPEC = Optimizer(rate=0.0001, step=5, factor=0.1, decay=0.00001, momentum=0.9, epochs=15)


@pytest.mark.parametrize(
    "text",
    [
        "0.0001 5 0.1 0.00001 0.9 15",
        "0.0001\n5\n0.1\n0.00001\n0.9\n15\n",
        "1e-4, 5.0; .1\r\n1E-5\t+0.9 15.  # a comment 7",
        "\n\n # rate\n 0.0001\n\n5 0.1 0.00001 0.9 15",
    ],
)
def test_six_numbers_are_read_in_any_layout(text):
    assert parse_optimizer(text) == SPEC


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": holds 0 numbers, expected six: rate, step, factor, decay, momentum, epochs"),
        ("1 2 3 4 5", ": holds 5 numbers, expected six: rate, step, factor, decay, momentum, epochs"),
        ("1 2 3 4 5 6 7", ": holds 7 numbers, expected six: rate, step, factor, decay, momentum, epochs"),
        ("-1 2 3 4 5 6", ":1:1: found '-1', expected the learning rate, a finite number >= 0"),
        ("1 2\n -3 4 5 6", ":2:2: found '-3', expected the drop factor, a finite number >= 0"),
        ("1 2 3 -4 5 6", ":1:7: found '-4', expected the weight decay, a finite number >= 0"),
        ("1 2 3 4 -5 6", ":1:9: found '-5', expected the momentum, a finite number >= 0"),
        ("1 2 3 4 5 -6", ":1:11: found '-6', expected the number of epochs, a whole number from 0 to 1000000000"),
        ("1 2 3 4 5 6.5", ":1:11: found '6.5', expected the number of epochs, a whole number from 0 to 1000000000"),
        ("1 2 3 4 5 1e10", ":1:11: found '1e10', expected the number of epochs, a whole number from 0 to 1000000000"),
        (
            "1 2.5 3 4 5 6",
            ":1:3: found '2.5', expected the epochs between drops of the rate, "
            "a whole number from 0 (never) to 1000000000",
        ),
        ("nan 2 3 4 5 6", ":1:1: found 'nan', expected the learning rate, a finite number >= 0"),
        ("1e999 2 3 4 5 6", ":1:1: found '1e999', expected the learning rate, a finite number >= 0"),
        ("1.2.3 2 3 4 5 6", ":1:1: found '1.2.3', expected the learning rate, a finite number >= 0"),
        ("rate 2 3 4 5 6", ":1:1: found 'rate', expected the learning rate, a finite number >= 0"),
    ],
)
def test_an_error_names_its_line_and_column(text, message):
    with pytest.raises(InputError) as caught:
        parse_optimizer(text, "optim.txt")
    assert str(caught.value) == "optim.txt" + message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rate", -0.1),
        ("rate", float("nan")),
        ("step", 2.5),
        ("epochs", -1),
        ("momentum", float("inf")),
        ("decay", True),
    ],
)
def test_values_from_python_are_checked_alike(field, value):
    values = dict.fromkeys(("rate", "step", "factor", "decay", "momentum", "epochs"), 1) | {field: value}
    with pytest.raises(InputError, match=r"<optimizer>: found .*, expected the"):
        Optimizer(**values)


def test_whole_fields_are_ints_and_the_others_floats():
    spec = Optimizer(1, 2.0, 3, 4, 5, 6)
    assert [type(value) for value in vars(spec).values()] == [float, int, float, float, float, int]


reals, wholes = st.floats(0, allow_nan=False, allow_infinity=False), st.integers(0, 10**9)


@given(st.builds(Optimizer, reals, wholes, reals, reals, reals, wholes))
def test_what_is_formatted_reads_back_equal(spec):
    assert parse_optimizer(format_optimizer(spec)) == spec
    assert "e" not in format_optimizer(spec)  # the original reads no exponents


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileMissing):
        read_optimizer(tmp_path / "optim.txt")


@needs_shared
def test_the_originals_files_are_read():
    spec = read_optimizer(SHARED / "caffe64" / "golden" / "classify_mlp" / "optim.txt")
    assert spec == Optimizer(0.02, 2, 0.5, 0.01, 0.9, 5)


def test_a_written_file_is_read_back(tmp_path):
    write_optimizer(tmp_path / "optimizer.txt", SPEC)
    assert read_optimizer(tmp_path / "optimizer.txt") == SPEC
    with pytest.raises(OutputError, match=r"optimizer\.txt"):
        write_optimizer(tmp_path / "nowhere" / "optimizer.txt", SPEC)
