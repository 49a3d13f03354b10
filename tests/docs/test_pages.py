"""Every page of the documentation works as it stands: its commands print what is shown, its code runs."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from reference.child import PACKAGES, TESTS
from reference.compiled_c import needs_compiler
from reference.demo import run_script
from reference.pages import DOCS, pieces
from reference.readme import ROOT, run, target
from support import needs_shared

import caffe64

DEMOS = ["mnist", "image_reco", "facades", "rank", "bridges", "char", "lenet", "finetune"]
GENERATED = {"reference/commands.md", "reference/api.md", "reference/layers.md"}
GENERATED |= {f"tutorials/demos/{name}.md" for name in DEMOS}
PAGES = sorted({str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} - GENERATED)


NEEDS = {"how-to/export-text-nets.md": needs_compiler, "how-to/regression.md": needs_compiler}


@pytest.mark.parametrize("page", [pytest.param(f"docs/{page}", marks=NEEDS.get(page, ())) for page in PAGES])
def test_a_page_works_as_it_stands(page, tmp_path):
    do(page, tmp_path)


@needs_shared
@pytest.mark.parametrize("name", DEMOS)
def test_a_demos_page_works_as_it_stands(name, tmp_path):
    do(f"demos/{name}/README.md", tmp_path)


def do(page, tmp_path):
    command = [sys.executable, "-m", "reference.pages", page]
    settings = {**os.environ, "PYTHONPATH": f"{TESTS}:{PACKAGES}"}
    done = subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    shutil.rmtree(tmp_path)  # a page of recipes leaves a gigabyte of models


def source(page: str, start: str) -> str:
    (found,) = re.findall(rf"^```python\n({start}.*?)^```$", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)
    return found


@pytest.mark.parametrize(("page", "name"), [("text-layer", "elu"), ("caffe-layer", "capped")])
def test_the_layers_shown_are_those_that_are_tested(page, name):
    assert (ROOT / "tests" / "data" / f"{name}.py").read_text() == source(f"how-to/{page}.md", '"""')


def test_the_benchmarks_commands_run(tmp_path):
    """Shortened."""
    (block,) = re.findall(
        r"^```sh\n(.*?)^```$", (DOCS / "how-to/regression-runs.md").read_text(), re.DOTALL | re.MULTILINE
    )
    measure, compare, plot = block.splitlines()
    run(f"{measure.replace('train', 'startup')} --quick --no-peers", tmp_path)
    assert json.loads((tmp_path / "new.json").read_text())["settings"]["suites"] == ["startup"]
    results = min((ROOT / "perf" / "results").glob("*.json"))
    for name in ("old.json", "new.json"):
        shutil.copy(results, tmp_path / name)
    assert run(compare, tmp_path)
    run(plot, tmp_path)
    assert (tmp_path / "roofline.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", DEMOS)
def test_the_demos_say_their_options(name):
    """`make demos` itself: tests/demos/test_all.py."""
    text = (DOCS / "tutorials/demos.md").read_text()
    help_of_one = re.search(r"^(python demos/NAME.*?) {3}", text, re.MULTILINE)[1]
    assert target("make demos") == "python demos/all.py"
    _, script, *options = help_of_one.replace("NAME", name).split()
    assert "Usage: run.py" in run_script(ROOT / script, *options).stdout


def test_every_page_is_in_the_contents():
    listed = {
        str((page.parent / name).relative_to(DOCS))
        for page in (DOCS / "index.md", DOCS / "tutorials" / "demos.md")
        for name in re.findall(r"^[a-z_-]+/[a-z0-9_-]+$", page.read_text(), re.MULTILINE)
    }
    notebooks = {f"tutorials/{path.stem}.md" for path in (ROOT / "demos").glob("*.ipynb")}
    assert {f"{name}.md" for name in listed} - notebooks == {*PAGES, *GENERATED} - {"index.md"}


def test_the_dockerfile_keeps_kernels_where_commands_look(tmp_path):
    """On a Python that is supported. `pip install`: test_packaging; `caffe64 warmup`: test_readme."""
    (text,) = re.findall(
        r"^```dockerfile\n(.*?)^```$", (DOCS / "how-to/docker.md").read_text(), re.DOTALL | re.MULTILINE
    )
    (version,) = re.findall(r"^FROM python:3\.(\d+)-slim$", text, re.MULTILINE)
    first, last = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (ROOT / "pyproject.toml").read_text()).groups()
    assert int(first) <= int(version) < int(last)
    (cache,) = re.findall(r"^ENV XDG_CACHE_HOME=(.*)$", text, re.MULTILINE)
    (kept,) = re.findall(r"caffe64 warmup && chmod -R a\+rX (.*)$", text, re.MULTILINE)
    path = run("caffe64 cache path", tmp_path, XDG_CACHE_HOME=f"{tmp_path}{cache}", NUMBA_CACHE_DIR="").strip()
    assert Path(path).is_relative_to(f"{tmp_path}{kept}")


@pytest.mark.parametrize(("word", "extra"), [("--plot ", "plot"), ("caffe64 export ", "export")])
def test_a_page_that_needs_an_extra_names_it(word, extra):
    needing = [page for page in PAGES if any(word in piece.text for piece in pieces(f"docs/{page}"))]
    assert needing
    for page in needing:
        assert f"[{extra}]" in (DOCS / page).read_text(), page


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/tutorials/demos.md"])
def test_targets_of_make_are_there(page):
    asked = set(re.findall(r"(?:`|^|\$ )make ([a-z][\w-]*)", (ROOT / page).read_text(), re.MULTILINE))
    assert asked <= set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.fixture
def made(monkeypatch):
    """docs/pages.py, which makes pages from the code."""
    monkeypatch.syspath_prepend(DOCS)
    return importlib.import_module("pages")


def test_every_public_name_has_a_place(made):
    text = made.api()
    for name in {*caffe64.__all__} - {"kernels", "proto"}:
        assert f"caffe64.{name}" in text


def test_docstrings_become_markup(made):
    """Names are code, two columns a list of terms, indented lines stay as they are."""
    lines = ["The `net` * 2.", "", "y = x @ W.T.   writes y", "layers, ...   as in `Net`", "              and more"]
    lines += ["", "    import caffe64"]
    made.as_markup(lines)
    terms = ["``y = x @ W.T``", "    writes y", "``layers, ...``", "    as in ``Net``", "    and more"]
    assert lines == ["The ``net`` \\* 2.", "", *terms, "", "::", "", "        import caffe64", ""]
