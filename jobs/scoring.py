"""Rows through a net into a file of scores: cut into ranges, which run here or on an executor, in any order.

    describe_net, describe_inputs -> [score] -> score_range, in this process or on workers -> ScoresFile

A range is a whole number of batches, and a batch is the same rows wherever it runs: so the file is the same, bit for
bit, for any number of workers and threads, and if ranges are run again.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np

from ..arguments import whole_number
from ..caffe.pictures import PictureInput
from ..errors import InputError, UsageError
from ..formats.atomic import naming
from ..formats.image import Recipe
from .score_nets import CaffeScorer, Scorer, Shape, open_net
from .score_range import score_range
from .score_rows import Source, describe_array, describe_pictures, is_array, part_of, picture_files
from .scores_file import ScoresFile, scores_file

RANGE_SECONDS = 3.0  # of a range on a worker: what is lost with it, against the cost of a job, some milliseconds
HERE_SECONDS = 0.25  # of one in this process: between two looks at the progress
SHORTEST_SECONDS = 0.1
RANGES = 256  # at least, if they are not shorter than that: many workers have something to do until the end
RANGE_BYTES = 1 << 26  # of scores, at most: a worker holds them, and may return them
PENDING = 4096  # ranges that an executor has: more than a cluster has workers, and few enough to be held
Job = dict[str, Any]


@dataclass(frozen=True)
class ScoredRows:
    """The inputs of a scoring: `sources` by the names of the net's inputs, `shapes` of their rows as they are fed, the
    number of `rows`, and `names` of pictures, None for arrays."""

    sources: dict[str, Source]
    shapes: dict[str, Shape]
    rows: int
    names: list[str] | None


@dataclass(frozen=True)
class Scored:
    """What was written: `rows` of scores of the shape `row`, the blob `output`, in `batch`es; `not_finite` is the
    number of rows with NaN or infinite scores."""

    rows: int
    row: Shape
    output: str
    batch: int
    not_finite: int


def describe_inputs(
    scorer: Scorer, paths: Mapping[str, str | os.PathLike[str]], recipe: Recipe | None, say: Callable[[str], object]
) -> ScoredRows:
    """The rows in files, by the names of inputs: .npy, a folder of pictures, or a list of their files. `recipe` is for
    pictures, None for a text net; `say` gets notices, and how the first picture was prepared.

    Raises InputError for files that do not fit the net or each other, and for a first picture that cannot be decoded.
    """
    sources: dict[str, Source] = {}
    found: dict[str, Shape] = {}
    counts: dict[str, int] = {}
    names = None
    for name, path in paths.items():
        if is_array(path):
            sources[name] = describe_array(path)
            counts[name], *row = sources[name]["shape"]
            found[name] = tuple(row)
            continue
        if recipe is None or not isinstance(scorer, CaffeScorer):
            hint = "caffe64 convert makes one of text and IDX"
            raise InputError(path, "is not a .npy", "rows of numbers in a .npy, for a text net", hint)
        notices: list[str] = []
        listed, files = picture_files(path, notices)
        for notice in notices:
            say(notice)
        sources[name] = describe_pictures(files, recipe)
        counts[name] = len(files)
        found[name] = PictureInput(scorer.net, name, recipe, say).read_picture(files[0]).shape[1:]
        names = names or listed
    first = next(iter(counts))
    for name, count in counts.items():
        if count != counts[first]:
            raise InputError(paths[name], f"has {count} rows", f"{counts[first]}, as {paths[first]}")
    shapes = scorer.row_shapes(found, {name: os.fspath(path) for name, path in paths.items()})
    return ScoredRows(sources, shapes, counts[first], names)


def score(
    net: Mapping[str, Any],
    inputs: ScoredRows,
    output: str | os.PathLike[str],
    *,
    batch: int | None = None,
    executor: Executor | None = None,
    watch: Callable[[int], object] | None = None,
) -> Scored:
    """Write the scores of all rows to `output`, float32 [rows, ...] as .npy, or a .csv with a line for each row.

    `net` is as of `describe_net`; `batch` rows go through it at once, by default those of `Scorer.batch`. The ranges
    run on `executor`, or else in this process; the first two batches run here in any case, which shows the shape of a
    row and how long one takes. `watch(rows)` is called with the number of rows done.

    Raises what `score_range` does, with nothing written, and OutputError.
    """
    scorer = open_net(net)
    size = scorer.batch(inputs.shapes) if batch is None else whole_number("batch", batch, 1)
    first = score_range(_job(net, inputs, size, 0, min(size, inputs.rows)))
    scores: np.ndarray = first["scores"]
    shape = (inputs.rows, *scores.shape[1:])
    if not scores.size:
        raise UsageError(f"{scorer.output!r} has the shape {list(scores.shape)}, of no numbers")
    done = bad = 0
    with scores_file(os.fspath(output), shape, inputs.names, scorer.output) as file:
        for result in chain([first], _results(net, inputs, size, file, executor)):
            if result["scores"] is not None:
                with naming(os.fspath(output)):
                    file.put(result["start"], result["scores"])
            done, bad = done + result["stop"] - result["start"], bad + result["not_finite"]
            if watch:
                watch(done)
    return Scored(inputs.rows, shape[1:], scorer.output, size, bad)


def _results(
    net: Mapping[str, Any], inputs: ScoredRows, batch: int, file: ScoresFile, executor: Executor | None
) -> Iterator[dict[str, Any]]:
    """Of all rows behind the first batch, in any order."""
    if batch >= inputs.rows:
        return
    second = score_range(_job(net, inputs, batch, batch, min(2 * batch, inputs.rows), file))
    yield second
    step = _range_rows(second["seconds"], batch, file.shape, RANGE_SECONDS if executor else HERE_SECONDS)
    starts = range(2 * batch, inputs.rows, step)
    jobs = (_job(net, inputs, batch, start, min(start + step, inputs.rows), file) for start in starts)
    if executor is None:
        yield from map(score_range, jobs)
    else:
        yield from _run_on(executor, jobs)


def _range_rows(seconds: float, batch: int, shape: Sequence[int], wanted: float) -> int:
    """Rows of a range, a multiple of the batch, which takes `seconds`."""
    batches = -(-shape[0] // batch)
    longest = min(wanted, max(SHORTEST_SECONDS, batches * seconds / RANGES))
    row_bytes = 4 * int(np.prod(shape[1:], dtype=np.int64))
    most = max(1, RANGE_BYTES // (row_bytes * batch))
    return batch * max(1, min(most, int(longest / max(seconds, 1e-9))))


def _run_on(executor: Executor, jobs: Iterator[Job]) -> Iterator[dict[str, Any]]:
    """Results as they come. Neither all jobs nor results are held at once."""
    pending: set[Future[dict[str, Any]]] = set()
    try:
        while True:
            pending |= {executor.submit(score_range, job) for job in islice(jobs, PENDING - len(pending))}
            if not pending:
                return
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            while done:
                yield done.pop().result()
    finally:
        for future in pending:
            future.cancel()


def _job(
    net: Mapping[str, Any], inputs: ScoredRows, batch: int, start: int, stop: int, file: ScoresFile | None = None
) -> Job:
    return {
        "net": dict(net),
        "sources": {name: part_of(source, start, stop) for name, source in inputs.sources.items()},
        "start": start,
        "stop": stop,
        "batch": batch,
        "row": None if file is None else list(file.shape[1:]),
        "file": None if file is None else {"path": file.path, "offset": file.offset},
        "host": socket.gethostname(),
    }
