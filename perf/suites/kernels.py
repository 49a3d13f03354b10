"""Suite `kernels`: 60 matrix products and the public layer kernels, one thread, called from Python as by users."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ... import kernels
from ...errors import CheckFailed
from .. import peers
from ..machine import confined
from ..peak import Fma, Read
from ..processes import ask
from ..results import Entry, peer_times
from ..sampling import interleave, paired, summary
from . import Report, Settings
from .layer_cases import LAYERS, cases, product
from .shapes import QUICK, SHAPES, Shape

NO_BIAS, NO_BOUND = np.zeros(0, np.float32), np.float32(-np.inf)


@dataclass(frozen=True)
class Case:
    """One timed call, whose results were checked before. `bytes` are moved, `footprint` is the size of its arrays."""

    name: str
    flops: float
    bytes: float
    footprint: int
    ours: Callable[[], object]
    peers: dict[str, Callable[[], object]]


def run(settings: Settings, report: Report) -> list[Entry]:
    """Verify and time every kernel."""
    entries = []
    with confined(1):
        modules = peers.kernel_peers(settings.peers)
        fma = Fma()
        for case in all_cases(QUICK if settings.quick else SHAPES, settings.quick, modules):
            entries.append(measure(case, fma, settings))
            report(entries[-1])
    return entries


def all_cases(shapes: Sequence[Shape], quick: bool, modules: dict) -> Iterator[Case]:
    """The cases, one at a time, as the arguments of some are large."""
    for shape in shapes:
        yield product_case(shape, modules)
    for name, sizes in cases(quick):
        yield layer_case(name, sizes, modules)


def product_case(shape: Shape, modules: dict) -> Case:
    """A verified matrix product. Raises CheckFailed."""
    random = np.random.default_rng(0)
    a = random.standard_normal((shape.K, shape.M) if shape.a == "T" else (shape.M, shape.K), np.float32)
    b = random.standard_normal((shape.N, shape.K) if shape.b == "T" else (shape.K, shape.N), np.float32)
    left, right = a.T if shape.a == "T" else a, b.T if shape.b == "T" else b
    c, scratch = np.full((shape.M, shape.N), np.nan, np.float32), np.empty((shape.M, shape.N), np.float32)
    arguments = (a, b, NO_BIAS, c, shape.a == "T", shape.b == "T", False, NO_BOUND)
    kernels.gemm(*arguments)
    verify(shape.name, [c], [product(left.astype(np.float64), right.astype(np.float64))])
    others = {name: module.product(left, right, scratch) for name, module in modules.items()}
    return Case(
        shape.name, shape.flops, shape.bytes, a.nbytes + b.nbytes + c.nbytes, lambda: kernels.gemm(*arguments), others
    )


def layer_case(name: str, sizes: tuple[int, ...], modules: dict) -> Case:
    """A verified layer kernel. Raises CheckFailed."""
    layer, kernel = LAYERS[name], getattr(kernels, name)
    arguments = layer.make(np.random.default_rng(0), *sizes)
    written = [] if layer.in_place else layer.outputs
    inputs = [np.array(value, np.float64) for index, value in enumerate(arguments) if index not in written]
    kernel(*arguments)
    title = f"{name} {'x'.join(map(str, sizes))}"
    verify(title, [arguments[index] for index in layer.outputs], layer.expected(*inputs))
    flops, moved, footprint = layer.work(arguments, sizes)
    others = {peer: module.layer(name, arguments) for peer, module in modules.items()}
    return Case(title, flops, moved, footprint, lambda: kernel(*arguments), others)


def verify(name: str, found: Sequence[np.ndarray], expected: Sequence[tuple]) -> None:
    """Raises CheckFailed where a value of `found` is further from its expected one than the tolerance."""
    for values, (wanted, tolerance) in zip(found, expected, strict=True):
        error = np.abs(values - wanted)
        if not (error <= tolerance).all():  # also where there is a NaN
            excess = np.nan_to_num(error - tolerance, nan=np.inf)
            at = np.unravel_index(excess.argmax(), excess.shape)
            where = ", ".join(map(str, at))
            raise CheckFailed(f"{name}: [{where}] is {values[at]}, expected {wanted[at]}; nothing was timed")


def measure(case: Case, fma: Fma, settings: Settings) -> Entry:
    """Time a case alternating with its peers and with both limits of the roofline: arithmetic, and reading as many
    bytes as it moves from a buffer as large as its arrays."""
    memory = Read(case.footprint)
    times = interleave({"": case.ours, **case.peers, "fma": fma.call, "memory": memory.call}, settings.effort)
    ours, arithmetic, reading = times.pop(""), times.pop("fma"), times.pop("memory")
    by_arithmetic = [case.flops / fma.work * seconds for seconds in arithmetic]
    by_memory = [case.bytes / memory.work * seconds for seconds in reading]
    attainable = [max(pair) for pair in zip(by_arithmetic, by_memory, strict=True)]
    computes = sum(by_arithmetic) >= sum(by_memory)
    work, unit = (case.flops, "GFLOP/s") if computes else (case.bytes, "GB/s")
    seconds = summary(ours)
    return Entry(
        suite="kernels",
        name=case.name,
        threads=1,
        seconds=seconds,
        rate=work / seconds["min"] / 1e9,
        unit=unit,
        relative=paired(attainable, ours),
        yardstick="FMA" if computes else "memory",
        flops=case.flops,
        bytes=case.bytes,
        peers=peer_times(ours, times),
    )


def compile_times(quick: bool) -> dict[str, dict[str, float]]:
    """Seconds to compile each public kernel in a process with an empty cache, and of its first call after that."""
    with tempfile.TemporaryDirectory() as empty:
        job = f"{__name__}:CompileJob"
        return ask(job, 1, {"names": ["rel_forward"] if quick else ["gemm", *LAYERS]}, {"NUMBA_CACHE_DIR": empty})


class CompileJob:
    """For `worker`: `facts` are the results of `compile_times`."""

    def __init__(self, names: list[str]):
        self.facts = {}
        for name in names:
            kernel = getattr(kernels, name)
            kernel.compile()
            sizes = (100, 784, 100) if name.startswith("lin_") else (100, 100)
            arguments = LAYERS[name].make(np.random.default_rng(0), *sizes) if name in LAYERS else _gemm_arguments()
            started = time.perf_counter()
            kernel(*arguments)
            self.facts[name] = {"compile": kernel.compile_seconds, "first call": time.perf_counter() - started}


def _gemm_arguments() -> tuple:
    a = np.ones((100, 100), np.float32)
    return a, a, NO_BIAS, np.empty_like(a), False, False, False, NO_BOUND
