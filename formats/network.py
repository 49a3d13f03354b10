"""Network file: text, one layer per line.

    7               the number of layers that follow
    inp 784 100     first and only there: F features, minibatches of B rows
    lin 100 -2      hidden layers, any number of them
    rel
    lin 10 -2
    sce             a loss layer, last if there is one

GRAMMAR has every word with its arguments; `add_word` extends it. A `#` starts a comment; blank lines are
ignored. `inp ? 100` and `lin ? -2` have as many features and outputs as the table that the net is trained on gives.
The same checks hold for a `NetSpec` made in Python, whose errors name "<net>" and the layer.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from numbers import Integral, Real
from typing import NamedTuple

from ..errors import InputError, UsageError
from .atomic import write_atomically
from .content import A_TEXT_NET
from .text import INTEGER, NUMBER, Token, lines_of_tokens, plain_decimal, quote, read_text

LARGEST_SIZE = 1 << 24  # features, channels or rows of one layer
MOST_LAYERS = 10_000
LONGEST_NUMBER = 400  # characters; the smallest float64 has 326 in plain decimals
ROLES = ("input", "hidden", "loss")
Value = int | float | str  # what follows the word of a layer


@dataclass(frozen=True)
class Argument:
    """A number that a word takes: `kind` is int or float, and low <= number <= high. Or one of `words` in its place."""

    name: str
    kind: type
    low: float
    high: float
    words: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """How the line of a layer shows it."""
        return "|".join((self.name, *self.words))

    @property
    def wanted(self) -> str:
        """Its description, for messages."""
        kind = "a whole number" if self.kind is int else "a number"
        return f"{self.name}, {' or '.join((f'{kind} from {self.low} to {self.high}', *self.words))}"

    def takes(self, value: Value) -> bool:
        if isinstance(value, str):
            return value in self.words
        return (self.kind is float or isinstance(value, int)) and self.low <= value <= self.high


@dataclass(frozen=True)
class Word:
    """A kind of layer in the network file. `role` is "input" (inp alone), "hidden" or "loss"."""

    name: str
    arguments: tuple[Argument, ...]
    role: str
    meaning: str

    @property
    def usage(self) -> str:
        return " ".join((self.name, *(argument.label for argument in self.arguments)))


def size(name: str) -> Argument:
    """An argument that counts features, channels or rows."""
    return Argument(name, int, 1, LARGEST_SIZE)


_BUILT_IN = (
    Word("inp", (size("F"), size("B")), "input", "input of F features, in minibatches of B rows"),
    Word(
        "lin",
        (size("K"), Argument("e", float, -30, 30, ("he", "glorot"))),
        "hidden",
        "fully connected to K channels; weights and biases start as draws from N(0, (10^e)^2), "
        "or weights from N(0, 2/F) (he) or N(0, 2/(F+K)) (glorot), and biases at 0",
    ),
    Word("rel", (), "hidden", "ReLU"),
    Word("lky", (Argument("s", float, 0, 1),), "hidden", "leaky ReLU: x where x > 0, else s * x"),
    Word("tnh", (), "hidden", "tanh"),
    Word("sig", (), "hidden", "sigmoid, 1 / (1 + exp(-x))"),
    Word("smx", (), "hidden", "softmax over the channels"),
    Word(
        "drp",
        (Argument("r", float, 0, 0.999),),
        "hidden",
        "dropout: in training, a random share r of the values is 0, and the others are divided by 1 - r",
    ),
    Word(
        "bnm",
        (),
        "hidden",
        "batch norm over the rows of a minibatch, then a trained scale and shift; predictions use running averages",
    ),
    Word("sce", (), "loss", "softmax, then cross-entropy against a class in each row"),
    Word("sft", (), "loss", "softmax, then cross-entropy against probabilities that sum to 1 in each row"),
    Word("bce", (), "loss", "sigmoid, then cross-entropy against numbers from 0 to 1 in each row, one per label"),
    Word("l2l", (), "loss", "squared error against real targets in each row"),
    Word(
        "hub",
        (Argument("d", float, 1e-6, 1_000_000),),
        "loss",
        "Huber loss against real targets in each row: half the squared error up to d, linear beyond",
    ),
)
GRAMMAR: dict[str, Word] = {word.name: word for word in _BUILT_IN}


def add_word(word: Word) -> None:
    """Add a hidden or loss layer to the network file's words; a word added before may be replaced.

    Raises UsageError for a name that a network file cannot hold, an unknown role, or a built-in word.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", word.name):
        raise UsageError(f"layer word {word.name!r}: expected letters and digits, a letter first")
    if word.role not in ROLES[1:]:
        raise UsageError(f"layer word {word.name!r}: role {word.role!r}, expected 'hidden' or 'loss'")
    if any(word.name == built_in.name for built_in in _BUILT_IN):
        raise UsageError(f"layer word {word.name!r} is built in; choose another name")
    GRAMMAR[word.name] = word


