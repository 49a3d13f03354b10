"""Virtual environments of every Python that caffe64 names, for the checks of what is released."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UV = [sys.executable, "-m", "uv", "--quiet", "--no-progress", "--no-python-downloads"]


def versions() -> list[str]:
    """The Pythons of pyproject.toml's classifiers, oldest first: "3.11", ..."""
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    return re.findall(r"Python :: (3\.\d+)", "\n".join(classifiers))


def search_path() -> str:
    """PATH, behind the folders of pyenv's Pythons, whose names on PATH work for one of them only."""
    folder = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return os.pathsep.join([*map(str, sorted(folder.glob("versions/3.*/bin"))), os.environ["PATH"]])


def make(folder: Path, version: str) -> Path | None:
    """An environment with pip alone; its interpreter, or None if this Python is not on this machine."""
    command = [*UV, "venv", "--no-project", "--seed", "--python", f"cpython@{version}", folder]
    done = subprocess.run(command, env={**os.environ, "PATH": search_path()}, capture_output=True, text=True)
    if done.returncode:
        print(f"Python {version} was not found: {done.stderr.strip()}", file=sys.stderr)
        return None
    return folder / "bin" / "python"


def install(python: Path, *requirements: str | Path) -> bool:
    """Whether it went well; why it did not is on stderr."""
    return not subprocess.run([*UV, "pip", "install", "--python", python, *requirements]).returncode
