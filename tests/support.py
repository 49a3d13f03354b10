"""What several tests need: where the reference data lies, and the one comparison of arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

FOUND = Path(__file__).resolve().parent / "data" / "found"  # small inputs that once broke something
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the reference data (../shared/data) is not here")


def caffe_files(pattern: str, *folders: str) -> list[Path]:
    """The reference data's Caffe files of these folders; of those with whole nets if none are given."""
    folders = folders or ("cifar10", "face68", "models", "nets")
    return sorted(path for folder in folders for path in (SHARED / "caffe" / folder).rglob(pattern))


def assert_close(name: str, actual, expected, tolerance) -> None:
    """|actual - expected| <= tolerance (scalar or array) everywhere; names the worst place otherwise."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, f"{name}: shape {actual.shape}, expected {expected.shape}"
    error = np.abs(actual - expected)
    excess = np.where(np.isnan(error), np.inf, error - tolerance)
    if excess.size and excess.max() > 0:
        worst = np.unravel_index(excess.argmax(), excess.shape)
        allowed = np.broadcast_to(tolerance, error.shape)[worst]
        pytest.fail(
            f"{name}{list(map(int, worst))}: {actual[worst]} != {expected[worst]} (error {error[worst]}, "
            f"allowed {allowed})"
        )
