"""caffe64: a net in a few lines of text, trained on Numba SIMD kernels.

    import caffe64
    net = caffe64.Net("inp 784 100 / lin 100 -2 / rel / lin 10 -2 / sce")
    history = net.fit(X, Y, caffe64.Optimizer(rate=1e-4, step=5, factor=0.1, decay=1e-5, momentum=0.9, epochs=15))
    posteriors = net.predict(X)

Names are imported on first use, so that `import caffe64` costs nothing and `caffe64 --help` starts at once.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_EXPORTS = {
    "Caffe64Error": "errors",
    "CaffeNet": "caffe.net",
    "Classifier": "caffe.classifier",
    "Diverged": "errors",
    "EpochRecord": "api",
    "Evaluation": "api",
    "History": "api",
    "InputError": "errors",
    "Interrupted": "errors",
    "LabelError": "errors",
    "LayerInfo": "api",
    "Passes": "caffe.load",
    "Preparation": "caffe.load",
    "Net": "api",
    "NetSpec": "formats.network",
    "NotFinite": "errors",
    "OneHot": "engine.textnet.one_hot",
    "Optimizer": "formats.optimizer",
    "TEST": "caffe.pycaffe_words",
    "TRAIN": "caffe.pycaffe_words",
    "Training": "api",
    "UsageError": "errors",
    "export_onnx": "caffe.export",
    "export_safetensors": "caffe.export",
    "load_caffe": "caffe.load",
    "optimize": "caffe.load",
    "read_checkpoint": "formats.checkpoint",
    "read_matrix": "formats.data",
    "read_optimizer": "formats.optimizer",
    "set_device": "caffe.pycaffe",
    "set_mode_cpu": "caffe.pycaffe",
    "set_mode_gpu": "caffe.pycaffe",
    "verify": "caffe.load",
    "write_checkpoint": "formats.checkpoint",
    "write_numbers": "formats.numbers",
    "write_optimizer": "formats.optimizer",
}

_MODULES = ("io", "kernels", "proto")

__all__ = [*sorted(_EXPORTS), *_MODULES]


def __getattr__(name: str):
    if name in _MODULES:
        return importlib.import_module("." + name, __name__)
    if name not in _EXPORTS:
        from .caffe.pycaffe_words import MODULE_HINTS, hint

        raise AttributeError(f"module 'caffe64' has no attribute {name!r}{hint(name, MODULE_HINTS)}")
    value = getattr(importlib.import_module("." + _EXPORTS[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
