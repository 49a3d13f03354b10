"""Other names of `import caffe`: its constructor of a net, and modes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .pycaffe_words import TEST, phase_name

if TYPE_CHECKING:
    from .net import CaffeNet


def open_net(*arguments: Any, **options: Any) -> CaffeNet:
    """Net(prototxt, phase, level=0, stages=None, weights=None), or Net(prototxt, caffemodel, phase), as in pycaffe.

    As there, layers that the model does not have are filled: there is a warning. Raises UsageError for other arguments,
    InputError as `load_caffe`.
    """
    with_weights = len(arguments) > 1 and isinstance(arguments[1], str | os.PathLike)
    names = ("weights", "phase") if with_weights else ("phase", "level", "stages", "weights")
    names = ("network_file", *names)
    given = dict(zip(names, arguments, strict=False))
    unknown = sorted(options.keys() - {"network_file", "phase", "level", "stages", "weights"})
    if len(arguments) > len(names) or given.keys() & options.keys() or unknown or "network_file" not in given | options:
        raise UsageError(
            "a Caffe net is Net(prototxt, caffemodel, phase) or Net(prototxt, phase, weights=caffemodel), with level "
            "and stages, and else load_caffe; a text net is Net(text)"
        )
    return _load(**given, **options)


def _load(
    network_file: str | os.PathLike[str],
    phase: str | int = TEST,
    level: int = 0,
    stages: Sequence[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
) -> CaffeNet:
    from .load import load_caffe

    phase = phase_name(phase)
    return load_caffe(
        network_file, weights, phase=phase, level=level, stages=() if stages is None else stages, fill_missing=True
    )


def set_mode_cpu() -> None:
    """Nothing: nets run on the CPU."""


def set_mode_gpu() -> None:
    """Nothing but a warning that nets run on the CPU."""
    warnings.warn("caffe64 has no GPU mode: nets run on the CPU", stacklevel=2)


def set_device(number: int) -> None:
    """Nothing but a warning that nets run on the CPU."""
    warnings.warn(f"caffe64 has no GPU mode: device {number} is not used, nets run on the CPU", stacklevel=2)
