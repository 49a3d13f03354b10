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
    assert [type(value) for value in list(vars(spec).values())[:6]] == [float, int, float, float, float, int]


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


SIX = "0.1 0 0.5 0 0 9\n"


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ("adam", {"rule": "adam", "second": 0.999, "epsilon": 1e-8}),
        ("adam 0.99", {"rule": "adam", "second": 0.99, "epsilon": 1e-8}),
        ("adam, 0.99; 1e-6  # sharp", {"rule": "adam", "second": 0.99, "epsilon": 1e-6}),
        ("nesterov", {"rule": "nesterov", "second": None, "epsilon": None}),
        ("rmsprop", {"rule": "rmsprop", "second": 0.99, "epsilon": 1e-8}),
        ("adagrad 1e-3", {"rule": "adagrad", "second": None, "epsilon": 1e-3}),
        ("adadelta 0.95\nclip 2.5", {"rule": "adadelta", "second": 0.95, "epsilon": 1e-6, "clip": 2.5}),
        ("cosine\nwarmup 1.5", {"rule": "sgd", "schedule": "cosine", "warmup": 1.5}),
    ],
)
def test_words_follow_the_six_numbers(words, fields):
    found = parse_optimizer(SIX + words)
    assert found == Optimizer(0.1, 0, 0.5, 0, 0, 9, **fields)
    assert {name: getattr(found, name) for name in fields} == fields
    assert parse_optimizer(format_optimizer(found)) == found


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("adma", ":2:1: found 'adma', expected one of nesterov, adam, rmsprop, adagrad, adadelta, exp, cosine, warmup"),
        ("adam 1", ":2:6: found '1', expected the decay of the mean of squares, a number from 0 to less than 1"),
        ("adam 0.9 0", ":2:10: found '0', expected what is added to a divisor, a finite number > 0"),
        ("adam 0.9 1e-8 3", ":2:15: found '3', expected adam second epsilon and no more"),
        ("nesterov 0.9", ":2:10: found '0.9', expected nesterov and no more"),
        ("adam\nnesterov", ":3:1: found 'nesterov' after 'adam', expected one rule at most"),
        ("clip 1\nclip 2", ":3:1: found 'clip' after 'clip', expected one clip at most"),
        ("warmup", ":2:1: found warmup without a number, expected the epochs in which the rate grows from 0"),
        ("warmup -1", ":2:8: found '-1', expected the epochs in which the rate grows from 0"),
        ("exp", ":1:5: step is 0, expected with exp, the epochs in which the rate falls by the factor"),
        ("7", ": holds 7 numbers, expected six: rate, step, factor, decay, momentum, epochs"),
        ("adam\n7", ": holds 7 numbers, expected six: rate, step, factor, decay, momentum, epochs"),
    ],
)
def test_an_error_in_a_word_names_its_place(words, message):
    with pytest.raises(InputError) as caught:
        parse_optimizer(SIX + words, "optim.txt")
    assert str(caught.value).startswith("optim.txt" + message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.1 0 0.5 0 0 9 adam", ":1:17: found 'adam', expected a line of its own for each word"),
        ("0.1 2 0.5 0 0 9\ncosine", ":1:5: step is 2, expected 0 with cosine, which has no drops"),
        ("0.1 0 1 0 0.9 9\nrmsprop", ":1:11: the momentum is 0.9, which rmsprop does not use, expected 0"),
        ("0.1 0 1 0 1 9\nadam", ":1:11: the momentum is 1, expected less than 1 for adam"),
    ],
)
def test_words_and_numbers_must_agree(text, message):
    with pytest.raises(InputError) as caught:
        parse_optimizer(text, "optim.txt")
    assert str(caught.value) == "optim.txt" + message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rule": "Adam"}, "found 'Adam', expected the update rule, one of sgd, nesterov, adam"),
        ({"schedule": "linear"}, "found 'linear', expected the schedule of the rate, one of step, exp, cosine"),
        ({"second": 0.9}, "second is 0.9, which sgd does not use, expected no second"),
        ({"rule": "adagrad", "second": 0.9}, "second is 0.9, which adagrad does not use"),
        ({"clip": -1}, "found -1, expected the largest norm of the mean gradient"),
        ({"warmup": "1"}, "found '1', expected the epochs in which the rate grows from 0"),
    ],
)
def test_words_from_python_are_checked_alike(fields, message):
    with pytest.raises(InputError, match=message):
        Optimizer(0.1, 0, 1, 0, 0, 9, **fields)


words = st.sampled_from(["sgd", "nesterov", "adam", "rmsprop", "adagrad", "adadelta"])
squares, divisors = st.floats(0, 1, exclude_max=True), st.floats(0, exclude_min=True, allow_infinity=False)


@given(words, st.none() | squares, st.none() | divisors, st.booleans(), reals.filter(lambda value: value <= 1e9), reals)
def test_words_that_are_formatted_read_back_equal(rule, second, epsilon, falling, warmup, clip):
    own = {"second": second, "epsilon": epsilon} if rule in ("adam", "rmsprop", "adadelta") else {}
    schedule = {"schedule": "exp"} if falling else {}
    spec = Optimizer(0.1, 3, 0.5, 0, 0, 9, rule=rule, warmup=warmup, clip=clip, **own, **schedule)
    assert parse_optimizer(format_optimizer(spec)) == spec
