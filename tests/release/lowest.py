"""The lowest versions that pyproject.toml allows of every dependency and extra, on the oldest Python: `make lowest`.

Runs pytest with the arguments. Dependencies of dependencies are the newest that fit.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from environments import ROOT, UV, install, make, versions


def main(arguments: list[str]) -> int:
    extras = ",".join(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    with tempfile.TemporaryDirectory() as name:
        python = make(Path(name) / "lowest", versions()[0])
        if not python or not install(python, "--resolution", "lowest-direct", "--editable", f"{ROOT}[{extras}]"):
            return 1
        subprocess.run([*UV, "pip", "list", "--python", python], check=True)
        return subprocess.run([python, "-m", "pytest", "-q", *arguments], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
