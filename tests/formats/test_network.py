import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SHARED, needs_shared

from caffe64.errors import FileMissing, InputError, UsageError
from caffe64.formats.network import (
    GRAMMAR,
    Argument,
    LayerSpec,
    NetSpec,
    Word,
    add_word,
    format_network,
    parse_network,
    read_network,
    write_network,
)

WORDS = "inp, lin, rel, lky, tnh, sig, smx, drp, bnm, sce, sft, bce, l2l, hub"
NET = "4\ninp 20 10\nlin 16 -1\nrel\nsce\n"


def layers(*lines):
    """LayerSpecs without the checks of the file: layers("inp 2 3", "rel")."""
    return tuple(LayerSpec(line.split()[0], tuple(map(int, line.split()[1:]))) for line in lines)


def test_a_net_is_read_with_its_sizes_and_loss():
    spec = parse_network(NET)
    assert spec.layers == layers("inp 20 10", "lin 16 -1", "rel", "sce")
    assert (spec.features, spec.minibatch, spec.loss) == (20, 10, "sce")


def test_a_net_may_do_without_a_loss():
    assert parse_network("2\ninp 1 1\nrel").loss is None


def test_layout_does_not_matter():
    text = "\r\n4 \r\n\r\n  inp\t20 10   # a comment\r\n# another\r\nlin +16 -1.0\r\nrel\r\n\r\nsce"
    assert parse_network(text) == parse_network(NET)


