"""The compiled kernels, for NumPy arrays and for `@njit` functions of your own.

    from caffe64 import kernels
    kernels.gemm(a, b, bias, c, False, False, False, -np.inf)

All arrays are float32 and C-contiguous; each kernel's docstring says which it writes.
"""

from .engine.parameters.sgd import sgd_update
from .engine.products.gemm import gemm
from .engine.textnet.layers.bce import bce_loss
from .engine.textnet.layers.bnm import bnm_backward, bnm_forward
from .engine.textnet.layers.drp import drp_backward, drp_forward
from .engine.textnet.layers.hub import hub_loss
from .engine.textnet.layers.l2l import l2l_loss
from .engine.textnet.layers.lin import lin_backward, lin_forward, lin_gradient
from .engine.textnet.layers.lky import lky_backward, lky_forward
from .engine.textnet.layers.rel import rel_backward, rel_forward
from .engine.textnet.layers.sce import sce_loss
from .engine.textnet.layers.sft import sft_loss
from .engine.textnet.layers.sig import sig_backward, sig_forward
from .engine.textnet.layers.smx import smx_backward, smx_forward
from .engine.textnet.layers.tnh import tnh_backward, tnh_forward

__all__ = [
    "bce_loss",
    "bnm_backward",
    "bnm_forward",
    "drp_backward",
    "drp_forward",
    "gemm",
    "hub_loss",
    "l2l_loss",
    "lin_backward",
    "lin_forward",
    "lin_gradient",
    "lky_backward",
    "lky_forward",
    "rel_backward",
    "rel_forward",
    "sce_loss",
    "sft_loss",
    "sgd_update",
    "sig_backward",
    "sig_forward",
    "smx_backward",
    "smx_forward",
    "tnh_backward",
    "tnh_forward",
]
