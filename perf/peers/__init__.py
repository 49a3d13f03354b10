"""The same work with other libraries, written as each of them recommends.

    numpy_kernels, torch_kernels, jax_kernels    product(...) and layer(...) for the suite `kernels`
    train_*.py                                   a `Job` for `worker`: an epoch of the suite `train`
    *_nets.py                                    a `Job`: predictions of the suite `caffe`
    *_onnx.py, onnx_nets.py, openvino_nets.py    a `Job`: predictions of the suite `onnx`
    *_gradients.py                               a `Job`: its gradients
    *_solver.py                                  a `Job`: iterations of the suite `solve`
    tables.py                                    `Job`s that read and write number files

Every module but NumPy's is imported only where its library is installed.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from types import ModuleType

import numpy as np

from ..machine import is_installed

ARRAYS = {"NumPy": "numpy", "PyTorch": "torch", "JAX": "jax"}


def kernel_peers(wanted: bool) -> dict[str, ModuleType]:
    """The `*_kernels` modules of the libraries that are installed; none if not `wanted`."""
    if not wanted:
        return {}
    return {
        name: importlib.import_module(f".{package}_kernels", __name__)
        for name, package in ARRAYS.items()
        if is_installed(package)
    }


def flat(outputs: Iterable[np.ndarray]) -> list[float]:
    """The values of a net's outputs, one after the other."""
    return np.concatenate([output.ravel() for output in outputs]).tolist()


def output_names(files: str) -> list[str]:
    """The outputs of `files`.onnx, in its order."""
    import onnx

    return [output.name for output in onnx.load(f"{files}.onnx").graph.output]
