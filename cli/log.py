"""The --log file: one record per epoch, of Caffe nets per iteration that is displayed or tested, as JSON lines (.jsonl)
or as a table (.csv).

Each record is written and flushed when its epoch ends, so the file can be followed while training runs. The
file holds the whole history: a resumed run writes the records before it first.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, OutputError
from .live import rows_per_second

if TYPE_CHECKING:
    from ..api import EpochRecord, Evaluation, Training

SUFFIXES = (".jsonl", ".csv")
FIELDS = (  # of text nets
    "epoch",  # 1-based
    "minibatches",  # since the start of the training
    "rate",
    "loss",  # mean over the epoch's minibatches
    "seconds",  # without validation
    "rows_per_second",  # of these seconds
    "validation_loss",  # empty without --val-x
    "validation_accuracy",  # 0 to 1; empty without --val-x and for real targets
    "validation_r2",  # empty without --val-x and but for real targets
    "best_epoch",  # so far, with the lowest validation loss; empty without --val-x
)


def epoch_record(
    epoch: EpochRecord, training: Training, steps: int, scores: Evaluation | None, best_epoch: int
) -> dict[str, Any]:
    """An epoch for the log, the curve and the checkpoint: `FIELDS` as keys. `steps` minibatches ran in its seconds;
    `best_epoch` 0: there is none."""
    return {
        "epoch": epoch.epoch,
        "minibatches": epoch.epoch * training.steps,
        "rate": epoch.rate,
        "loss": epoch.loss,
        "seconds": epoch.seconds,
        "rows_per_second": rows_per_second(int(training.minibatch_rows[-steps:].sum()), epoch.seconds),
        "validation_loss": scores.loss if scores else None,
        "validation_accuracy": scores.accuracy if scores else None,
        "validation_r2": scores.r2 if scores and scores.r2 == scores.r2 else None,  # nan: no target varies
        "best_epoch": best_epoch or None,
    }


class TrainLog:
    """Context manager; `append(record)` takes a dict with `fields` as keys, of which some may be missing."""

    def __init__(self, path: Path, fields: Sequence[str], history: Iterable[dict]):
        self._path, self._fields, self._history = path, fields, history

    def __enter__(self) -> TrainLog:
        try:
            self._file = open(self._path, "w", newline="", encoding="utf-8")
            if self._path.suffix.lower() == ".csv":
                table = csv.DictWriter(self._file, self._fields, lineterminator="\n", extrasaction="ignore")
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
        self._file.write(json.dumps({name: record.get(name) for name in self._fields}) + "\n")


def read_log(path: Path) -> list[dict]:
    """The records of such a file; none of a file that does not exist. Raises InputError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read: {error}") from None
    try:
        if path.suffix.lower() == ".csv":
            return [
                {name: _number(value) if value else None for name, value in row.items()}
                for row in csv.DictReader(text.splitlines())
            ]
        return [dict(json.loads(line)) for line in text.splitlines()]
    except (ValueError, TypeError) as error:
        raise InputError(path, f"is not a log of a training: {error}", hint="--log FILE of another name?") from None


def _number(text: str) -> int | float:
    return int(text) if text.isdigit() else float(text)
