"""The sdist's own tests, where it is all that there is: `make sdist-test`.

Unpacked in an empty folder, it makes its environment and runs pytest with the arguments; without any, all tests. Tests
of data that no sdist holds are skipped and say so.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from environments import ROOT


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "build", "--sdist", "--outdir", folder, ROOT], check=True)
        (sdist,) = folder.glob("*.tar.gz")
        subprocess.run(["tar", "-xf", sdist, "-C", folder], check=True)
        root = folder / sdist.name.removesuffix(".tar.gz")
        subprocess.run(["make", "VENV=.venv", f"PYTHON={sys.executable}", ".venv/.dev"], cwd=root, check=True)
        command = [root / ".venv" / "bin" / "python", "-m", "pytest", "-n", "2", "--dist", "loadfile", *arguments]
        return subprocess.run(command, cwd=root).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
