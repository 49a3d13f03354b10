"""Python in a process of its own: other CPU settings, other cache folders, memory that may not be touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import caffe64

TESTS = Path(__file__).resolve().parents[1]
PACKAGES = Path(caffe64.__file__).resolve().parents[1]


def run_python(code: str, *arguments, timeout=300, check=True, **environment) -> subprocess.CompletedProcess:
    """Run `code` with `arguments` in sys.argv[1:]. A setting of None is removed from the environment. Unless PYTHONPATH
    is among the settings, the child finds the modules of tests/, and the package where this process found it."""
    settings = {**os.environ, "PYTHONPATH": f"{TESTS}:{PACKAGES}", **environment}
    settings = {name: str(value) for name, value in settings.items() if value is not None}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=timeout, check=False)
    if check:
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def run_json(code: str, *arguments, **environment):
    """The last line that `code` prints, as JSON."""
    return json.loads(run_python(code, *arguments, **environment).stdout.splitlines()[-1])
