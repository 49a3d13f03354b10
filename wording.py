"""Words for messages: numbers of things, lists of names, and the name that was probably meant by an unknown one.

A suggestion is made only where it is right more often than wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

FIELD_LIKENESS = 0.8  # difflib's ratio: one letter of three is one too many, or two of six are exchanged
TYPE_LIKENESS = 0.9  # of a layer type: ReLU6 is not a spelling of ReLU
READERS_OF_LABELS = ("Loss", "OHEM", "Yolov3", "Accuracy", "Evaluate", "HDF5Output")  # ends of types of layers
SHORTEST = 6  # letters of a `..._param`: bn, selu, mish and relu6 are other layers, not misspelt ones


def reads_labels(kind: str) -> bool:
    """Whether layers of this type compare with labels, so that a net that predicts does without them."""
    return kind.endswith(READERS_OF_LABELS)


def near_miss(name: str, known: Iterable[str], alike: float = FIELD_LIKENESS) -> str:
    """ "did you mean 'kernel_size'?", or "" where nothing known is close to `name`.

    Common words are ignored: only the rest of `upsample_param` and `scale_param` is compared, and of `kernel_d` and
    `kernel_w`. Case does not matter, the first letter does: HSwish is not Swish.
    """
    ratios = {each: _likeness(name.lower(), each.lower()) for each in known}
    closest = max(ratios, key=ratios.__getitem__, default=None)
    return f"did you mean {closest!r}?" if closest is not None and ratios[closest] >= alike else ""


def _likeness(name: str, known: str) -> float:
    if name == known:
        return 1
    words, others = name.split("_"), known.split("_")
    common = set(words) & set(others)
    rest, other = ("".join(word for word in each if word not in common) for each in (words, others))
    if rest[:1] != other[:1] or (name.endswith("_param") and len(rest) < SHORTEST):
        return 0
    return SequenceMatcher(None, rest, other).ratio() if rest else 0


def counted(number: int, what: str) -> str:
    """For a message: "no blobs", "1 blob", "2 blobs"."""
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def one_of(names: Iterable[str]) -> str:
    """For a message: "'a'", "one of 'a', 'b'", "none" without any names."""
    quoted = sorted(map(repr, names))
    return f"one of {', '.join(quoted)}" if len(quoted) > 1 else "".join(quoted) or "none"
