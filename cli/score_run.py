"""The work of `caffe64 score`: files to descriptions, progress, the line at the end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NamedTuple

import typer

from ..caffe.pictures import make_recipe
from ..engine.compiler.support import obstacle
from ..errors import UsageError
from ..formats.content import is_bundle
from ..formats.image import Recipe
from ..jobs.score_nets import CaffeScorer, Scorer, describe_net, kind_of_net, open_net
from ..jobs.scores_file import SUFFIXES
from ..jobs.scoring import ScoredRows, describe_inputs, score
from . import caffe_options as caffe
from . import compiling, files
from . import picture_options as pictures
from .live import Bar, clock
from .net_files import check_reading, net_files
from .output import Output
from .run_run import named_input

LINE_SECONDS = 10  # between two lines where no bar can be drawn
PICTURE_OPTIONS = "--mean, --scale, --channels, --resize and --crop"


class Preparing(NamedTuple):
    """The options for pictures, as they are given."""

    mean: str | None
    scale: str | None
    channels: str | None
    resize: str | None
    crop: str | None

    @property
    def asked(self) -> bool:
        return any(option is not None for option in self)


class Planned(NamedTuple):
    """What is scored: the net as it is sent, its rows, and the file to write."""

    net: dict[str, Any]
    inputs: ScoredRows
    output: Path


def plan(
    net: Path,
    model: Path | None,
    inputs: list[str],
    result: Path,
    output: Output,
    *,
    reading: caffe.Reading,
    blob: str | None,
    exact: bool,
    preparation: Preparing,
    threads: int | None,
) -> Planned:
    """Check everything and open the net. Raises as the errors of the files and options."""
    files.check_suffix(result, "--output", SUFFIXES)
    for path in (net, model):
        if is_bundle(path):
            raise UsageError(
                f"{path} is a bundle, which score does not take: caffe64 predict {path} TABLE -o FILE writes "
                "predictions and probabilities; score takes the NET and WEIGHTS that it was made of"
            )
    given = net_files(net, model, name="MODEL")
    files.check_inputs(given.paths)
    kind = kind_of_net(net)
    if kind == "text":
        _refuse_for_text(net, reading, blob, exact, preparation)
    check_reading(reading, net)
    described = describe_net(
        net, model, blob=blob, threads=threads, options=_options(kind, reading, exact) if kind != "text" else None
    )
    scorer = open_net(described)
    for notice in scorer.notices:
        output.say(notice)
    paths = _input_files(scorer, inputs, output)
    files.check_inputs(paths.values())
    files.check_outputs((result,), (*given.paths, *paths.values()))
    if not obstacle():
        compiling.prepare(scorer.kernels, output)
    recipe = _recipe(scorer, preparation, output)
    rows = describe_inputs(scorer, paths, recipe, output.say)
    if preparation.asked and rows.names is None:
        raise UsageError(f"{PICTURE_OPTIONS} are for pictures; arrays are taken as they are")
    return Planned(described, rows, result)


def run(planned: Planned, batch: int | None, executor: Executor | None, output: Output) -> None:
    """Score on `executor`, None: in this process. Prints what was written."""
    things, started = "pictures" if planned.inputs.names else "rows", time.perf_counter()
    with _progress(output, planned.inputs.rows, things) as watch:
        done = score(planned.net, planned.inputs, planned.output, batch=batch, executor=executor, watch=watch)
    seconds = time.perf_counter() - started
    if done.not_finite:
        bad = f"{done.not_finite:,} of {done.rows:,} {things} have NaN or infinite values in {done.output!r}"
        output.say(f"{bad}: is the preparation of the input right?")
    output.say(f"{done.rows:,} {things} in {seconds:.1f} s, {done.rows / max(seconds, 1e-9):,.0f} {things}/s")
    if not output.quiet:
        shape = "x".join(map(str, (done.rows, *done.row)))
        print(f"wrote {planned.output}: {done.output} {shape}, in batches of {done.batch}")


def _refuse_for_text(net: Path, reading: caffe.Reading, blob: str | None, exact: bool, preparation: Preparing) -> None:
    given: dict[str, object] = {f"--{name}": value is not None for name, value in preparation._asdict().items()}
    given |= {"--blob": blob is not None, "--exact": exact, "--input-shape": reading.input_shape}
    given |= {"--deploy": reading.deploy, "--allow-unknown": reading.allow_unknown}
    for option, is_given in given.items():
        if is_given:
            raise typer.BadParameter(f"is for nets of Caffe and ONNX; {net} is a text net.", param_hint=option)


def _options(kind: str, reading: caffe.Reading, exact: bool) -> dict[str, Any]:
    """As of `load_onnx` or `load_caffe`."""
    if kind == "onnx":
        return {"input_shapes": reading.shapes or None, "exact": exact}
    return {
        "input_shapes": reading.shapes,
        "deploy": reading.deploy,
        "allow_unknown": reading.allow_unknown,
        "exact": exact,
    }


def _input_files(scorer: Scorer, texts: list[str], output: Output) -> dict[str, Path]:
    """Files by the names of inputs. Raises UsageError for an input without one, or with two."""
    found: dict[str, Path] = {}
    for text in texts:
        name, path = named_input(scorer.net, text) if isinstance(scorer, CaffeScorer) else ("", Path(text))
        if name in found:
            which = f"the input {name!r}" if name else "the rows"
            hint = "a folder, a list or one array takes all of them"
            raise UsageError(f"--input {text}: {which} come from {found[name]} already ({hint})")
        found[name] = path
    if missing := [name for name in scorer.inputs if name not in found]:
        raise UsageError(f"nothing for the input {missing[0]!r}: --input {missing[0]}=FILE")
    return found


def _recipe(scorer: Scorer, preparation: Preparing, output: Output) -> Recipe | None:
    if not isinstance(scorer, CaffeScorer):
        return None
    return make_recipe(scorer.net, **pictures.read_preparation(scorer.net, *preparation, output))


@contextlib.contextmanager
def _progress(output: Output, rows: int, things: str) -> Iterator[Callable[[int], object]]:
    """Yields a function to call with the number of rows done: a bar, or a line now and then."""
    started = time.perf_counter()

    def notes(done: int) -> list[str]:
        seconds = max(time.perf_counter() - started, 1e-9)
        left = clock((rows - done) * seconds / done)
        return [f"{done:,} of {rows:,} {things}", f"{done / seconds:,.0f} {things}/s", f"{left} left"]

    if output.can_draw:
        with Bar() as bar:
            yield lambda done: bar.show(done, rows, "score", notes(done))
        return
    last = started

    def watch(done: int) -> None:
        nonlocal last
        if time.perf_counter() - last >= LINE_SECONDS:
            last = time.perf_counter()
            output.say(", ".join(notes(done)))

    yield watch
