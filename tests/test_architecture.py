"""Imports point down. FLOORS lists which folder imports from which: another arrow fails, and so does a listed one
without an import."""

from __future__ import annotations

import ast
import functools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {  # from the ground up; a folder that has no entry of its own belongs to the one around it
    "errors": set(),
    "interrupts": set(),
    "aside": {"interrupts"},
    "wording": set(),
    "markup": set(),
    "results": {"markup"},
    "arguments": {"errors"},
    "conversion": {"errors"},
    "ranks": {"errors"},
    "drawing": {"errors", "markup"},
    "engine.compiler": {"aside", "errors"},
    "engine.vectors": {"engine.compiler"},
    "engine.team": {"arguments", "engine.compiler"},
    "engine.products": {"engine.compiler", "engine.team", "engine.vectors"},
    "engine.parameters": {"arguments", "engine.compiler", "engine.team", "engine.vectors", "errors"},
    "formats": {
        "arguments",
        "aside",
        "engine.compiler",
        "engine.team",
        "engine.vectors",
        "errors",
        "interrupts",
        "wording",
    },
    "formats.caffe": {"errors", "formats", "wording"},
    "formats.onnx": {"arguments", "aside", "errors", "formats"},
    "engine.textnet": {
        "arguments",
        "conversion",
        "engine.compiler",
        "engine.parameters",
        "engine.products",
        "engine.team",
        "engine.vectors",
        "errors",
        "formats",
        "ranks",
        "results",  # what `evaluate` returns is printed as the command prints it
    },
    "engine.graph.ir": {"engine.compiler", "engine.parameters", "errors"},
    "engine.graph.ops": {
        "engine.compiler",
        "engine.graph.ir",
        "engine.parameters",
        "engine.products",
        "engine.team",
        "engine.vectors",
        "errors",
    },
    "engine.graph.analysis": {"engine.graph.ir", "engine.graph.ops", "errors", "wording"},
    "engine.graph.reference": {"engine.graph.analysis", "engine.graph.ir", "engine.graph.ops", "errors"},
    "engine.graph.passes": {
        "arguments",
        "engine.graph.analysis",
        "engine.graph.ir",
        "engine.graph.ops",
        "errors",
        "wording",
    },
    "engine.graph.plan": {
        "engine.compiler",
        "engine.graph.analysis",
        "engine.graph.ir",
        "engine.graph.ops",
        "engine.parameters",
        "engine.products",
        "engine.team",
        "engine.vectors",
        "errors",
    },
    "engine.graph.execution": {
        "engine.compiler",
        "engine.graph.analysis",
        "engine.graph.ir",
        "engine.graph.ops",
        "engine.graph.plan",
        "engine.team",
    },
    "engine.graph.verification": {
        "arguments",
        "engine.graph.analysis",
        "engine.graph.ops",
        "engine.graph.ir",
        "engine.graph.passes",
        "engine.graph.plan",
        "engine.graph.reference",
        "errors",
    },
    "engine.graph.frontends.caffe": {
        "engine.graph.ir",
        "engine.graph.ops",
        "engine.parameters",
        "errors",
        "formats.caffe",
    },
    "engine.graph.frontends.onnx": {
        "arguments",
        "engine.graph.analysis",
        "engine.graph.ir",
        "engine.graph.ops",
        "engine.graph.verification",
        "errors",
        "formats.onnx",
    },
    "kernels": {"engine.parameters", "engine.products", "engine.textnet"},
    "caffe": {
        "",
        "arguments",
        "aside",
        "conversion",
        "drawing",
        "engine.compiler",
        "engine.graph.analysis",
        "engine.graph.execution",
        "engine.graph.frontends.caffe",
        "engine.graph.frontends.onnx",
        "engine.graph.ir",
        "engine.graph.ops",
        "engine.graph.passes",
        "engine.graph.plan",
        "engine.parameters",
        "engine.graph.verification",
        "engine.products",
        "engine.team",
        "errors",
        "formats",
        "formats.caffe",
        "formats.onnx",
        "markup",
        "ranks",
        "results",
        "wording",
    },
    "dnn": {
        "arguments",
        "caffe",
        "conversion",
        "engine.compiler",
        "engine.graph.analysis",
        "engine.graph.frontends.onnx",
        "engine.graph.ir",
        "engine.graph.ops",
        "engine.graph.plan",
        "errors",
        "formats",
        "formats.caffe",
    },
    "summaries": {"caffe", "engine.textnet", "errors", "results"},
    "api": {
        "arguments",
        "caffe",
        "conversion",
        "engine.compiler",
        "engine.textnet",
        "errors",
        "formats",
        "ranks",
        "summaries",
    },
    "advice": {"api", "arguments", "conversion", "engine.textnet"},  # about data, and trainings of text nets
    "estimators": {"api", "arguments", "conversion", "errors", "formats"},
    "sklearn": {"estimators"},
    "tables": {
        "api",
        "arguments",
        "engine.compiler",
        "engine.team",
        "engine.textnet",
        "engine.vectors",
        "errors",
        "formats",
        "results",
        "summaries",
        "wording",
    },
    "exports": {
        "",
        "arguments",
        "caffe",
        "engine.compiler",
        "engine.graph.frontends.onnx",
        "engine.graph.verification",
        "engine.textnet",
        "errors",
        "formats",
        "tables",
    },
    "jobs": {
        "api",
        "arguments",
        "aside",
        "caffe",
        "engine.compiler",
        "engine.graph.analysis",
        "engine.graph.execution",
        "engine.parameters",
        "engine.team",
        "errors",
        "formats",
        "formats.caffe",
        "formats.onnx",
        "results",
        "tables",
        "wording",
    },
    "cli": {
        "",
        "advice",
        "api",
        "arguments",
        "caffe",
        "engine.compiler",
        "engine.graph.analysis",
        "engine.graph.execution",
        "engine.graph.frontends.caffe",
        "engine.graph.ir",
        "engine.graph.ops",
        "engine.parameters",
        "engine.team",
        "engine.textnet",  # the state of early stopping
        "errors",
        "exports",
        "formats",
        "formats.caffe",
        "formats.onnx",
        "interrupts",
        "jobs",
        "ranks",
        "results",
        "summaries",
        "tables",
        "wording",
    },
    "perf": {
        "",
        "api",
        "arguments",
        "caffe",
        "cli",
        "engine.compiler",
        "engine.graph.analysis",
        "engine.graph.execution",
        "engine.graph.ir",
        "engine.graph.ops",
        "engine.graph.plan",
        "engine.graph.reference",
        "engine.graph.verification",
        "engine.parameters",
        "engine.products",
        "engine.team",
        "engine.textnet",
        "engine.vectors",
        "errors",
        "formats",
        "formats.caffe",
        "interrupts",
        "jobs",
        "kernels",
        "ranks",
        "results",
        "wording",
    },
}
LLVM_BUILDERS = {
    "atomics.py",
    "bits.py",
    "byte_vectors.py",
    "copying.py",
    "cpu.py",
    "filter_tile.py",
    "fingerprint.py",
    "llvm.py",
    "llvm_ir.py",
    "loops.py",
    "machine_code.py",
    "pixel_tile.py",
    "pointer_call.py",
    "simd.py",
    "squares.py",
    "streaming.py",
    "sums.py",
    "tile.py",
    "views.py",
}
# Names that each file of a folder defines: the tables of its layer types, by which the folder finds them.
PROTOCOLS = {"EXPORTS", "LAYER", "OPERATORS", "OPS", "READERS"}
PYCAFFE = {"io", "proto"}  # names that notebooks for pycaffe use
FILES = sorted(
    path
    for path in ROOT.rglob("*.py")
    if path.relative_to(ROOT).parts[0] not in (".venv", "build", "data", "docs", "src", "tests")
)