def test_every_word_of_the_grammar_can_be_said():
    assert set(GRAMMAR) >= set(WORDS.split(", "))
    assert {word.name for word in GRAMMAR.values() if word.role == "loss"} >= {"sce", "sft", "bce", "l2l", "hub"}
    assert parse_network("6\ninp 3 2\nlin 4 0.5\ntnh\nsmx\nrel\nl2l").loss == "l2l"
    assert parse_network("6\ninp 3 2\nlin 4 he\nlky 0.1\nlin 4 glorot\nsig\nhub 0.5").loss == "hub"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": is empty, expected the number of layers, then one layer per line"),
        (" \n# only a comment\n", ": is empty, expected the number of layers, then one layer per line"),
        ("inp 2 3\nrel", ":1:1: found 'inp', expected the number of layers, a whole number from 1 to 10000"),
        ("0", ":1:1: found '0', expected the number of layers, a whole number from 1 to 10000"),
        ("10001", ":1:1: found '10001', expected the number of layers, a whole number from 1 to 10000"),
        ("9" * 5000, f":1:1: found '{'9' * 40}...', expected the number of layers, a whole number from 1 to 10000"),
        ("1 inp 2 3", ":1:3: found 'inp', expected the number of layers alone on its line"),
        ("3\ninp 2 3\nrel", ":1:1: found '3', but 2 layers follow (the first line is the number of layers)"),
        ("1\ninp 2 3\nrel", ":1:1: found '1', but 2 layers follow (the first line is the number of layers)"),
        ("1", ":1:1: found '1', but 0 layers follow (the first line is the number of layers)"),
        (
            "2\ninp 2 3\n Relu",
            f":3:2: found 'Relu', expected one of {WORDS} (did you mean 'rel'?)",
        ),
        ("1\nINP 2 3", f":2:1: found 'INP', expected one of {WORDS} (did you mean 'inp'?)"),
        ("2\ninp 2 3\nxyzzy", f":3:1: found 'xyzzy', expected one of {WORDS}"),
        ("1\ninp 2", ":2:5: the line ends after '2', expected B, a whole number from 1 to 16777216 (inp F B)"),
        ("1\ninp", ":2:1: the line ends after 'inp', expected F, a whole number from 1 to 16777216 (inp F B)"),
        ("1\ninp 2 3 4", ":2:9: found '4', expected the line to end here: 'inp F B'"),
        ("2\ninp 2 3\nrel 1", ":3:5: found '1', expected the line to end here: 'rel'"),
        ("1\ninp 2 ten", ":2:7: found 'ten', expected B, a whole number from 1 to 16777216"),
        ("1\ninp 2.5 3", ":2:5: found '2.5', expected F, a whole number from 1 to 16777216"),
        ("1\ninp 1_0 3", ":2:5: found '1_0', expected F, a whole number from 1 to 16777216"),
        ("1\ninp 0 3", ":2:5: found '0', expected F, a whole number from 1 to 16777216"),
        ("1\ninp 2 -3", ":2:7: found '-3', expected B, a whole number from 1 to 16777216"),
        ("1\ninp 16777217 3", ":2:5: found '16777217', expected F, a whole number from 1 to 16777216"),
        ("2\ninp 2 3\nlin 4 31", ":3:7: found '31', expected e, a number from -30 to 30 or he or glorot"),
        ("2\ninp 2 3\nlin 4 He", ":3:7: found 'He', expected e, a number from -30 to 30 or he or glorot"),
        ("2\ninp 2 3\nlin he 4", ":3:5: found 'he', expected K, a whole number from 1 to 16777216"),
        (
            "2\ninp 2 3\nlin 4",
            ":3:5: the line ends after '4', expected e, a number from -30 to 30 or he or glorot (lin K e|he|glorot)",
        ),
        ("2\ninp 2 3\nlky 1.5", ":3:5: found '1.5', expected s, a number from 0 to 1"),
        ("2\ninp 2 3\nhub 0", ":3:5: found '0', expected d, a number from 1e-06 to 1000000"),
        ("2\ninp 2 3\nhub", ":3:1: the line ends after 'hub', expected d, a number from 1e-06 to 1000000 (hub d)"),
        ("2\ninp 2 3\nlin 4 nan", ":3:7: found 'nan', expected e, a number from -30 to 30 or he or glorot"),
        ("2\ninp 2 3\nlin 4 1e999", ":3:7: found '1e999', expected e, a number from -30 to 30 or he or glorot"),
        ("1\nrel", ":2:1: found 'rel' as the first layer, expected 'inp F B'"),
        ("2\ninp 2 3\ninp 2 3", ":3:1: found a second 'inp', expected it as the first layer only"),
        (
            "3\ninp 2 3\nsce\nrel",
            ":3:1: found 'sce' before another layer, expected a loss layer to be the last",
        ),
    ],
)
def test_an_error_in_a_file_names_its_line_and_column(text, message):
    with pytest.raises(InputError) as caught:
        parse_network(text, "net.txt")
    assert str(caught.value) == "net.txt" + message


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ((), "<net>: found 0 layers, expected 1 to 10000"),
        (layers("rel"), "<net>: layer 1: found 'rel' as the first layer, expected 'inp F B'"),
        (layers("inp 2 3", "inp 2 3"), "<net>: layer 2: found a second 'inp', expected it as the first layer only"),
        (layers("inp 2"), "<net>: layer 1: found 'inp 2', expected 'inp F B'"),
        (layers("inp 0 3"), "<net>: layer 1: found 0, expected F, a whole number from 1 to 16777216"),
        ((LayerSpec("inp", ("2", 3)),), "<net>: layer 1: found '2', expected F, a whole number from 1 to 16777216"),
        (
            (LayerSpec("inp", (2, 3)), LayerSpec("lin", (4, "x" * 50))),
            f"<net>: layer 2: found '{'x' * 40}...', expected e, a number from -30 to 30 or he or glorot",
        ),
        ((LayerSpec("inp", (2.0, 3)),), "<net>: layer 1: found 2.0, expected F, a whole number from 1 to 16777216"),
        (
            layers("inp 2 3", "l2l", "rel"),
            "<net>: layer 2: found 'l2l' before another layer, expected a loss layer to be the last",
        ),
        (layers("inp 2 3", *["rel"] * 10_000), "<net>: layer 1: found 10001 layers, expected 1 to 10000"),
    ],
)
def test_nets_made_in_python_are_checked_alike(spec, message):
    with pytest.raises(InputError) as caught:
        NetSpec(spec)
    assert str(caught.value) == message


