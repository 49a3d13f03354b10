"""The wheel, in a clean environment of every Python that is found here: `make wheels`.

Installed with its required dependencies alone, far from any checkout, with an empty home and so an empty compile cache.
One row per step, one column per Python: seconds, `FAILED`, or `-` for a Python that was not found, on PATH or as one of
pyenv's or uv's. Exit code 1 if a step fails or no Python was found.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from environments import ROOT, install, make, versions
from reference.readme import block
from reference.small_caffe_net import write_trained
from rich.console import Console
from rich.table import Table

DATA = """
import numpy as np
random = np.random.default_rng(0)
X, Y = random.random((300, 784), np.float32), random.integers(0, 10, 300)
X_val, Y_val, X_test = X[:50], Y[:50], X[:7]
"""
SHAPES = "--input-shape 10x3x32x32"
STEPS = {
    "installed, not found here": "python where.py",
    "README's example": "python readme.py",
    "train": "caffe64 train net.txt weights.bin optimizer.txt all X.npy Y.npy",
    "test": "caffe64 test net.txt weights.bin all X.npy predicted.txt",
    "optimize": f"caffe64 optimize trained.prototxt trained.caffemodel -o small --deploy {SHAPES} --mean 104,117,123",
    "verify": f"caffe64 verify trained.prototxt trained.caffemodel small.prototxt small.caffemodel --deploy {SHAPES} "
    "--mean 104,117,123",
    "summary": "caffe64 summary small.prototxt",
    "doctor": "caffe64 doctor",
}


def write_inputs(folder: Path) -> None:
    random = np.random.default_rng(0)
    (folder / "where.py").write_text("import caffe64, sys; assert caffe64.__file__.startswith(sys.prefix)")
    (folder / "readme.py").write_text(DATA + block("import caffe64\n"))
    (folder / "net.txt").write_text(block("5               # layers"))
    (folder / "optimizer.txt").write_text(block("0.0001     # learning rate"))
    np.save(folder / "X.npy", random.random((200, 784), np.float32))
    np.save(folder / "Y.npy", random.integers(0, 10, 200).astype(np.float32))
    write_trained(folder / "trained.prototxt", folder / "trained.caffemodel")


def check(python: Path, wheel: Path, folder: Path) -> dict[str, str]:
    """Each step's seconds, or FAILED; what a failing command printed goes to stderr."""
    if not install(python, wheel):
        return dict.fromkeys(STEPS, "FAILED")
    (folder / "home").mkdir(parents=True)
    write_inputs(folder)
    environment = {"HOME": str(folder / "home"), "PATH": os.pathsep.join([str(python.parent), "/usr/bin", "/bin"])}
    results = {}
    for name, command in STEPS.items():
        start = time.perf_counter()
        done = subprocess.run(shlex.split(command), cwd=folder, env=environment, capture_output=True, text=True)
        results[name] = "FAILED" if done.returncode else f"{time.perf_counter() - start:.1f}"
        if done.returncode:
            print(f"{python}: {command}: exit code {done.returncode}\n{done.stdout}{done.stderr}", file=sys.stderr)
    return results


def main() -> int:
    columns: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-m", "build", "--outdir", folder / "dist", ROOT]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (wheel,) = (folder / "dist").glob("*.whl")
        for version in versions():
            python = make(folder / version, version)
            columns[version] = check(python, wheel, folder / f"work-{version}") if python else {}
    table = Table("", *columns, title=wheel.name)
    for step in STEPS:
        table.add_row(step, *(column.get(step, "-") for column in columns.values()))
    Console().print(table)
    values = [value for column in columns.values() for value in column.values()]
    return int("FAILED" in values or not values)


if __name__ == "__main__":
    sys.exit(main())
