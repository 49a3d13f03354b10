"""The pages that are made from the code: every command's help, the API by subject, the tables of layers; and those of
the demos, whose own folder holds them."""

from __future__ import annotations

import re
from pathlib import Path

import typer.main
from typer.testing import CliRunner

import caffe64
from caffe64 import kernels
from caffe64.cli.app import app
from caffe64.engine.graph.frontends.onnx.read.model import OPERATORS
from caffe64.engine.graph.frontends.onnx.write.model import EXPORTS
from caffe64.engine.graph.ops import OPS
from caffe64.engine.graph.plan.lowering import LOWERINGS
from caffe64.formats.network import GRAMMAR

API = {  # heading -> names of the package
    "Text nets": "Net NetSpec LayerInfo Optimizer History EpochRecord Evaluation Training OneHot hints",
    "Tables": "Table Bundle",
    "Several processes": "MpiGroup",
    "Files of text nets": "read_matrix read_optimizer write_optimizer write_numbers read_checkpoint write_checkpoint",
    "Caffe nets": "load_caffe load_onnx CaffeNet optimize Passes Preparation verify load_safetensors",
    "Nets for other programs": "export_onnx export_c export_safetensors",
    "Training of Caffe nets": "Solver SolverHistory DataSource get_solver SGDSolver NesterovSolver AdaGradSolver "
    "RMSPropSolver AdaDeltaSolver AdamSolver",
    "Many trainings": "sweep SweepResults",
    "Layers of your own": "register_layer Layer LayerBlob",
    "What commands do": "summary Summary TextSummary time Timing draw Drawing classify Classification",
    "Names of pycaffe": "Classifier TRAIN TEST set_mode_cpu set_mode_gpu set_device",
    "Errors": "Caffe64Error UsageError InputError FileMissing OutputError TargetError LabelError NotFinite CheckFailed "
    "Diverged Interrupted",
}
COLUMNS = re.compile(r"(\S.*?(?:\.\.\.)?)\.? {3,}(\S.*)")  # a term, and what is said of it
STREAMS = """
Results go to stdout, messages and progress to stderr. In a pipe, `train` and `test` print the lines of the original
program on stdout; on a terminal they show a progress bar. Their forms for Caffe nets print Caffe's log on stderr.

`-` in place of a file is stdin, once in a command, or stdout, where `convert` and `test` write text (a file of that
name is `./-`): `zcat X.txt.gz | caffe64 test net.txt weights.bin all - - --quiet | head`.

What `caffe64 --help` and `caffe64 COMMAND --help` print:
"""
SHORTER = (
    (r"TypeAliasForwardRef\('(\w+)'\)", r"\1"),
    (r"~(?:\w+\.)+", ""),
    (r"ndarray\[Any, dtype\[(\w+)\]\]", r"NDArray[\1]"),
)
MODULES = ("dnn", "io", "kernels", "proto")  # which the page names one by one
ESTIMATORS = ("Classifier", "Regressor")  # of caffe64.sklearn
OWN = "   :exclude-members: set_partial_fit_request\n"  # which scikit-learn adds


def write(docs: Path) -> None:
    """The pages below `docs`; a file whose text is the same is not touched."""
    demos = docs.parent / "demos"
    made = {
        "reference/commands.md": commands(),
        "reference/api.md": api(),
        "reference/layers.md": layers(),
        **{f"tutorials/{page.name}": page.read_text() for page in demos.glob("*.ipynb")},
        **{f"tutorials/demos/{page.parent.name}.md": page.read_text() for page in demos.glob("*/README.md")},
    }
    for name, text in made.items():
        path = docs / name
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def commands() -> str:
    """Every command's help, as a terminal of 100 columns shows it."""
    parts = ["# Commands", STREAMS.strip(), _help()]
    group = typer.main.get_command(app)
    for name in group.commands:
        parts += [f"## caffe64 {name}", _help(name)]
        form = getattr(group.commands[name], "caffe_form", None)
        parts += ["For Caffe nets:", _help(name, form.example)] if form else []
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
    parts += ["## caffe64.dnn", "The names of `cv2.dnn`: [a page of its own](dnn.md) says what is the same."]
    parts += ["```{eval-rst}\n.. automodule:: caffe64.dnn\n   :members:\n```"]
    parts += ["## caffe64.sklearn", "[Text nets in scikit-learn](../how-to/scikit-learn.md) shows both at work."]
    parts += [f"```{{eval-rst}}\n.. autoclass:: caffe64.sklearn.{name}\n   :members:\n{OWN}```" for name in ESTIMATORS]
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
        "## ONNX operators",
        "That `load_onnx` reads, each as one layer or a few: "
        + ", ".join(f"`{kind}`" for kind in sorted(OPERATORS))
        + ".",
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
        how = "autoexception" if issubclass(value, BaseException) else "autoclass"
        elsewhere = [base.__name__ for base in value.__mro__[1:] if base.__name__ in caffe64.__all__]
        options = f"   :members:\n   :inherited-members: {', '.join(['BaseException', *elsewhere])}\n"
        options += "   :show-inheritance:\n" * bool(elsewhere)
    elif callable(value):
        how, options = "autofunction", ""
    else:
        return f"`caffe64.{name}` = {value!r}"
    return f"```{{eval-rst}}\n.. {how}:: caffe64.{name}\n{options}```"


def as_markup(lines: list[str]) -> None:
    """A docstring's lines as reStructuredText, in place: names as code, indented lines as they are, and two columns
    as terms with their definitions."""
    made = []
    for block in "\n".join(lines).strip("\n").split("\n\n"):
        rows = block.splitlines()
        if COLUMNS.match(block):
            for row in rows:
                term, text = COLUMNS.match(row).groups() if COLUMNS.match(row) else ("", row.strip())
                made += [f"``{term}``"] * bool(term) + [f"    {_text(text)}"]
        elif any(row.startswith(" ") for row in rows):
            made += ["::", "", *(f"    {row}" for row in rows)]
        else:
            made += map(_text, rows)
        made.append("")
    lines[:] = made


def plain(signature: str | None) -> str | None:
    """A signature, or the type that is returned, with short names of types."""
    for long, short in SHORTER:
        signature = signature and re.sub(long, short, signature)
    return signature


def _text(line: str) -> str:
    return line.replace("``", "`").replace("`", "``").replace("*", "\\*").replace("|", "\\|")
