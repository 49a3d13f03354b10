"""The sdist is the checkout, the wheel made of it the whole package and nothing else, and both work elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from caffe64.engine.compiler import support

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("caffe", "cli", "dnn", "drawing", "engine", "estimators", "formats", "jobs", "perf", "ranks", "tables")


def test_the_same_pythons_are_named_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.findall(r"Python :: 3\.(\d+)", "\n".join(project["classifiers"]))
    first, last = int(named[0]), int(named[-1])
    assert list(map(int, named)) == list(range(first, last + 1))
    assert project["requires-python"] == f">=3.{first},<3.{last + 1}"
    for name in ("Makefile", "README.md", "CONTRIBUTING.md"):
        ranges = re.findall(r"Python (3\.\d+ (?:to 3\.\d+|or later))", (ROOT / name).read_text())
        assert set(ranges) == {f"3.{first} to 3.{last}"}, name
    choice = (ROOT / "Makefile").read_text().partition("PYTHON ?=")[2].partition("done)")[0]
    assert re.findall(r"python3\.(\d+)", choice) == named[::-1]
    assert re.findall(r"\(3, (\d+)\)", choice) == [named[0], named[-1]]


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "arm64", "AMD64", "ARM64", "riscv64"])
def test_numba_is_needed_where_kernels_run(monkeypatch, system, machine):
    """It has no files to install for some of the others."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    where = {"sys_platform": system, "platform_machine": machine}
    needed = {
        each.name
        for each in map(Requirement, project["dependencies"])
        if not each.marker or each.marker.evaluate(where)
    }
    monkeypatch.setattr(support.sys, "platform", system)
    monkeypatch.setattr(support.platform, "machine", lambda: machine)
    runs = not support.obstacle.__wrapped__()
    assert needed & {"numba", "llvmlite"} == ({"numba", "llvmlite"} if runs else set())
    assert {"numpy", "typer", "rich", "protobuf", "pillow"} <= needed


def unpacked(sdist: Path, folder: Path) -> Path:
    subprocess.run(["tar", "-xf", sdist, "-C", folder], check=True)
    return folder / sdist.name.removesuffix(".tar.gz")


def test_the_sdist_holds_what_git_does_but_no_links(sdist):
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: there is no list of files to compare with")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    kept = {name for name in listed if (ROOT / name).is_file() and not (ROOT / name).is_symlink()}
    with tarfile.open(sdist) as archive:
        assert all(member.isfile() for member in archive)
        held = {member.name.partition("/")[2] for member in archive}
    assert held == kept | {"PKG-INFO"}


def test_tests_run_in_an_unpacked_sdist_whose_folder_has_dots_in_its_name(sdist, tmp_path):
    command = [sys.executable, "-m", "pytest", "-q", "tests/test_words.py", "-k", "finds_its_example"]
    done = subprocess.run(command, cwd=unpacked(sdist, tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_editable_install_of_an_unpacked_sdist_finds_the_package(sdist, tmp_path):
    """pip and type checkers find it by a link, which the sdist does not hold."""
    root, site = unpacked(sdist, tmp_path), tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-build-isolation", "--quiet"]
    subprocess.run([*command, "--target", site, "--editable", root], check=True)
    code = f"import site; site.addsitedir({str(site)!r}); import caffe64; print(caffe64.__file__)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert Path(done.stdout.strip()) == root / "src" / "caffe64" / "__init__.py", done.stderr


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
    # Its kernels are those of the checkout.
    environment["XDG_CACHE_HOME"] = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
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
