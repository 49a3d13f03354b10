"""Imports point down: cli -> api -> engine -> formats; llvmlite stays where LLVM code is built."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = {  # folder -> what its modules may import from the package, besides themselves
    "formats": {"arguments", "errors", "engine.compiler.jit", "engine.team.threads", "engine.vectors.byte_vectors"},
    "engine": {"arguments", "errors", "formats"},
    "drawing": {"errors"},
    "cli": {
        "arguments",
        "errors",
        "api",
        "caffe_net",
        "caffe_reading",
        "caffe_export",
        "drawing",
        "engine",
        "formats",
        "",
    },
}
LLVM_BUILDERS = {
    "byte_vectors.py",
    "cpu.py",
    "lowlevel.py",
    "machine_code.py",
    "pixel_tile.py",
    "row_tile.py",
    "simd.py",
    "tile.py",
}


def imports(path: Path):
    """(level, module) of every import statement of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""
        elif isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)


def package_imports(path: Path):
    """Dotted names below caffe64 that a file imports from."""
    here = path.relative_to(ROOT).parent.parts
    for level, module in imports(path):
        if level:
            base = here[: len(here) - (level - 1)]
            yield ".".join((*base, *filter(None, module.split("."))))
        elif module.split(".")[0] == "caffe64":
            yield module.partition(".")[2]


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_folder_imports_only_from_those_below_it(folder):
    files = list((ROOT / folder).rglob("*.py"))
    assert files
    for path in files:
        for name in package_imports(path):
            fits = name.startswith(folder) or any(
                name == allowed or (allowed and name.startswith(f"{allowed}.")) for allowed in ALLOWED[folder]
            )
            assert fits, f"{path.relative_to(ROOT)} imports {name!r}"


def test_package_modules_import_each_other_relatively():
    for folder in ALLOWED:
        for path in (ROOT / folder).rglob("*.py"):
            absolute = [module for level, module in imports(path) if not level and module.split(".")[0] == "caffe64"]
            assert not absolute, f"{path.relative_to(ROOT)} imports {absolute} absolutely"


def test_llvm_code_is_built_in_few_places():
    files = [path for folder in (*ALLOWED, "perf") for path in (ROOT / folder).rglob("*.py")]
    found = {path.name for path in files if any("llvmlite" in module.split(".") for _, module in imports(path))}
    assert found - {"doctor.py"} == LLVM_BUILDERS, "doctor prints the version; nothing else may use llvmlite"


def test_library_code_does_not_print():
    for folder in ("drawing", "engine", "formats"):
        for path in (ROOT / folder).rglob("*.py"):
            calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
            assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"], path
