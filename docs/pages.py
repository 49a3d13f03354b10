"""The pages that are made from the code: every command's help, the API by subject, the tables of layers."""

from __future__ import annotations

import re
from pathlib import Path

import typer.main
from typer.testing import CliRunner

import caffe64
from caffe64 import kernels
from caffe64.cli.app import app
from caffe64.engine.graph.frontends.onnx.write.model import EXPORTS
from caffe64.engine.graph.ops import OPS
from caffe64.engine.graph.plan.lowering import LOWERINGS
from caffe64.formats.network import GRAMMAR

API = {  # heading -> names of the package
    "Text nets": "Net NetSpec LayerInfo Optimizer History EpochRecord Evaluation Training OneHot",
    "Files of text nets": "read_matrix read_optimizer write_optimizer write_numbers read_checkpoint write_checkpoint",
    "Caffe nets": "load_caffe CaffeNet optimize Passes Preparation verify export_onnx export_safetensors",
    "What commands do": "summary Summary TextSummary time Timing draw Drawing classify Classification",
    "Names of pycaffe": "Classifier TRAIN TEST set_mode_cpu set_mode_gpu set_device",
    "Errors": "Caffe64Error UsageError InputError FileMissing OutputError LabelError NotFinite CheckFailed Diverged "
    "Interrupted",
}
MODULES = ("io", "kernels", "proto")  # which the page names one by one


def write(docs: Path) -> None:
    """The pages below `docs`; a file whose text is the same is not touched."""
    tour = (docs.parent / "demos" / "tour.ipynb").read_text()
    made = {
        "reference/commands.md": commands(),
        "reference/api.md": api(),
        "reference/layers.md": layers(),
        "tutorials/tour.ipynb": tour,
    }
    for name, text in made.items():
        path = docs / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def commands() -> str:
    """Every command's help, as a terminal of 100 columns shows it."""
    parts = ["# Commands", "What `caffe64 --help` and `caffe64 COMMAND --help` print.", _help()]
    group = typer.main.get_command(app)
    for name in group.commands:
        parts += [f"## caffe64 {name}", _help(name)]
        parts += [_help(name, inner) for inner in getattr(group.commands[name], "commands", ())]
    return "\n\n".join(parts) + "\n"


def _help(*words: str) -> str:
    printed = CliRunner(env={"COLUMNS": "100"}).invoke(app, [*words, "--help"], prog_name="caffe64").stdout
    return f"```text\n{printed.strip()}\n```"


def api() -> str:
    named = {name for names in API.values() for name in names.split()}
    assert named | {*MODULES} == {*caffe64.__all__}, "a public name has no place in docs/pages.py"
    parts = ["# Python API"]
    for heading, names in API.items():
        parts += [f"## {heading}"]
        parts += [_documented(name) for name in names.split()]
    parts += ["## Kernels", "`from caffe64 import kernels`. They are called from Python and from `@njit` functions."]
    parts += [f"```{{eval-rst}}\n.. autofunction:: caffe64.kernels.{name}\n```" for name in kernels.__all__]
    parts += ["## caffe64.io", "```{eval-rst}\n.. automodule:: caffe64.io\n   :members:\n```"]
    parts += ["`caffe64.proto.caffe_pb2` has the messages and enumerations that code written for pycaffe uses."]
    return "\n\n".join(parts) + "\n"


def layers() -> str:
    """Tables of the layers of text nets and of graphs, from what the engine says of each."""
    rows = [
        (f"`{' '.join((word.name, *(each.name for each in word.arguments)))}`", word.role, word.meaning)
        for word in GRAMMAR.values()
    ]
    parts = ["# Layers", "## Text nets", _table(("line", "place", "meaning"), rows)]
    rows = [
        (
            f"`{kind}`",
            *map(_yes, (not op.attributes, kind in LOWERINGS, op.gradient, EXPORTS.get(kind) or op.onnx)),
        )
        for kind, op in sorted(OPS.items())
    ]
    parts += [
        "## Caffe and ONNX nets",
        f"{len(OPS)} types. *In plans*: compiled, in blocks of channels; the others run by their own code in between.",
        _table(("type", "in Caffe's files", "in plans", "gradient", "to ONNX"), rows),
    ]
    return "\n\n".join(parts) + "\n"


def _yes(value) -> str:
    return "yes" if value else ""


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = (header, ("---",) * len(header), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _documented(name: str) -> str:
    value = getattr(caffe64, name)
    if isinstance(value, type):
        how, options = "autoclass", "   :members:\n   :inherited-members: Exception\n"
    elif callable(value):
        how, options = "autofunction", ""
    else:
        return f"`caffe64.{name}` = {value!r}"
    return f"```{{eval-rst}}\n.. {how}:: caffe64.{name}\n{options}```"


def as_markup(lines: list[str]) -> None:
    """A docstring's lines as reStructuredText, in place: names as code, and what is laid out in columns as it is."""
    made = []
    for block in "\n".join(lines).split("\n\n"):
        if re.search(r"\S {3,}\S|^ ", block, re.MULTILINE):
            made += ["::", "", *(f"    {line}" for line in block.splitlines()), ""]
        else:
            text = block.replace("``", "`").replace("`", "``").replace("*", "\\*").replace("|", "\\|")
            made += [*text.splitlines(), ""]
    lines[:] = made