def loss_words() -> str:
    """The words of all loss layers, for messages."""
    *others, last = (word.name for word in GRAMMAR.values() if word.role == "loss")
    return f"{', '.join(others)} or {last}"


@dataclass(frozen=True)
class LayerSpec:
    """One layer: its word and what follows it, numbers or words as `he`. NumPy's numbers become Python's."""

    word: str
    numbers: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", tuple(map(_plain, self.numbers)))

    def __str__(self) -> str:
        texts = (plain_decimal(value) if isinstance(value, float) else str(value) for value in self.numbers)
        return " ".join((self.word, *texts))


@dataclass(frozen=True)
class NetSpec:
    """A net as in its file. Raises InputError unless the layers make a valid net."""

    layers: tuple[LayerSpec, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.layers, (tuple, list)) or not all(isinstance(each, LayerSpec) for each in self.layers):
            raise UsageError("layers are not a tuple of LayerSpec (caffe64.Net takes the text of a net)")
        object.__setattr__(self, "layers", tuple(self.layers))
        problem = _find_problem(self.layers)
        if problem:
            where = f"layer {problem.layer + 1}: " if self.layers else ""
            raise InputError("<net>", where + problem.found, problem.expected, problem.hint)

    @property
    def features(self) -> int:
        return int(self.layers[0].numbers[0])

    @property
    def minibatch(self) -> int:
        return int(self.layers[0].numbers[1])

    @property
    def loss(self) -> str | None:
        """The word of the loss layer; None for a net without one, which can predict but not train."""
        last = self.layers[-1].word
        return last if GRAMMAR[last].role == "loss" else None


def read_network(path: str | os.PathLike[str], *, features: int | None = None, outputs: int | None = None) -> NetSpec:
    """`features` and `outputs` as for `parse_network`. Raises InputError naming line and column (FileMissing if there
    is no such file)."""
    text = read_text(path, A_TEXT_NET, A_TEXT_NET)
    return parse_network(text, os.fspath(path), features=features, outputs=outputs)


def write_network(path: str | os.PathLike[str], spec: NetSpec) -> None:
    """Raises OutputError."""
    with write_atomically(path, "w") as file:
        file.write(format_network(spec))


def format_network(spec: NetSpec) -> str:
    """Text that parses to an equal spec."""
    return "\n".join((str(len(spec.layers)), *map(str, spec.layers))) + "\n"


def parse_network(
    text: str, name: str = "<net>", *, features: int | None = None, outputs: int | None = None
) -> NetSpec:
    """The net in `text`; `name` stands for the file in errors. A `?` as the F of inp stands for `features`, as the K of
    lin for `outputs`, None where they are not known. Raises InputError with line and column."""
    lines = [_filled_in(tokens, {"inp": features, "lin": outputs}, name) for tokens in lines_of_tokens(text)]
    if not lines:
        raise InputError(name, "is empty", "the number of layers, then one layer per line")
    count = _parse_count(lines[0], name)
    layers = tuple(_parse_layer(tokens, name) for tokens in lines[1 : MOST_LAYERS + 2])
    if count != len(lines) - 1:
        found = f"found {quote(lines[0][0].text)}, but {len(lines) - 1} layers follow"
        raise _error(name, lines[0][0], found, hint="the first line is the number of layers")
    problem = _find_problem(layers)
    if problem:
        token = lines[problem.layer + 1][problem.token]
        raise _error(name, token, problem.found, problem.expected, problem.hint)
    return NetSpec(layers)


class _Problem(NamedTuple):
    """What is wrong with layer number `layer` (from 0): with its word (token 0) or with a number (1, 2, ...)."""

    layer: int
    token: int
    found: str
    expected: str
    hint: str = ""


