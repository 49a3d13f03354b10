"""The steps of `caffe64 sweep show`:   read the results -> rank -> table, JSON, plot."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from ..jobs.ranking import Ranking
from ..jobs.records import read_records
from ..jobs.table import ranking_parts, settings_data
from . import files, plot
from .table import print_parts


@dataclass(frozen=True)
class ShowRequest:
    """The request of the command line."""

    results: Path
    by: str | None = None
    lowest: bool | None = None
    each: bool = False
    top: int = 20
    plot: Path | None = None
    x: str | None = None
    as_json: bool = False


def run(request: ShowRequest) -> None:
    """Print the ranking, and draw it. Raises UsageError for a score or a field that there is not."""
    files.check_inputs([request.results])
    if request.x is not None and request.plot is None:
        raise UsageError("--x needs --plot FILE")
    files.check_suffix(request.plot, "--plot", plot.SUFFIXES)
    files.check_outputs([request.plot], [request.results])
    if request.plot is not None:
        plot.check_plotting()
    records = read_records(request.results)
    ranking = Ranking((record["job"] for record in records), each=request.each)
    ranking.add_all(records)
    by = ranking.best_score() if request.by is None else ranking.check_score(request.by)
    if request.as_json:
        settings = ranking.ranked(by, request.lowest)
        print(json.dumps(settings_data(settings, ranking.score_names), indent=2))
    else:
        print_parts(ranking_parts(ranking, by, request.lowest, request.top))
    if request.plot is not None:
        from .sweep_plot import write_sweep_plot

        if not by:
            raise UsageError(f"{request.results}: no job has ended well, there is nothing to draw")
        write_sweep_plot(request.plot, ranking, by, request.lowest, request.x)
