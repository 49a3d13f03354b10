"""Which source files a kernel's machine code depends on."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from caffe64.cli import compiling
from caffe64.engine.compiler import sources
from caffe64.engine.compiler.jit import Inline, Intrinsic, Kernel

ROOT = sources.PACKAGE
FILES = sorted(path for folder in sources.FOLDERS for path in (ROOT / folder).rglob("*.py"))


def files_named_by(path: Path):
    """By Python's own parser: the files of the package that the relative imports of a file name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for place in (base, *(base / alias.name for alias in node.names)):
                yield from (found for found in (place.with_suffix(".py"), place / "__init__.py") if found.is_file())


def test_imports_are_found_as_pythons_own_parser_finds_them():
    assert len(FILES) > 150
    for path in FILES:
        assert set(map(Path, sources._source(str(path)).imports)) == set(files_named_by(path)), path


def test_all_imports_of_kernels_are_relative():
    """An absolute import of the package would not be followed."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not [name for name in names if name.split(".")[0] == "caffe64"], path


def reached(function, found: set[Path]) -> set[Path]:
    """The package's files whose functions `function` refers to, directly or through others, as they are at run time."""
    function = inspect.unwrap(getattr(function, "py_func", function))
    if not is_ours(function.__module__) or function in SEEN:
        return found
    path = Path(inspect.getsourcefile(function)).resolve()
    SEEN.add(function)
    found.add(path)
    names, codes = set(), [function.__code__]
    while codes:
        code = codes.pop()
        names |= set(code.co_names)
        codes += [constant for constant in code.co_consts if inspect.iscode(constant)]
    values = [function.__globals__.get(name) for name in names]
    modules = [value for value in values if isinstance(value, ModuleType) and is_ours(value.__name__)]
    values += [getattr(module, name, None) for module in modules for name in names]
    for value in values:
        if isinstance(value, Kernel | Inline | Intrinsic | FunctionType):
            reached(value, found)
    return found


def is_ours(module: str) -> bool:
    return module.split(".")[0] == "caffe64"


SEEN: set = set()
# Those of other tests' modules, which are imported before this one when all tests are collected, are none of ours.
KERNELS = [kernel for kernel in compiling.every_kernel() if is_ours(kernel.py_func.__module__)]


def paths_of(path: Path) -> set[Path]:
    return set(map(Path, sources.sources_of(str(path))))


@pytest.mark.parametrize("kernel", KERNELS, ids=compiling.label)
def test_the_sources_of_a_kernel_include_all_that_it_refers_to(kernel):
    SEEN.clear()
    own = Path(inspect.getsourcefile(kernel.py_func)).resolve()
    found = reached(kernel, set())
    assert own in found
    assert found <= paths_of(own)


def test_the_compiler_belongs_to_every_kernel_and_the_vector_type_to_those_with_vectors_and_passes_to_none():
    always = {ROOT / "engine" / "compiler" / f"{name}.py" for name in ("jit", "numba_backend", "machine_code")}
    vectors = ROOT / "engine" / "vectors"
    for kernel in KERNELS:
        found = paths_of(Path(inspect.getsourcefile(kernel.py_func)).resolve())
        assert always <= found
        assert (vectors / "simd.py" in found) <= (vectors / "vector_type.py" in found)
        assert not [path for path in found if {"passes", "frontends", "verification"} & {*path.parts}]
