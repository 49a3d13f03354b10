"""Real Caffe's single layers, one file a case (data/caffe/README.md): those that lie here, and more where there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from support import SHARED

HERE = Path(__file__).resolve().parents[1] / "data" / "caffe"
_FILES = {path.stem: path for folder in (SHARED / "caffe" / "layers", HERE) for path in folder.glob("*.npz")}
CASES = sorted(_FILES)


def read_case(name: str) -> tuple[str, str, dict[str, list[np.ndarray]]]:
    """The net's text, its phase, and the arrays of each kind ("bottom", "top_diff", ...) in their order."""
    with np.load(_FILES[name]) as case:
        kinds = {key.rstrip("0123456789") for key in case.files} - {"prototxt", "phase", "tops"}
        numbers = range(len(case.files))
        arrays = {kind: [case[f"{kind}{n}"] for n in numbers if f"{kind}{n}" in case] for kind in kinds}
        return str(case["prototxt"]), str(case["phase"]), arrays
