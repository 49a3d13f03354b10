"""Optimizer file: six numbers in any layout, separated by white space, commas or semicolons; `#` starts a comment.

0.0001   rate      base learning rate
5        step      epochs between drops of the rate; 0: it never drops
0.1      factor    by which the rate is then multiplied
0.00001  decay     weight decay
0.9      momentum
15       epochs

Behind them may come words, each on a line of its own with its numbers; those in brackets may be left out:

nesterov                      the update rule, instead of gradient descent with momentum
adam [second [epsilon]]
rmsprop [second [epsilon]]
adagrad [epsilon]
adadelta [second [epsilon]]
exp                           the rate falls in each minibatch: by the factor within `step` epochs
cosine                        or as half a wave of the cosine, to 0 at the end of the last epoch
warmup E                      in the first E epochs the rate grows from 0
clip C                        gradients with a larger norm are shortened to C
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from ..arguments import instance
from ..errors import InputError
from ..wording import near_miss
from .atomic import write_atomically
from .content import AN_OPTIMIZER
from .text import NUMBER, Token, lines_of_tokens, plain_decimal, quote, read_text

MOST_EPOCHS = 1_000_000_000
MEANINGS = {
    "rate": "the learning rate, a finite number >= 0",
    "step": f"the epochs between drops of the rate, a whole number from 0 (never) to {MOST_EPOCHS}",
    "factor": "the drop factor, a finite number >= 0",
    "decay": "the weight decay, a finite number >= 0",
    "momentum": "the momentum, a finite number >= 0",
    "epochs": f"the number of epochs, a whole number from 0 to {MOST_EPOCHS}",
}
# Of each rule the fields that its word may be followed by, and their values where it is not.
UPDATE_RULES: dict[str, dict[str, float]] = {
    "sgd": {},
    "nesterov": {},
    "adam": {"second": 0.999, "epsilon": 1e-8},
    "rmsprop": {"second": 0.99, "epsilon": 1e-8},
    "adagrad": {"epsilon": 1e-10},
    "adadelta": {"second": 0.9, "epsilon": 1e-6},
}
WITH_SECOND_HISTORY = ("adam", "adadelta")
HISTORY_OF = {"nesterov": "sgd"}  # rules whose histories mean the same as those of another
WITHOUT_MOMENTUM = ("rmsprop", "adagrad", "adadelta")
RATE_SCHEDULES = ("step", "exp", "cosine")
CHOICES = {"rule": tuple(UPDATE_RULES), "schedule": RATE_SCHEDULES}
# The fields behind the six, in the order of the file.
MORE_MEANINGS = {
    "rule": f"the update rule, one of {', '.join(UPDATE_RULES)}",
    "second": "the decay of the mean of squares, a number from 0 to less than 1",
    "epsilon": "what is added to a divisor, a finite number > 0",
    "schedule": f"the schedule of the rate, one of {', '.join(RATE_SCHEDULES)}",
    "warmup": f"the epochs in which the rate grows from 0, a number from 0 to {MOST_EPOCHS}",
    "clip": "the largest norm of the mean gradient, a finite number >= 0 (0: any)",
}
USUAL_WORDS: dict[str, Any] = {  # without a word
    "rule": "sgd",
    "second": None,
    "epsilon": None,
    "schedule": "step",
    "warmup": 0.0,
    "clip": 0.0,
}
WORDS: dict[str, tuple[str, ...]] = {
    **{name: tuple(own) for name, own in UPDATE_RULES.items() if name != "sgd"},
    "exp": (),
    "cosine": (),
    "warmup": ("warmup",),
    "clip": ("clip",),
}


@dataclass(frozen=True, repr=False)
class Optimizer:
    """How to train: the six numbers of the file, and what its words say.

    rule       sgd, nesterov, adam (`momentum` is its beta1), rmsprop, adagrad or adadelta (whose momentum is 0)
    second     of adam (beta2), rmsprop and adadelta: the decay of the mean of squares. None: 0.999, 0.99, 0.9
    epsilon    of the rules that divide. None: 1e-8, of adagrad 1e-10, of adadelta 1e-6
    schedule   step (drops), exp (rate * factor**(t / step) after t epochs), or cosine (to 0 at the end; step is 0)
    warmup     epochs in which the rate grows from 0, as a factor of what the schedule says
    clip       the mean gradient of a minibatch is shortened to this norm; 0: never

    Raises InputError ("<optimizer>") for a value out of range or not finite, and for values that exclude each other.
    """

    rate: float
    step: int
    factor: float
    decay: float
    momentum: float
    epochs: int
    _: dataclasses.KW_ONLY
    rule: str = "sgd"
    second: float | None = None
    epsilon: float | None = None
    schedule: str = "step"
    warmup: float = 0.0
    clip: float = 0.0

    def __post_init__(self) -> None:
        for name, meaning in (MEANINGS | MORE_MEANINGS).items():
            given = getattr(self, name)
            usual = given is None and name in ("second", "epsilon")
            value = UPDATE_RULES[self.rule].get(name) if usual else checked_field(name, given)
            if value is None and not usual:
                raise InputError("<optimizer>", f"found {given!r}"[:80], meaning)
            object.__setattr__(self, name, value)
        if wrong := contradiction(vars(self)):
            raise InputError("<optimizer>", *wrong[1:])

    def __repr__(self) -> str:
        return f"Optimizer({', '.join(f'{name}={value!r}' for name, value in stated_fields(self).items())})"


def contradiction(values: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Of the fields of an optimizer, each right by itself: one that another excludes, what is found, and what is
    expected."""
    rule, schedule, step = values["rule"], values["schedule"], values["step"]
    for name in ("second", "epsilon"):
        if values[name] is not None and name not in UPDATE_RULES[rule]:
            return name, f"{name} is {values[name]:g}, which {rule} does not use", f"no {name}"
    if rule in WITHOUT_MOMENTUM and values["momentum"]:
        return "momentum", f"the momentum is {values['momentum']:g}, which {rule} does not use", "0"
    if rule == "adam" and values["momentum"] >= 1:
        return "momentum", f"the momentum is {values['momentum']:g}", "less than 1 for adam"
    if schedule == "exp" and not step:
        return "step", "step is 0", "with exp, the epochs in which the rate falls by the factor"
    if schedule == "cosine" and step:
        return "step", f"step is {step}", "0 with cosine, which has no drops"
    return None