def _find_problem(layers: tuple[LayerSpec, ...]) -> _Problem | None:
    if not 1 <= len(layers) <= MOST_LAYERS:
        return _Problem(0, 0, f"found {len(layers)} layers", f"1 to {MOST_LAYERS}")
    for index, layer in enumerate(layers):
        word = GRAMMAR.get(layer.word)
        if word is None:
            return _Problem(index, 0, *_unknown(layer.word))
        if len(layer.numbers) != len(word.arguments):
            return _Problem(index, 0, f"found {quote(str(layer))}", f"{word.usage!r}")
        if index == 0 and word.role != "input":
            return _Problem(index, 0, f"found {word.name!r} as the first layer", "'inp F B'")
        if index > 0 and word.role == "input":
            return _Problem(index, 0, f"found a second {word.name!r}", "it as the first layer only")
        if index < len(layers) - 1 and word.role == "loss":
            return _Problem(index, 0, f"found {word.name!r} before another layer", "a loss layer to be the last")
        for token, (argument, value) in enumerate(zip(word.arguments, layer.numbers, strict=True), start=1):
            if not argument.takes(value):
                found = quote(value) if isinstance(value, str) else value
                return _Problem(index, token, f"found {found}", argument.wanted)
    return None


def _filled_in(tokens: list[Token], sizes: dict[str, int | None], name: str) -> list[Token]:
    """The tokens of a line with the size of its layer in place of a `?`."""
    word, *rest = tokens
    if not rest or rest[0].text != "?" or word.text not in sizes:
        return tokens
    known = sizes[word.text]
    if known is None:
        what = GRAMMAR[word.text].arguments[0]
        hint = "'?' stands for what a table has: caffe64 train ... TABLE --target COLUMN, or caffe64.Table"
        raise _error(name, rest[0], "found '?'", what.wanted, hint)
    return [word, rest[0]._replace(text=str(known)), *rest[1:]]


def _parse_count(tokens: list[Token], name: str) -> int:
    count = tokens[0].text
    if not (INTEGER.fullmatch(count) and len(count) < 20 and 1 <= int(count) <= MOST_LAYERS):
        expected = f"the number of layers, a whole number from 1 to {MOST_LAYERS}"
        raise _error(name, tokens[0], f"found {quote(count)}", expected)
    if len(tokens) > 1:
        raise _error(name, tokens[1], f"found {quote(tokens[1].text)}", "the number of layers alone on its line")
    return int(count)


def _parse_layer(tokens: list[Token], name: str) -> LayerSpec:
    word = GRAMMAR.get(tokens[0].text)
    if word is None:
        raise _error(name, tokens[0], *_unknown(tokens[0].text))
    texts = tokens[1:]
    if len(texts) > len(word.arguments):
        extra = texts[len(word.arguments)]
        raise _error(name, extra, f"found {quote(extra.text)}", f"the line to end here: {word.usage!r}")
    if len(texts) < len(word.arguments):
        missing = word.arguments[len(texts)]
        raise _error(name, tokens[-1], f"the line ends after {quote(tokens[-1].text)}", missing.wanted, word.usage)
    return LayerSpec(word.name, tuple(_parse_value(*each, name) for each in zip(texts, word.arguments, strict=True)))


def _parse_value(token: Token, argument: Argument, name: str) -> Value:
    if argument.takes(token.text):
        return token.text
    pattern = INTEGER if argument.kind is int else NUMBER
    if pattern.fullmatch(token.text) and len(token.text) <= LONGEST_NUMBER:
        number: int | float = argument.kind(token.text)
        if argument.takes(number):
            return number
    raise _error(name, token, f"found {quote(token.text)}", argument.wanted)


def _unknown(word: str) -> tuple[str, str, str]:
    """What was found, what was expected and a hint, for a word that is not in the grammar."""
    near = difflib.get_close_matches(word.lower(), GRAMMAR, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else ""
    return f"found {quote(word)}", f"one of {', '.join(GRAMMAR)}", hint


def _error(name: str, token: Token, found: str, expected: str = "", hint: str = "") -> InputError:
    return InputError(name, found, expected, hint, line=token.line, column=token.column)


def _plain(value: Value) -> Value:
    """NumPy's numbers as Python's, so that specs compare and print alike. Raises InputError for what is none, nor a
    word."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, Real) and not isinstance(value, bool):
        return float(value)
    raise InputError("<net>", f"found {value!r}", "a number")