def dotted(path: Path) -> str:
    """The module of a file, without the package's name; "" for its __init__."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): path for path in FILES}


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@functools.cache
def imports(path: Path) -> set[str]:
    """The modules of the package that a file imports, also inside functions; not those that only annotations name."""
    folder, found, open_ends = path.relative_to(ROOT).parts[:-1], set(), [parsed(path)]
    while open_ends:
        node = open_ends.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        open_ends += ast.iter_child_nodes(node)
        if isinstance(node, ast.ImportFrom):
            inner = [*folder[: len(folder) - node.level + 1]] if node.level else []
            words = node.module.split(".") if node.module else []
            if not node.level and words[0] != "caffe64":
                continue
            base = ".".join(inner + (words if node.level else words[1:]))
            named = {f"{base}.{alias.name}".lstrip(".") for alias in node.names}
            found |= (named & MODULES.keys()) or {base}
        elif isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[2] for alias in node.names if alias.name.split(".")[0] == "caffe64"}
    return found


def floor(module: str) -> str:
    """The entry of FLOORS that a module belongs to; itself if there is none."""
    if module in PYCAFFE:
        return "caffe"
    inside = [name for name in FLOORS if module == name or module.startswith(f"{name}.")]
    return max(inside, key=len, default=module)


def test_each_floor_imports_from_exactly_those_that_are_listed():
    found: dict[str, set[str]] = {name: set() for name in FLOORS}
    for module, path in MODULES.items():
        if module.split(".")[0] not in ("demos", "", "__main__", "engine") or floor(module) in FLOORS:
            found[floor(module)] |= {floor(name) for name in imports(path)} - {floor(module)}
    assert found == FLOORS


def test_floors_are_listed_from_the_ground_up():
    names = [*FLOORS, ""]  # the package's __init__ imports its modules when they are asked for
    for name, below in FLOORS.items():
        assert not [other for other in below - {""} if names.index(other) >= names.index(name)], name


def test_demos_use_the_public_interface():
    """And one of them, which has kernels of its own, the compiler."""
    for path in FILES:
        if path.relative_to(ROOT).parts[0] == "demos":
            used = {floor(name) for name in imports(path) if not name.startswith("demos")}
            assert used <= {"", "kernels", "engine.compiler"}, path


def test_no_modules_import_each_other_in_a_circle():
    arrows = {module: imports(path) & MODULES.keys() - {""} for module, path in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way[way.index(module) :], module))
        if module not in done:
            for other in sorted(arrows[module]):
                visit(other, (*way, module))
            done.add(module)

    for module in sorted(arrows):
        visit(module, ())


@pytest.mark.parametrize(
    "folder", ["caffe", "cli", "dnn", "drawing", "engine", "estimators", "formats", "jobs", "tables"]
)
def test_package_modules_import_each_other_relatively(folder):
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(parsed(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not [name for name in names if name.split(".")[0] == "caffe64"], path


def test_llvm_code_is_built_in_few_files():
    found = {path.name for path in FILES if "llvm" in path.read_text() and uses_llvmlite(path)}
    assert found - {"doctor.py"} == LLVM_BUILDERS, "doctor prints the version; nothing else may use llvmlite"


def uses_llvmlite(path: Path) -> bool:
    nodes = list(ast.walk(parsed(path)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return any(name.split(".")[0] == "llvmlite" or name.split(".")[-1] == "llvm_ir" for name in names)


def test_llvmlite_is_imported_by_one_module():
    """Others get it from there, where it may be missing; or import it when they compile something."""
    assert [module for module, path in MODULES.items() if "llvmlite" in imported_at_once(path)] == [
        "engine.compiler.llvm_ir"
    ]
    numba = {module for module, path in MODULES.items() if "numba" in imported_at_once(path)}
    assert numba - {"perf.peak"} == {"engine.compiler.numba_backend", "engine.vectors.vector_type"}, (
        "they are imported to compile"
    )


def imported_at_once(path: Path) -> set[str]:
    """The packages that are imported with a module, not in one of its functions."""
    found, open_ends = set(), list(parsed(path).body)
    while open_ends:
        node = open_ends.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Try | ast.If | ast.With):
            open_ends += [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)]
    return found


def test_library_code_does_not_print():
    for path in FILES:
        folder = path.relative_to(ROOT).parts[0]
        calls = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
        printing = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
        assert folder in ("cli", "demos", "perf") or not printing, path


def test_front_ends_alone_know_what_a_file_said():
    """`origin` is the message that a layer or a net was read from: for writing it back, and nothing else. `message` is
    what a file holds, which those that read one hand to the front end."""
    users: dict[str, set[str]] = {"origin": set(), "message": set()}
    for module, path in MODULES.items():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Attribute) and node.attr in users and floor(module) != "formats.caffe":
                users[node.attr].add(module)
    inside = {module for module in users["origin"] if floor(module).startswith("engine.graph.frontends")}
    assert inside
    assert users["origin"] - inside == {"engine.compiler.cache"}, "the origin of a package is another matter"
    assert users["message"] == {"caffe.reading", "cli.config_shapes"}


def constants(path: Path) -> Iterator[str]:
    """The upper-case names that a module assigns, outside functions and classes."""
    for node in parsed(path).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for each in (each for target in targets for each in ast.walk(target)):
            if isinstance(each, ast.Name) and each.id.isupper():
                yield each.id


def test_a_constant_of_the_engine_or_a_format_has_one_meaning():
    found = defaultdict(set)
    for path in (path for folder in ("engine", "formats") for path in (ROOT / folder).rglob("*.py")):
        for name in constants(path):
            found[name].add(str(path.relative_to(ROOT)))
    assert {name: files for name, files in found.items() if len(files) > 1 and name not in PROTOCOLS} == {}
    assert not [name for name in PROTOCOLS if len(found[name]) == 1], "no longer a protocol"


def test_class_names_are_unique():
    """Except Job, which each peer of a benchmark defines, and which its worker finds by that name; and Classifier,
    which is pycaffe's for notebooks of that, and scikit-learn's in `caffe64.sklearn`."""
    found = defaultdict(list)
    for module, path in MODULES.items():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(module)
    shared = {name: modules for name, modules in found.items() if len(modules) > 1}
    assert {module.split(".")[0] for module in shared.pop("Job")} == {"perf"}
    assert shared == {"Classifier": ["caffe.classifier", "estimators.classifier"]}
