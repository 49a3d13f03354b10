"""Runs a demo as a user would: its script, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

DEMOS = Path(__file__).resolve().parents[2] / "demos"


def run(name: str, *options, code: int = 0, data: Path | None = None, folder: Path | None = None):
    """(stdout, stderr) of `python demos/NAME/run.py OPTIONS`, started in `folder`, with data as $CAFFE64_DATA.

    The exit code must be `code`, and there must be no traceback.
    """
    environment = {key: value for key, value in os.environ.items() if key != "CAFFE64_DATA"}
    if data:
        environment["CAFFE64_DATA"] = str(data)
    command = [sys.executable, str(DEMOS / name / "run.py"), *map(str, options)]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, f"exit code {done.returncode}: {done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout, done.stderr


def accuracy(printed: str) -> float:
    """Per cent, after checking that it is the share that is printed beside it."""
    percent, right, count = map(float, re.search(r"accuracy.* ([\d.]+) %  \((\d+) of (\d+)\)", printed).groups())
    assert abs(percent - 100 * right / count) < 0.006
    return percent
