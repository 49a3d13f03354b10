"""`verify(first, second)`: whether two nets give the same outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..arguments import FLOOR, TOLERANCE, by_name, flag, instance, not_negative
from ..conversion import ArrayLike, as_numbers
from ..engine.compiler.support import obstacle, require_kernels
from ..engine.graph.passes.preparation import Preparation
from ..engine.graph.verification.difference import Difference, check_close
from ..engine.graph.verification.verify import compare_graphs, input_rounding, random_inputs
from ..errors import UsageError
from .exported import ExportedSide
from .net import NET, CaffeNet
from .sides import verify_sides

__all__ = ["Difference", "verify"]


def verify(
    first: CaffeNet,
    second: CaffeNet,
    inputs: Mapping[str, ArrayLike] | None = None,
    *,
    prepared: Mapping[str, Preparation] | None = None,
    tolerance: float = TOLERANCE,
    floor: float = FLOOR,
    seed: int = 0,
    reference: bool = False,
) -> list[Difference]:
    """Run both on the same inputs, random ones if none are given, and compare all outputs.

    The first net is run by the reference, plain code layer by layer; the second as in `forward`, with `exact`; thus the
    executor is verified too. With `reference` both nets are run by the reference: where they agree there
    and differ otherwise, caffe64 runs the second one wrongly.

    Where kernels do not run, both nets run in onnxruntime, as ONNX models, and the scale of an output is its largest
    value.

    `prepared`: preparations of inputs that are part of the second net. A value may differ by `floor` + `tolerance` *
    scale. The scale is that of its channel: the largest value there, or, where large sums cancel, a quarter of the
    movement of its values, over the size of the change, when all values within the first net are changed a little at
    random. Raises CheckFailed where one differs by more, with how far one ulp of the inputs moves the first net, or is
    not finite although all inputs are; UsageError, also for what is missing where kernels do not run.
    """
    tolerance, floor = not_negative("tolerance", tolerance), not_negative("floor", floor)
    flag("reference", reference)
    for name, net in (("first", first), ("second", second)):
        instance(name, net, CaffeNet, NET)
    prepared = by_name("prepared", {} if prepared is None else prepared, "Preparations by the names of inputs")
    for name, preparation in prepared.items():
        instance(f"prepared[{name!r}]", preparation, Preparation, "a caffe64.Preparation")
        if name not in first.inputs:
            raise UsageError(
                f"prepared has {name!r}, which is not an input of the net: expected {' or '.join(first.inputs)}"
            )
    if inputs is None:
        inputs = random_inputs(first.graph, first.shapes, seed, prepared)
    given = by_name("inputs", inputs, "arrays by the names of inputs")
    arrays = {name: as_numbers(values, name) for name, values in given.items()}
    if obstacle():
        if reference:
            require_kernels("reference=True")
        sides = ExportedSide(first), ExportedSide(second)
        return verify_sides(*sides, arrays, prepared=prepared, tolerance=tolerance, floor=floor, seed=seed)
    differences = compare_graphs(first.graph, second.graph, arrays, prepared, floor=floor, reference=reference)

    def rounding(wrong: Sequence[Difference]) -> str:
        return input_rounding(wrong, first.graph, second.graph, arrays, prepared, floor=floor)

    check_close(differences, tolerance, floor, "the nets differ", rounding)
    return differences
