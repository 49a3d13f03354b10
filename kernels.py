"""The compiled kernels, for NumPy arrays and for `@njit` functions of your own.

    from caffe64 import kernels
    kernels.gemm(a, b, bias, c, False, False, False, -np.inf)

All arrays are float32 and C-contiguous; each kernel's docstring says which it writes.
"""

from .engine.gemm import gemm
from .engine.layers.l2l import l2l_loss
from .engine.layers.lin import lin_backward, lin_forward, lin_gradient
from .engine.layers.rel import rel_backward, rel_forward
from .engine.layers.sce import sce_loss
from .engine.layers.smx import smx_backward, smx_forward
from .engine.layers.tnh import tnh_backward, tnh_forward
from .engine.sgd import sgd_update

__all__ = [
    "gemm",
    "l2l_loss",
    "lin_backward",
    "lin_forward",
    "lin_gradient",
    "rel_backward",
    "rel_forward",
    "sce_loss",
    "sgd_update",
    "smx_backward",
    "smx_forward",
    "tnh_backward",
    "tnh_forward",
]
