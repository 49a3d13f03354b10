"""Arguments and options that the commands for Caffe models share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ..arguments import FLOOR, LARGEST_SEED, RUNTIME_FLOOR, per_channel
from .options import input_argument

HALF_TOLERANCE = 2e-3  # at least, of models that compute in float16, which rounds in between

Prototxt = Annotated[Path, input_argument("NET", "The net, a .prototxt of any version, or an .onnx.")]
Caffemodel = Annotated[
    Path | None,
    input_argument("[MODEL]", "Its weights, a .caffemodel, .caffemodel.h5 or .safetensors; none for an .onnx."),
]
InputShape = Annotated[
    list[str] | None,
    typer.Option(metavar="SHAPE", help="1x3x224x224 for the first input, or NAME:1x3x224x224."),
]
Deploy = Annotated[
    bool, typer.Option("--deploy", help="Of a train_val file: data and loss layers become Input and Softmax.")
]
AllowUnknown = Annotated[
    bool, typer.Option("--allow-unknown", help="Leave unknown fields out, though results may then differ.")
]
Phase = Annotated[str, typer.Option(metavar="test|train", help="The net of this phase, by its layers' rules.")]
Exact = Annotated[
    bool, typer.Option("--exact", help="Convolutions as plain sums: without Winograd's algorithm, slower, more digits.")
]
Mean = Annotated[
    str | None,
    typer.Option(
        metavar="M[,M...]", help="Mean of an input, one or one per channel, in the net's order (mostly B,G,R)."
    ),
]
Scale = Annotated[
    str | None,
    typer.Option(metavar="S[,S...]", help="Factor after the mean, one or one per channel: (x - mean) * S."),
]
Tolerance = Annotated[
    float, typer.Option(min=0, metavar="T", help="Largest difference, relative to the scale of its channel.")
]
Floor = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="A",
        help=f"Largest difference that counts as none.  [default: {FLOOR:g}, beside onnxruntime {RUNTIME_FLOOR:g}]",
    ),
]
Half = Annotated[
    bool, typer.Option("--half", help="Filters and matrices as float16, half the size; computed with as float32.")
]
Seed = Annotated[int, typer.Option(min=0, max=LARGEST_SEED, metavar="N", help="Seed of the random inputs.")]


@dataclass(frozen=True)
class Limits:
    """The bounds of differences, and the seed of the random inputs on which they are compared."""

    tolerance: float
    floor: float | None
    seed: int

    @property
    def own(self) -> dict[str, Any]:
        """As arguments, of nets that caffe64 runs."""
        return {"tolerance": self.tolerance, "floor": FLOOR if self.floor is None else self.floor, "seed": self.seed}

    @property
    def without_end(self) -> dict[str, Any]:
        """As arguments, for differences that are shown whatever they are."""
        return {**self.own, "tolerance": math.inf}

    def beside_onnxruntime(self, *, half: bool = False) -> dict[str, Any]:
        """As arguments, of nets of which onnxruntime runs one, a model of float16 if `half`."""
        floor = RUNTIME_FLOOR if self.floor is None else self.floor
        return {**self.own, "floor": floor, "tolerance": max(self.tolerance, HALF_TOLERANCE if half else 0)}


@dataclass(frozen=True)
class Reading:
    """How a net is read: its options as given, except the phase, which is "TEST" or "TRAIN"."""

    input_shape: list[str] | None
    deploy: bool
    allow_unknown: bool
    phase: str

    def __post_init__(self):
        if self.phase.lower() not in ("test", "train"):
            raise typer.BadParameter(f"'{self.phase}' is neither test nor train.", param_hint="--phase")
        object.__setattr__(self, "phase", self.phase.upper())

    @property
    def shapes(self) -> dict[str, tuple[int, ...]] | tuple[int, ...]:
        return parse_shapes(self.input_shape)


def parse_shapes(
    texts: list[str] | None, option: str = "--input-shape"
) -> dict[str, tuple[int, ...]] | tuple[int, ...]:
    """Shapes by the name of an input; of a text without a name the shape alone, which is the first input's. `option`
    is what messages name."""
    shapes = {}
    for text in texts or []:
        name, _, dims = text.rpartition(":")
        numbers = dims.replace(",", "x").split("x")
        if not all(number.isascii() and number.isdigit() and int(number) > 0 for number in numbers):
            raise typer.BadParameter(f"'{text}' is not a shape such as 1x3x224x224.", param_hint=option)
        if name in shapes:
            owner = f"'{name}'" if name else "the first input"
            raise typer.BadParameter(f"two shapes of {owner}.", param_hint=option)
        shapes[name] = tuple(map(int, numbers))
    if "" in shapes and len(shapes) > 1:
        raise typer.BadParameter("say which input each shape is of: NAME:1x3x224x224.", param_hint=option)
    return shapes.get("", shapes)


def parse_mean(text: str | None) -> tuple[float, ...]:
    """Comma-separated numbers; () without a text."""
    return () if text is None else _parse_numbers(text, "--mean", "104,117,123")


def parse_scale(text: str | None) -> tuple[float, ...]:
    """Comma-separated numbers other than 0; 1 without a text."""
    return (1.0,) if text is None else _parse_numbers(text, "--scale", "0.017 or 0.0171,0.0175,0.0174", factor=True)


def _parse_numbers(text: str, option: str, example: str, *, factor: bool = False) -> tuple[float, ...]:
    try:
        if "_" not in text:  # which Python accepts between digits
            return per_channel(option, [float(number) for number in text.split(",")], factor=factor)
    except ValueError:
        pass
    raise typer.BadParameter(f"'{text}' is not a list of numbers such as {example}.", param_hint=option)
