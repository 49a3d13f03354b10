"""Numbers, shapes and names as the short texts that fit into a box."""

from __future__ import annotations

from .net import Shape, Total

WIDE, NARROW = set("mwMW@%—…"), set("iljtfrI.,:;'|!()[]/- ")
FACTORS = ("", "k", "M", "G", "T", "P")


def text_width(text: str, size: float) -> float:
    """About how wide a text is in a sans-serif font of `size` pixels: rather too much than too little."""
    return size * sum(_share(letter) for letter in text)


def _share(letter: str) -> float:
    if letter in WIDE:
        return 0.95
    if letter in NARROW:
        return 0.38
    return 1.05 if ord(letter) > 0x2000 else 0.72 if letter.isupper() else 0.62


def shorten(text: str, size: float, width: float) -> str:
    """The text, or as much of its begin and end as fits, with an ellipsis between."""
    text = " ".join(text[:400].split())
    if text_width(text, size) <= width:
        return text
    keep = len(text) - 1
    while keep > 1 and text_width(text[: keep - keep // 2] + "…" + text[len(text) - keep // 2 :], size) > width:
        keep -= 1
    return text[: keep - keep // 2] + "…" + text[len(text) - keep // 2 :]


def shape_text(shape: Shape | None) -> str:
    """1×64×56×56; of a blob without axes "scalar", of an unknown shape "?"."""
    if shape is None:
        return "?"
    return "×".join(map(str, shape)) or "scalar"


def amount(value: float) -> str:
    """Three digits and a factor of 1000: 118M."""
    power = 0
    while abs(value) >= 999.5 and power < len(FACTORS) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.3g}{FACTORS[power]}"


def bytes_text(value: float) -> str:
    """In units of 1024: 12.3 MiB."""
    unit = 0
    while abs(value) >= 1023.5 and unit < 4:
        value, unit = value / 1024, unit + 1
    return f"{value:.3g} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[unit]}"


def seconds_text(value: float) -> str:
    """12.3 ms."""
    unit, factor = next(
        (each for each in (("s", 1), ("ms", 1e3), ("µs", 1e6)) if value * each[1] >= 0.9995), ("ns", 1e9)
    )
    return f"{value * factor:.3g} {unit}"


def total_text(key: str, total: Total) -> str:
    """One of `DrawnNet.totals`."""
    text = {"memory": bytes_text, "seconds": seconds_text}.get(key, "{:,}".format)(total.value)
    return text if total.whole else f"≥ {text}"
