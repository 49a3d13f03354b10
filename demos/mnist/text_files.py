"""MNIST as the text files of the original's `make data`: pixels as value - 128, labels as digits, one row per line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common.fetching import DataMissing
from data import find_mnist

OUTPUTS = {
    "mnistX.txt": ("train-images-idx3-ubyte.gz", -128),
    "mnistYn.txt": ("train-labels-idx1-ubyte.gz", 0),
    "mnistXe.txt": ("t10k-images-idx3-ubyte.gz", -128),
    "mnistYen.txt": ("t10k-labels-idx1-ubyte.gz", 0),
}


def main(
    target: Annotated[Path, typer.Argument(help="Folder to write the four text files into.")],
    data: Annotated[Path | None, typer.Option(help="Folder with the four IDX .gz files.")] = None,
) -> None:
    """Write mnistX.txt, mnistYn.txt, mnistXe.txt and mnistYen.txt."""
    try:
        source = find_mnist(data)
    except DataMissing as error:
        print(f"text_files.py: {error}", file=sys.stderr)
        raise typer.Exit(3) from None
    target.mkdir(parents=True, exist_ok=True)
    for name, (file, offset) in OUTPUTS.items():
        if not (target / name).exists():
            print(f"writing {target / name}", flush=True)
            command = ["caffe64", "convert", str(source / file), str(target / name), "--add", str(offset)]
            subprocess.run([str(Path(sys.executable).with_name(command[0])), *command[1:]], check=True)


if __name__ == "__main__":
    typer.run(main)
