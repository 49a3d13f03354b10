"""The --log file: one record per epoch, as JSON lines (.jsonl) or as a table (.csv).

Each record is written and flushed when its epoch ends, so the file can be followed while training runs. The
file holds the whole history: a resumed run writes the epochs before it first.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

from ..errors import OutputError

SUFFIXES = (".jsonl", ".csv")
FIELDS = (
    "epoch",  # 1-based
    "minibatches",  # since the start of the training
    "rate",
    "loss",  # mean over the epoch's minibatches
    "seconds",  # without validation
    "rows_per_second",  # of these seconds
    "validation_loss",  # empty without --val-x
    "validation_accuracy",  # 0 to 1; empty without --val-x and for l2l
)


class TrainLog:
    """Context manager; `append(record)` takes a dict with FIELDS as keys."""

    def __init__(self, path: Path, history: Iterable[dict]):
        self._path, self._history = path, history

    def __enter__(self) -> TrainLog:
        try:
            self._file = open(self._path, "w", newline="", encoding="utf-8")
            if self._path.suffix.lower() == ".csv":
                table = csv.DictWriter(self._file, FIELDS, lineterminator="\n", extrasaction="ignore")
                table.writeheader()
                self._write = table.writerow
            else:
                self._write = self._write_json
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self._path}: {error.strerror}") from None
        for record in self._history:
            self.append(record)
        return self

    def __exit__(self, *error) -> None:
        self._file.close()

    def append(self, record: dict) -> None:
        try:
            self._write(record)
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self._path}: {error.strerror}") from None

    def _write_json(self, record: dict) -> None:
        self._file.write(json.dumps({name: record.get(name) for name in FIELDS}) + "\n")
