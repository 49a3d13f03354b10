"""The names of OpenCV 4's `cv2.dnn` that programs with Caffe models use.

    import caffe64.dnn as dnn          # in place of cv2.dnn
    net = dnn.readNetFromCaffe("deploy.prototxt", "net.caffemodel")
    net.setInput(dnn.blobFromImage(image, 1.0, (300, 300), (104, 177, 123)))
    detections = net.forward()

blobs.py          pictures -> the input of a net, and back
resizing.py       OpenCV's linear interpolation
boxes.py          non-maximum suppression
reading.py        readNet and its kin;  caffe_files.py: files of Caffe -> a graph
net.py            Net;  calls.py: arguments of its methods;  results.py: detections as OpenCV returns them
layers.py         Layer, and the layers of a graph by number
running.py        the part of a graph that gives some layers
cost.py           shapes, operations and bytes of layers
constants.py      backends and targets, by OpenCV's numbers

OpenCV is not needed. Errors are those of `caffe64.errors`, not `cv2.error`. What runs nets is imported with the first
net.
"""

import importlib
from typing import TYPE_CHECKING

from .blobs import blobFromImage, blobFromImages, imagesFromBlob
from .boxes import NMSBoxes, NMSBoxesBatched, softNMSBoxes
from .constants import (
    DNN_BACKEND_CANN,
    DNN_BACKEND_CUDA,
    DNN_BACKEND_DEFAULT,
    DNN_BACKEND_HALIDE,
    DNN_BACKEND_INFERENCE_ENGINE,
    DNN_BACKEND_OPENCV,
    DNN_BACKEND_TIMVX,
    DNN_BACKEND_VKCOM,
    DNN_BACKEND_WEBNN,
    DNN_TARGET_CPU,
    DNN_TARGET_CPU_FP16,
    DNN_TARGET_CUDA,
    DNN_TARGET_CUDA_FP16,
    DNN_TARGET_FPGA,
    DNN_TARGET_HDDL,
    DNN_TARGET_MYRIAD,
    DNN_TARGET_NPU,
    DNN_TARGET_OPENCL,
    DNN_TARGET_OPENCL_FP16,
    DNN_TARGET_VULKAN,
    MODULE_HINTS,
    SOFT_NMSMETHOD_SOFTNMS_GAUSSIAN,
    SOFT_NMSMETHOD_SOFTNMS_LINEAR,
    SoftNMSMethod_SOFTNMS_GAUSSIAN,
    SoftNMSMethod_SOFTNMS_LINEAR,
    getAvailableTargets,
)
from .reading import readNet, readNetFromCaffe, readNetFromONNX

__all__ = [
    "DNN_BACKEND_CANN",
    "DNN_BACKEND_CUDA",
    "DNN_BACKEND_DEFAULT",
    "DNN_BACKEND_HALIDE",
    "DNN_BACKEND_INFERENCE_ENGINE",
    "DNN_BACKEND_OPENCV",
    "DNN_BACKEND_TIMVX",
    "DNN_BACKEND_VKCOM",
    "DNN_BACKEND_WEBNN",
    "DNN_TARGET_CPU",
    "DNN_TARGET_CPU_FP16",
    "DNN_TARGET_CUDA",
    "DNN_TARGET_CUDA_FP16",
    "DNN_TARGET_FPGA",
    "DNN_TARGET_HDDL",
    "DNN_TARGET_MYRIAD",
    "DNN_TARGET_NPU",
    "DNN_TARGET_OPENCL",
    "DNN_TARGET_OPENCL_FP16",
    "DNN_TARGET_VULKAN",
    "SOFT_NMSMETHOD_SOFTNMS_GAUSSIAN",
    "SOFT_NMSMETHOD_SOFTNMS_LINEAR",
    "Layer",
    "NMSBoxes",
    "NMSBoxesBatched",
    "Net",
    "SoftNMSMethod_SOFTNMS_GAUSSIAN",
    "SoftNMSMethod_SOFTNMS_LINEAR",
    "blobFromImage",
    "blobFromImages",
    "getAvailableTargets",
    "imagesFromBlob",
    "readNet",
    "readNetFromCaffe",
    "readNetFromONNX",
    "softNMSBoxes",
]

_LATER = {"Layer": ("layers", "DnnLayer"), "Net": ("net", "DnnNet")}

if TYPE_CHECKING:
    from .layers import DnnLayer as Layer
    from .net import DnnNet as Net
else:

    def __getattr__(name: str):
        if name not in _LATER:
            what = f" as cv2.dnn has: {MODULE_HINTS[name]}" if name in MODULE_HINTS else ""
            raise AttributeError(f"module 'caffe64.dnn' has no attribute {name!r}{what}")
        module, inner = _LATER[name]
        globals()[name] = value = getattr(importlib.import_module("." + module, __name__), inner)
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
