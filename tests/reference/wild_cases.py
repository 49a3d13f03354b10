"""Known answers of layers of Caffe's forks, and of rarer ones of Caffe's own: one file a case, as a user holds it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from support import SHARED

from caffe64.formats.caffe import MESSAGES

WILD = SHARED / "caffe" / "wild"
CASES = sorted(path.stem for path in WILD.glob("*.npz") if not path.stem.endswith("_io"))
MODELS = sorted(path.stem.removesuffix("_io") for path in WILD.glob("*_io.npz"))


@dataclass
class WildCase:
    """`arrays` of each kind ("bottom", "top_diff", ...) in their order; `dynamic`: the axis whose length depends on
    the values, if there is one; `with_gradient`: the numbers of the bottoms that `bottom_diff` belongs to."""

    text: str
    phase: str
    tops: list[str]
    arrays: dict[str, list[np.ndarray]]
    dynamic: int | None
    with_gradient: list[int]
    files: dict[str, bytes]

    @property
    def type(self) -> str:
        return self._words("type")[0]

    def _words(self, field: str) -> list[str]:
        return re.findall(rf"""\b{field}: ['"]([^'"]+)""", self.text.splitlines()[-1])  # the layer's line

    def filled_up(self, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """`array` with NaN for the rows that `shape` has beyond it, along the axis whose length depends on the
        values."""
        if self.dynamic is None:
            return array
        filled = np.full(shape, np.nan, np.float32)
        filled.swapaxes(0, self.dynamic)[: array.shape[self.dynamic]] = array.swapaxes(0, self.dynamic)
        return filled

    def write(self, folder: Path) -> tuple[Path, Path | None]:
        """The net and, if its last layer has weights, its model, as files in `folder`, with those that it names."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        net, model = folder / "net.prototxt", folder / "net.caffemodel"
        net.write_text(self.text)
        if "param" not in self.arrays:
            return net, None
        message = MESSAGES["NetParameter"]()
        layer = message.layer.add(name=self._words("name")[0], type=self.type)
        for array in self.arrays["param"]:
            blob = layer.blobs.add()
            blob.shape.dim.extend(array.shape)
            blob.data.extend(array.ravel().tolist())
        model.write_bytes(message.SerializeToString())
        return net, model


def read_wild_case(name: str) -> WildCase:
    with np.load(WILD / f"{name}.npz") as case:
        found = {key: case[key] for key in case.files}
    arrays: dict[str, list[np.ndarray]] = {}
    for key in sorted(found, key=lambda key: (len(key), key)):
        if matched := re.fullmatch(r"(\D+)\d+", key):
            arrays.setdefault(matched[1], []).append(found[key])
    return WildCase(
        str(found["prototxt"]),
        str(found["phase"]),
        [str(name) for name in found["tops"]],
        arrays,
        int(found["dynamic"]) if "dynamic" in found else None,
        [int(number) for number in found.get("bottom_diff_index", np.arange(len(arrays.get("bottom_diff", []))))],
        {key.removeprefix("file_"): found[key].tobytes() for key in found if key.startswith("file_")},
    )