def stated_fields(spec: Optimizer) -> dict[str, Any]:
    """The six numbers, and those of the other fields that are not what they are without a word."""
    found = {name: getattr(spec, name) for name in MEANINGS}
    usual = USUAL_WORDS | UPDATE_RULES[spec.rule]
    return found | {name: getattr(spec, name) for name in MORE_MEANINGS if getattr(spec, name) != usual[name]}


def same_history(rule: str, other: str) -> bool:
    """Whether a run by `rule` can go on with the histories of `other`."""
    return HISTORY_OF.get(rule, rule) == HISTORY_OF.get(other, other)


def read_optimizer(path: str | os.PathLike[str]) -> Optimizer:
    """Raises InputError naming line and column (FileMissing if there is no such file)."""
    return parse_optimizer(read_text(path, AN_OPTIMIZER), os.fspath(path))


def write_optimizer(path: str | os.PathLike[str], spec: Optimizer) -> None:
    """Write the six numbers and the words, one per line. Raises OutputError."""
    instance("optimizer", spec, Optimizer, "a caffe64.Optimizer")
    with write_atomically(path, "w") as file:
        file.write(format_optimizer(spec))


def parse_optimizer(text: str, name: str = "<optimizer>") -> Optimizer:
    """The six numbers in `text`, and the words; `name` stands for the file in errors. Raises InputError with line and
    column."""
    numbers, lines = _six_and_others(list(lines_of_tokens(text, separators=",;")))
    values: dict[str, Any] = {}
    for token, (field, meaning) in zip(numbers, MEANINGS.items(), strict=False):
        values[field] = _number(name, field, meaning, token)
    others = [token for line in lines for token in line if line[0] is token and NUMBER.fullmatch(token.text)]
    if len(numbers) != len(MEANINGS) or others:
        count = len(numbers) + sum(len(line) for line in lines if line[0] in others)
        raise InputError(name, f"holds {count} numbers", f"six: {', '.join(MEANINGS)}")
    places: dict[str, Token] = {}
    for line in lines:
        _read_word(name, line, line[0].line == numbers[-1].line, values, places)
    try:
        return Optimizer(**values)
    except InputError as error:
        wrong = contradiction(USUAL_WORDS | values)
        at = places.get(wrong[0]) if wrong else None
        if wrong and not at and wrong[0] in MEANINGS:
            at = numbers[list(MEANINGS).index(wrong[0])]
        raise InputError(name, error.found, error.expected, **_place(at)) from None


