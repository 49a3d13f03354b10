"""Known answers of the original caffe64, started at given weights and visiting rows in file order.

regress_tanh.json in tests/data carries one case; `read_case` reads a folder of the same from the reference data.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CARRIED = Path(__file__).resolve().parents[1] / "data" / "regress_tanh.json"


@dataclass(frozen=True)
class Case:
    net: str
    optimizer: tuple[float, ...]
    X: np.ndarray  # [N, F]
    Y: np.ndarray  # [N, 1]
    initial: np.ndarray  # all parameters, float32 [P]
    final: np.ndarray
    losses: np.ndarray  # [epochs]: printed after 20 minibatches of each epoch
    outputs: np.ndarray  # [N, K]: what `test` wrote with the final weights


def read_weights(path) -> np.ndarray:
    """All parameters of a weights file, layer after layer."""
    words, found = np.fromfile(path, "<u4"), []
    at = 2
    for _ in range(words[0]):
        count = int(words[at])
        found.append(words[at + 2 : at + 2 + count].view("<f4"))
        at += 2 + count
    assert at == words.size
    return np.concatenate(found)


def read_case(folder: Path) -> Case:
    net = (folder / "net.txt").read_text()
    features = int(re.search(r"inp (\d+)", net)[1])
    Y = np.array((folder / "Y.txt").read_text().split(), np.float32).reshape(-1, 1)
    return Case(
        net,
        tuple(map(float, (folder / "optim.txt").read_text().split())),
        np.array((folder / "X.txt").read_text().split(), np.float32).reshape(-1, features),
        Y,
        read_weights(folder / "init.bin"),
        read_weights(folder / "final.bin"),
        np.array(re.findall(r"MBIter 20 .* Loss (\S+)", (folder / "train.log").read_text()), float),
        np.array((folder / "test.txt").read_text().split(), float).reshape(len(Y), -1),
    )


def carried_case() -> Case:
    fields = json.loads(CARRIED.read_text())
    fields.pop("origin")
    single = ("X", "Y", "initial", "final")
    arrays = {
        name: np.array(fields.pop(name), np.float32 if name in single else float)
        for name in (*single, "losses", "outputs")
    }
    return Case(fields["net"], tuple(fields["optimizer"]), **arrays)
