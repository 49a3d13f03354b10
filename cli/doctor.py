"""caffe64 doctor: facts for a bug report."""

from __future__ import annotations

from . import options

NAME = "doctor"
EXAMPLES = ("caffe64 doctor", "caffe64 doctor --json > report.json")


def command(as_json: options.Json = False) -> None:
    """Show versions, CPU, threads and the state of the kernel cache."""
    facts = examine()
    if as_json:
        import json

        print(json.dumps(facts, indent=2))
        return
    for topic, values in facts.items():
        print(topic)
        for name, value in values.items():
            print(f"  {name:<14}{', '.join(value) or 'none' if isinstance(value, list) else value}")


def examine() -> dict[str, dict]:
    """The facts, by topic."""
    return {"versions": _versions(), "cpu": _cpu(), "cache": _cache()}


def _versions() -> dict:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    def installed(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return "not installed"

    names = ("caffe64", "numba", "llvmlite", "numpy", "typer", "rich")
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        **{name: installed(name) for name in names},
    }


def _cpu() -> dict:
    from ..engine.compiler import cpu
    from ..engine.compiler.support import NEEDED, obstacle
    from ..engine.team.threads import usable_threads

    if obstacle():
        return {"name": _cpu_name(), "kernels": f"do not run here: {obstacle()}; they need {NEEDED}"}
    return {
        "name": _cpu_name(),
        "compiled for": cpu.codegen_key()[1],
        "vectors": f"{cpu.ISA}, {cpu.LANES} float32",
        "threads": usable_threads(),
    }


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass  # not every sandbox shows it
    return "unknown"


def _cache() -> dict:
    from ..engine.compiler.cache import cache_directory
    from ..engine.compiler.support import obstacle
    from .compiling import every_kernel, label

    directory, kernels = (None, []) if obstacle() else (cache_directory(), every_kernel())
    files = list(directory.glob("*.c64k")) if directory else []
    return {
        "directory": str(directory) if directory else None,
        "kernels": len(kernels),
        "ready": sum(kernel.is_ready for kernel in kernels),
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
        "missing": [label(kernel) for kernel in kernels if not kernel.is_ready],
    }
