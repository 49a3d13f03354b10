"""What the sources of data layers share: random numbers by seed and purpose, and the most that a batch may hold."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ...engine.graph.ir.graph import Node, Shape
from ...engine.graph.ops.windows import MOST_NUMBERS
from ...engine.parameters.streams import generator
from ...formats.files import memory_bytes

ORDER, START = 1, 2  # purposes of random numbers besides those of the pictures
SHARE = 4  # of the memory: what a batch may take, of which several are read ahead
LEAST_ROW = 256  # numbers that a row counts for at least: each is an object until the batch is whole


def purpose_of(node: Node, seed: int, kind: int) -> Callable[[int], np.random.Generator]:
    """The random numbers of a layer for a purpose, by the number of what they are for."""
    return partial(generator, seed, layer_key(node, kind))


def layer_key(node: Node, kind: int) -> int:
    digest = hashlib.blake2b(f"{node.phase}/{node.name}/{kind}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def check_batch(node: Node, batch: int, rows: Sequence[Shape]) -> None:
    """Raises node.error for a batch without pictures, and for one of rows of these shapes that is too large."""
    if batch < 1:
        raise node.error(f"has batch_size {batch}", "a positive number")
    most = min(MOST_NUMBERS, memory_bytes() // 4 // SHARE) // max(LEAST_ROW, *map(math.prod, rows))
    if batch > most:
        raise node.error(f"has batch_size {batch} of {', '.join(str(list(row)) for row in rows)}", f"at most {most}")


def rows_of_shard(node: Node, rows: int, shards: int) -> int:
    """Of a batch of a data layer. Raises node.error where they are not the same in all shards."""
    if rows % shards:
        raise node.error(f"has batches of {rows} rows", f"a multiple of the {shards} shards")
    return rows // shards
