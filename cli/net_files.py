"""Which files of a command line are a net: `NET.prototxt MODEL`, or one .onnx, which holds its weights itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from ..formats.content import HEAD, ITS_WEIGHTS, is_text_net, recognise
from ..formats.onnx import is_onnx
from ..formats.streams import stream_number
from .caffe_options import Reading

MOST_COMMENT_BYTES = 1 << 16  # before the first layer of a text net


@dataclass(frozen=True)
class NetFiles:
    """The files of one net. `model` is None for a .onnx, and where weights are not needed and not given; `net` is None
    for weights alone."""

    net: Path | None
    model: Path | None

    @property
    def is_onnx(self) -> bool:
        return self.net is not None and is_onnx(self.net)

    @property
    def paths(self) -> tuple[Path | None, ...]:
        return self.net, self.model


def is_text_net_files(paths: Sequence[Path]) -> bool:
    """Whether the first of these files is a text net, by its content; of a pipe, which can be read once only, whether
    the second is the weights of one."""
    if _head(paths[0]) or len(paths) == 1:
        return is_text_net(_head(paths[0]))
    return recognise(_head(paths[1])[:HEAD])[0] == ITS_WEIGHTS


def _head(path: Path) -> bytes:
    """The first bytes of a regular file; none of others, nor where it cannot be read: its reader says why."""
    try:
        if stream_number(os.fspath(path)) is None and path.is_file():
            with path.open("rb") as file:
                return file.read(MOST_COMMENT_BYTES)
    except OSError:
        pass
    return b""


def net_files(net: Path, model: Path | None, *, weights: bool = True, name: str = "MODEL") -> NetFiles:
    """The net of two arguments, the second of which, called `name`, may be missing for a .onnx, and where no `weights`
    are needed. Raises typer.BadParameter, exit code 2."""
    if is_onnx(net) and model is not None:
        raise typer.BadParameter(f"{net} holds its weights itself; leave '{model}' out.", param_hint=name)
    if weights and model is None and not is_onnx(net):
        raise typer.BadParameter(f"needs the weights of {net}: {net} {name}.", param_hint=name)
    return NetFiles(net, model)


def first_net(files: Sequence[Path], name: str = "MODEL") -> tuple[NetFiles, list[Path]]:
    """The net at the start of a list of files, with its weights, and the files after it. `files` is not empty."""
    count = 1 if is_onnx(files[0]) else 2
    model = files[1] if count == 2 and len(files) > 1 else None
    return net_files(files[0], model, name=name), list(files[count:])


def two_nets(files: Sequence[Path]) -> tuple[NetFiles, NetFiles]:
    """Two nets in a row: `a.prototxt a.caffemodel b.onnx`. Raises typer.BadParameter."""
    usage = "expected two nets, each NET MODEL or one .onnx"
    if not files:
        raise typer.BadParameter(f"no files; {usage}.")
    first, rest = first_net(files)
    if not rest:
        raise typer.BadParameter(f"one net, {first.net}; {usage}.")
    second, rest = first_net(rest, "MODEL2")
    if rest:
        raise typer.BadParameter(f"'{rest[0]}' is more than two nets; {usage}.")
    return first, second


def check_reading(reading: Reading, *nets: Path | None) -> None:
    """Raises typer.BadParameter for options of a .prototxt where all the nets are .onnx."""
    if not all(is_onnx(net) for net in nets if net is not None):
        return
    given = {"--deploy": reading.deploy, "--allow-unknown": reading.allow_unknown, "--phase": reading.phase != "TEST"}
    for option, is_given in given.items():
        if is_given:
            raise typer.BadParameter(f"is for a .prototxt, which {nets[0]} is not.", param_hint=option)
