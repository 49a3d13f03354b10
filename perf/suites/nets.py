"""The nets of the suite `train`, with the data and the initial parameters that all participants start from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

RATE, DECAY, MOMENTUM = 0.05, 1e-4, 0.9
CHECKED = 5, 3  # minibatches of the verified run, and passes over them


@dataclass(frozen=True)
class NetCase:
    """`widths` from input to output, ReLU between them; "sce", or "l2l" after a tanh. `goals` are peer times over
    ours that the project wants to reach."""

    name: str
    widths: tuple[int, ...]
    minibatch: int
    rows: int
    loss: str = "sce"
    goals: dict[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The net as `caffe64.Net` takes it."""
        hidden = " / rel / ".join(f"lin {width} -2" for width in self.widths[1:])
        cap = "sce" if self.loss == "sce" else "tnh / l2l"
        return f"inp {self.widths[0]} {self.minibatch} / {hidden} / {cap}"

    @property
    def flops(self) -> float:
        """Of an epoch: three products per layer, but the first one's input needs no gradient."""
        sizes = [inputs * outputs for inputs, outputs in zip(self.widths, self.widths[1:], strict=False)]
        return 2.0 * self.rows * (3 * sum(sizes) - sizes[0])

    def data(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """The first `rows` rows: X float32 [rows, F], and Y: classes int64 [rows], or targets float32 [rows, K]."""
        random = np.random.default_rng(1)
        X = random.standard_normal((rows, self.widths[0]), np.float32)
        if self.loss == "sce":
            return X, random.integers(0, self.widths[-1], rows)
        return X, random.uniform(-0.9, 0.9, (rows, self.widths[-1])).astype(np.float32)

    def parameters(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weights [F, K] and biases [K] of each layer, float32."""
        random = np.random.default_rng(2)
        return [
            (random.standard_normal((F, K), np.float32) * np.float32(F**-0.5), np.zeros(K, np.float32))
            for F, K in zip(self.widths, self.widths[1:], strict=False)
        ]

    def batches(self, order: np.ndarray) -> np.ndarray:
        """The row numbers `order` as [steps, minibatch]; a last incomplete minibatch is left out."""
        steps = len(order) // self.minibatch
        return order[: steps * self.minibatch].reshape(steps, self.minibatch)


NETS = {
    case.name: case
    for case in (
        NetCase("network5", (784, 100, 10), 100, 60000, goals={"JAX": 1.6, "PyTorch": 3.5}),
        NetCase("rank", (100, 100, 60, 60, 60, 60, 10), 300, 30000, goals={"JAX": 1.3}),
        NetCase("image", (2, 250, 250, 1), 100, 20000, "l2l", goals={"JAX": 1.3}),
        NetCase("large", (1024, 1024, 1024, 10), 256, 5120, goals={"JAX": 1.3}),
    )
}
