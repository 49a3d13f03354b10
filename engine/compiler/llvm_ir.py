"""`llvmlite.ir`, of which kernels' LLVM code is built; a stand-in where llvmlite is not installed, with which the
modules that build such code can be imported, though not used (`support.py`)."""

from __future__ import annotations

from typing import Any

try:
    from llvmlite import ir
except ImportError:

    class _Absent:
        """Gives itself for each name and each call."""

        def __getattr__(self, name: str) -> Any:
            return self

        def __call__(self, *arguments: Any, **options: Any) -> Any:
            return self

    ir = _Absent()

__all__ = ["ir"]
