"""The wheel holds the whole package and nothing else, and works from any directory."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("caffe", "cli", "drawing", "engine", "formats", "perf")


def test_the_wheel_holds_every_module_of_the_package_and_no_tests_or_demos(wheel):
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("caffe64/")}
    modules = [*ROOT.glob("*.py"), *(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))]
    data = [ROOT / "drawing" / name for name in ("page.css", "page.js", "pane.js")]
    data += [ROOT / name for name in ("__init__.pyi", "py.typed")]
    assert held == {f"caffe64/{path.relative_to(ROOT)}" for path in modules + data}


def test_an_installed_wheel_trains_and_tests_from_another_directory(wheel, tmp_path):
    target, work = tmp_path / "site", tmp_path / "work"
    work.mkdir()
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", target, wheel]
    subprocess.run(command, check=True)
    (work / "net.txt").write_text("3\ninp 2 2\nlin 1 -1\nl2l\n")
    (work / "optim.txt").write_text("0.1 0 1 0 0.5 3")
    (work / "X.txt").write_text("1 2\n3 4\n")
    (work / "Y.txt").write_text("1\n2\n")
    code = "import caffe64, sys; print(caffe64.__file__); from caffe64.cli.app import main; sys.exit(main())"
    environment = {"PYTHONPATH": str(target), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    for arguments in ("train net.txt w.bin optim.txt 2 X.txt Y.txt", "test net.txt w.bin 2 X.txt out.txt"):
        run = [sys.executable, "-c", code, *arguments.split()]
        done = subprocess.run(run, cwd=work, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[0] == str(target / "caffe64" / "__init__.py")
        assert "Finished normally in" in done.stdout
    assert len((work / "out.txt").read_text().split()) == 2


def test_pytest_finds_an_end_of_the_checkout_which_holds_a_link_to_itself():
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "--ignore=tests", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 5, done.stdout + done.stderr  # there are no other tests
