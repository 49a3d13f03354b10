"""The matrix products that are timed: a fixed list of 60."""

from __future__ import annotations

from typing import NamedTuple


class Shape(NamedTuple):
    """C [M, N] = op(A) @ op(B) with sums of K products; "T" where an operand is stored transposed."""

    M: int
    K: int
    N: int
    a: str = "N"
    b: str = "N"

    @property
    def name(self) -> str:
        return f"gemm {self.M}x{self.K}x{self.N} {self.a}{self.b}"

    @property
    def flops(self) -> float:
        return 2.0 * self.M * self.K * self.N

    @property
    def bytes(self) -> float:
        """Each operand read once, the result written once."""
        return 4.0 * (self.M * self.K + self.K * self.N + self.M * self.N)


SQUARES = [Shape(n, n, n) for n in (1, 2, 4, 8, 16, 32, 64, 100, 128, 256, 512, 1000, 1024, 2048)]
# Tiles are 4 or 8 rows of 12, 24 or 48 columns, by vector width.
EDGES = [
    *(Shape(m, 64, n) for m, n in ((3, 23), (4, 24), (5, 25), (7, 47), (8, 48), (9, 49))),
    *(Shape(96, 64, n) for n in (7, 8, 9, 12, 13, 24, 25, 100)),
    *(Shape(96, k, 96) for k in (1, 2, 3, 255, 256, 257)),
]
VECTORS = [
    Shape(1, 784, 100),
    Shape(1, 1024, 1024),
    Shape(1, 2048, 2048),
    Shape(1024, 1024, 1),
    Shape(2048, 2048, 1),
    Shape(1, 2048, 1),
    Shape(2048, 1, 2048),
]
MINIBATCHES = [
    Shape(100, 784, 100),
    Shape(784, 100, 100, a="T"),
    Shape(100, 100, 784, b="T"),
    Shape(100, 100, 10),
    Shape(100, 100, 10, a="T"),
    Shape(100, 10, 100, b="T"),
    Shape(300, 100, 60),
    Shape(100, 300, 60, a="T"),
    Shape(300, 60, 100, b="T"),
    Shape(100, 250, 250),
    Shape(100, 250, 1),
    Shape(256, 1024, 1024),
    Shape(1024, 256, 1024, a="T"),
    Shape(256, 1024, 1024, b="T"),
    Shape(64, 2048, 2048),
]
TALL = [Shape(2048, 16, 16), Shape(2048, 64, 8), Shape(16, 2048, 16), Shape(16, 16, 2048)]
SHAPES = SQUARES + EDGES + VECTORS + MINIBATCHES + TALL
QUICK = [Shape(100, 784, 100), Shape(9, 64, 49), Shape(96, 257, 96)]
