"""The words of pycaffe: phases, and hints for missing ones."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import UsageError

TRAIN, TEST = 0, 1
PHASES = ("TRAIN", "TEST")

_LOG = "there is no log: what is to say is in net.notices"
_SPEC = "write the net as a .prototxt"
_MANY = "one process runs one net on as many threads as pay off, see load_caffe(threads=)"
MODULE_HINTS = {
    **dict.fromkeys(("init_log", "log"), _LOG),
    **dict.fromkeys(("layers", "params", "to_proto", "net_spec"), _SPEC),
    **dict.fromkeys(("NCCL", "has_nccl", "solver_count", "set_solver_count", "set_multiprocess"), _MANY),
    "Detector": "cut the windows out with NumPy, and run them with net.forward_all",
    "Timer": "time.perf_counter, or caffe64.time",
    "layer_type_list": "caffe64 summary says which layers of a net are not known",
    "set_random_seed": "load_caffe(..., seed=)",
}
NET_HINTS = {
    **dict.fromkeys(
        ("before_forward", "after_forward", "before_backward", "after_backward"),
        "run some layers with forward(start=..., end=...), and look in between",
    ),
    **dict.fromkeys(("_forward", "_backward"), "forward and backward take the names of layers as start and end"),
    **dict.fromkeys(("_blobs", "_inputs", "_outputs"), "blobs, inputs and outputs hold them by name"),
    **dict.fromkeys(("_top_ids", "_bottom_ids"), "top_names and bottom_names hold the names"),
    "forward_backward_all": "call forward and backward for each batch",
    "save_hdf5": "save writes a .caffemodel",
    "load_hdf5": "copy_from reads weights",
    "_batch": "forward_all runs batches",
    "_set_input_arrays": "set_input_arrays",
}
SOLVER_HINTS = {
    "share_weights": "other.share_with(solver.net) gives another net the weights of the solver's",
}


def hint(name: str, hints: Mapping[str, str]) -> str:
    """What to do instead of a name of pycaffe, to end a message; nothing for other names."""
    return f" as pycaffe has: {hints[name]}" if name in hints else ""


def phase_name(phase: str | int) -> str:
    """TRAIN or TEST as a word. Raises UsageError for anything else."""
    if isinstance(phase, str) and phase in PHASES:
        return phase
    if not isinstance(phase, int) or isinstance(phase, bool) or phase not in (TRAIN, TEST):
        raise UsageError(f"the phase is {phase!r}, expected caffe64.TRAIN or caffe64.TEST")
    return PHASES[phase]
