"""The same work with other libraries, written as each of them recommends.

    numpy_kernels, torch_kernels, jax_kernels    product(...) and layer(...) for the suite `kernels`
    train_*.py                                   a `Job` for `worker`: an epoch of the suite `train`
    *_nets.py                                    a `Job`: predictions of the suite `caffe`
    *_gradients.py                               a `Job`: its gradients
    tables.py                                    `Job`s that read and write number files

Every module but NumPy's is imported only where its library is installed.
"""

from __future__ import annotations

import importlib
from types import ModuleType

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