def format_optimizer(spec: Optimizer) -> str:
    """Text that parses to an equal spec, one number or word per line."""
    stated = stated_fields(spec)
    lines = [plain_decimal(stated[name]) for name in MEANINGS]
    if spec.rule != "sgd":
        own = UPDATE_RULES[spec.rule]
        given = [index for index, name in enumerate(own, 1) if name in stated]
        numbers = [plain_decimal(getattr(spec, name)) for name in own][: max(given, default=0)]
        lines.append(" ".join((spec.rule, *numbers)))
    lines += [spec.schedule] * ("schedule" in stated)
    lines += [f"{name} {plain_decimal(stated[name])}" for name in ("warmup", "clip") if name in stated]
    return "".join(line + "\n" for line in lines)


def _six_and_others(lines: list[list[Token]]) -> tuple[list[Token], list[list[Token]]]:
    """The first six tokens, and the rest by lines."""
    six: list[Token] = []
    others = []
    for line in lines:
        missing = len(MEANINGS) - len(six)
        six += line[:missing]
        if line[missing:]:
            others.append(line[missing:])
    return six, others


def _read_word(name: str, line: list[Token], shared: bool, values: dict[str, Any], places: dict[str, Token]) -> None:
    """A word and its numbers into `values`; of each field its token into `places`. `shared`: on the line of a number of
    the six."""
    word, *numbers = line
    if word.text not in WORDS:
        hint = near_miss(word.text, WORDS)
        raise InputError(name, f"found {quote(word.text)}", f"one of {', '.join(WORDS)}", hint, **_place(word))
    if shared:
        raise InputError(name, f"found {quote(word.text)}", "a line of its own for each word", **_place(word))
    fields = WORDS[word.text]
    if word.text in (*UPDATE_RULES, *RATE_SCHEDULES):
        kind = "rule" if word.text in UPDATE_RULES else "schedule"
        chosen = {kind: word.text}
    else:
        kind, chosen = word.text, {}
        if not numbers:
            raise InputError(name, f"found {word.text} without a number", MORE_MEANINGS[kind], **_place(word))
    if kind in places:
        found = f"found {quote(word.text)} after {quote(places[kind].text)}"
        raise InputError(name, found, f"one {kind} at most", **_place(word))
    if len(numbers) > len(fields):
        expected = f"{word.text} {' '.join(fields)}".rstrip() + " and no more"
        raise InputError(name, f"found {quote(numbers[len(fields)].text)}", expected, **_place(numbers[len(fields)]))
    for token, field in zip(numbers, fields, strict=False):
        values[field] = _number(name, field, MORE_MEANINGS[field], token)
        places[field] = token
    values |= chosen
    places[kind] = word


def _place(token: Token | None) -> dict[str, Any]:
    return {"line": token.line, "column": token.column} if token else {}


def _number(name: str, field: str, meaning: str, token: Token) -> float | int | str:
    value = checked_field(field, float(token.text)) if NUMBER.fullmatch(token.text) else None
    if value is None:
        raise InputError(name, f"found {quote(token.text)}", meaning, **_place(token))
    return value


def checked_field(field: str, value: Any) -> float | int | str | None:
    """The value in its field's type; None if it is out of range."""
    if field in CHOICES:
        return value if isinstance(value, str) and value in CHOICES[field] else None
    whole = field in ("step", "epochs")
    try:
        number = -1.0 if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:
        return None
    if not math.isfinite(number) or number < 0:
        return None
    if (field == "second" and number >= 1) or (field == "epsilon" and not number):
        return None
    if field == "warmup" and number > MOST_EPOCHS:
        return None
    if not whole:
        return number
    return int(value) if value == int(value) <= MOST_EPOCHS else None