def test_an_unknown_word_in_python_gets_a_hint():
    with pytest.raises(InputError, match=r"layer 2: found 'tanh'.*did you mean 'tnh'"):
        NetSpec(layers("inp 2 3", "tanh"))


@pytest.mark.parametrize("number", [True, b"4", None, np.True_])
def test_only_numbers_are_taken_as_numbers(number):
    with pytest.raises(InputError, match="expected a number"):
        LayerSpec("lin", (number, -1))


def test_numpy_numbers_become_pythons():
    layer = LayerSpec("lin", (np.int64(4), np.float32(0.5)))
    assert list(map(type, layer.numbers)) == [int, float]
    assert str(layer) == "lin 4 0.5"


exponents = st.floats(-30, 30) | st.integers(-30, 30) | st.sampled_from(["he", "glorot"])
sizes = st.integers(1, 1 << 24)
hidden = (
    st.builds(LayerSpec, st.just("lin"), st.tuples(sizes, exponents))
    | st.builds(LayerSpec, st.just("lky"), st.tuples(st.floats(0, 1)))
    | st.sampled_from(layers("rel", "tnh", "smx", "sig"))
)
nets = st.builds(
    lambda first, middle, last: NetSpec((LayerSpec("inp", first), *middle, *last)),
    st.tuples(sizes, sizes),
    st.lists(hidden, max_size=6),
    st.lists(st.sampled_from(layers("sce", "l2l", "sft", "bce", "hub 2")), max_size=1),
)


@given(nets)
def test_what_is_written_reads_back_equal(spec):
    assert parse_network(format_network(spec)) == spec
    assert "e-" not in format_network(spec)  # the original reads no exponents


@given(st.text("inplsce l2hky \n0123456789-.#", max_size=60))
def test_any_text_gives_a_net_or_an_input_error(text):
    try:
        spec = parse_network(text)
    except InputError:
        return
    assert parse_network(format_network(spec)) == spec


def test_files_are_written_and_read(tmp_path):
    spec = parse_network(NET)
    write_network(tmp_path / "net.txt", spec)
    assert (tmp_path / "net.txt").read_text() == NET
    assert read_network(tmp_path / "net.txt") == spec
    with pytest.raises(FileMissing):
        read_network(tmp_path / "other.txt")


def test_every_cut_inside_the_lines_is_refused():
    for size in range(len(NET) - 2):
        with pytest.raises(InputError):
            parse_network(NET[:size])


def test_a_new_word_is_understood_and_may_be_replaced(monkeypatch):
    monkeypatch.setattr("caffe64.formats.network.GRAMMAR", dict(GRAMMAR))
    word = Word("lrl", (Argument("a", float, 0, 1),), "hidden", "leaky ReLU")
    add_word(word)
    spec = parse_network("2\ninp 2 3\nlrl 0.01")
    assert str(spec.layers[1]) == "lrl 0.01"
    add_word(dataclasses.replace(word, role="loss"))
    assert parse_network("2\ninp 2 3\nlrl 0.01").loss == "lrl"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (Word("rel", (), "hidden", ""), "is built in"),
        (Word("two words", (), "hidden", ""), "expected letters and digits"),
        (Word("7up", (), "hidden", ""), "expected letters and digits"),
        (Word("foo", (), "input", ""), "expected 'hidden' or 'loss'"),
    ],
)
def test_impossible_words_are_refused(word, message):
    with pytest.raises(UsageError, match=message):
        add_word(word)
    assert word.name not in GRAMMAR or GRAMMAR[word.name].meaning


@needs_shared
@pytest.mark.parametrize("case", ["classify_mlp", "regress_tanh", "wide_minibatch"])
def test_the_originals_files_are_read(case):
    text = (SHARED / "caffe64" / "golden" / case / "net.txt").read_text()
    assert format_network(read_network(SHARED / "caffe64" / "golden" / case / "net.txt")) == text
