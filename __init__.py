"""caffe64: a net in a few lines of text, trained on Numba SIMD kernels.

    import caffe64
    net = caffe64.Net("inp 784 100 / lin 100 -2 / rel / lin 10 -2 / sce")
    history = net.fit(X, Y, caffe64.Optimizer(rate=1e-4, step=5, factor=0.1, decay=1e-5, momentum=0.9, epochs=15))
    posteriors = net.predict(X)

Names are imported on first use, so that `import caffe64` costs nothing and `caffe64 --help` starts at once.
"""

from __future__ import annotations

import importlib

__version__ = "0.2.0"

_EXPORTS = {
    "AdaDeltaSolver": "caffe.solver.kinds",
    "AdaGradSolver": "caffe.solver.kinds",
    "AdamSolver": "caffe.solver.kinds",
    "Bundle": "tables.bundle",
    "Caffe64Error": "errors",
    "CaffeNet": "caffe.net",
    "CheckFailed": "errors",
    "Classification": "caffe.classification",
    "Classifier": "caffe.classifier",
    "DataSource": "caffe.data.own",
    "Diverged": "errors",
    "Drawing": "caffe.drawing",
    "EpochRecord": "api",
    "Evaluation": "api",
    "FileMissing": "errors",
    "History": "api",
    "InputError": "errors",
    "Interrupted": "errors",
    "LabelError": "errors",
    "TargetError": "errors",
    "Layer": "caffe.own_layer",
    "LayerBlob": "caffe.own_layer",
    "LayerInfo": "api",
    "MpiGroup": "ranks.group",
    "NesterovSolver": "caffe.solver.kinds",
    "Net": "api",
    "NetSpec": "formats.network",
    "NotFinite": "errors",
    "OneHot": "engine.textnet.one_hot",
    "Optimizer": "formats.optimizer",
    "OutputError": "errors",
    "Passes": "caffe.optimize",
    "Preparation": "caffe.optimize",
    "RMSPropSolver": "caffe.solver.kinds",
    "SGDSolver": "caffe.solver.kinds",
    "Solver": "caffe.solver.public",
    "SolverHistory": "caffe.solver.history",
    "Summary": "caffe.summary",
    "SweepResults": "jobs.sweep",
    "TEST": "caffe.pycaffe_words",
    "TRAIN": "caffe.pycaffe_words",
    "Table": "tables.table",
    "TextSummary": "summaries",
    "Timing": "caffe.timing",
    "Training": "api",
    "UsageError": "errors",
    "classify": "caffe.classification",
    "draw": "caffe.drawing",
    "export_c": "exports",
    "export_onnx": "exports",
    "export_safetensors": "exports",
    "get_solver": "caffe.solver.kinds",
    "hints": "advice",
    "load_caffe": "caffe.load",
    "load_onnx": "caffe.load_onnx",
    "load_safetensors": "caffe.tensors",
    "optimize": "caffe.optimize",
    "read_checkpoint": "formats.checkpoint",
    "read_matrix": "formats.data",
    "read_optimizer": "formats.optimizer",
    "register_layer": "caffe.register_layer",
    "set_device": "caffe.pycaffe",
    "set_mode_cpu": "caffe.pycaffe",
    "set_mode_gpu": "caffe.pycaffe",
    "summary": "summaries",
    "sweep": "jobs.sweep",
    "time": "caffe.timing",
    "verify": "caffe.verify",
    "write_checkpoint": "formats.checkpoint",
    "write_numbers": "formats.numbers",
    "write_optimizer": "formats.optimizer",
}

_MODULES = ("dnn", "io", "kernels", "proto")
_OPTIONAL = ("sklearn",)  # not in __all__: `import *` would need what it needs

__all__ = [*sorted(_EXPORTS), *_MODULES]


def __getattr__(name: str):
    if name in _MODULES or name in _OPTIONAL:
        return importlib.import_module("." + name, __name__)
    if name not in _EXPORTS:
        from .caffe.pycaffe_words import MODULE_HINTS, hint

        raise AttributeError(f"module 'caffe64' has no attribute {name!r}{hint(name, MODULE_HINTS)}")
    value = getattr(importlib.import_module("." + _EXPORTS[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
