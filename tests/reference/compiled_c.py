"""C files, compiled by the machine's compiler with all warnings as errors, and called."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

COMPILER = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="this machine has no C compiler (cc, gcc or clang)")
UNTOUCHED = 12345.0
FLOATS = ctypes.POINTER(ctypes.c_float)


def compile_c(*arguments: str) -> None:
    """Fails with what the compiler says. -O1 compiles fast."""
    done = subprocess.run([COMPILER, *WARNINGS, "-O1", *arguments, "-lm"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def shared_library(path, *sources) -> ctypes.CDLL:
    compile_c("-shared", "-fPIC", *map(str, sources), "-o", str(path))
    return ctypes.CDLL(str(path))


def predict_rows(library, name: str, X: np.ndarray, outputs: int) -> np.ndarray:
    """NAME_predict_rows of X [N, F]; fails where it writes behind y [N, K]."""
    X = np.ascontiguousarray(X, np.float32)
    y = np.full(len(X) * outputs + 16, UNTOUCHED, np.float32)
    call = getattr(library, f"{name}_predict_rows")
    call.argtypes, call.restype = [FLOATS, ctypes.c_size_t, FLOATS], None
    call(X.ctypes.data_as(FLOATS), len(X), y.ctypes.data_as(FLOATS))
    assert (y[len(X) * outputs :] == UNTOUCHED).all()
    return y[: len(X) * outputs].reshape(len(X), outputs)


def predict_row(library, name: str, x: np.ndarray, outputs: int) -> np.ndarray:
    """NAME_predict of x [F]."""
    x, y = np.ascontiguousarray(x, np.float32), np.full(outputs, UNTOUCHED, np.float32)
    call = getattr(library, f"{name}_predict")
    call.argtypes, call.restype = [FLOATS, FLOATS], None
    call(x.ctypes.data_as(FLOATS), y.ctypes.data_as(FLOATS))
    return y


def strings(library, name: str, count: int) -> list[str]:
    return [each.decode() for each in (ctypes.c_char_p * count).in_dll(library, name)]
