"""Backends and targets by OpenCV's numbers, which are accepted and change nothing; hints for names that are missing."""

from __future__ import annotations

DNN_BACKEND_DEFAULT, DNN_BACKEND_HALIDE, DNN_BACKEND_INFERENCE_ENGINE, DNN_BACKEND_OPENCV = 0, 1, 2, 3
DNN_BACKEND_VKCOM, DNN_BACKEND_CUDA, DNN_BACKEND_WEBNN, DNN_BACKEND_TIMVX, DNN_BACKEND_CANN = 4, 5, 6, 7, 8
DNN_TARGET_CPU, DNN_TARGET_OPENCL, DNN_TARGET_OPENCL_FP16, DNN_TARGET_MYRIAD, DNN_TARGET_VULKAN = 0, 1, 2, 3, 4
DNN_TARGET_FPGA, DNN_TARGET_CUDA, DNN_TARGET_CUDA_FP16, DNN_TARGET_HDDL, DNN_TARGET_NPU = 5, 6, 7, 8, 9
DNN_TARGET_CPU_FP16 = 10
SOFT_NMSMETHOD_SOFTNMS_LINEAR = SoftNMSMethod_SOFTNMS_LINEAR = 1
SOFT_NMSMETHOD_SOFTNMS_GAUSSIAN = SoftNMSMethod_SOFTNMS_GAUSSIAN = 2

ON_CPU = (DNN_TARGET_CPU, DNN_TARGET_CPU_FP16)
LAST_BACKEND, LAST_TARGET = DNN_BACKEND_CANN, DNN_TARGET_CPU_FP16

_FORMATS = "Caffe and ONNX models are read; others have to be converted to ONNX"
_MODELS = "use Net, and blobFromImage for its input"
MODULE_HINTS = {
    **dict.fromkeys(
        (
            "readNetFromDarknet",
            "readNetFromModelOptimizer",
            "readNetFromTFLite",
            "readNetFromTensorflow",
            "readNetFromTorch",
            "readTensorFromONNX",
            "readTorchBlob",
        ),
        _FORMATS,
    ),
    **dict.fromkeys(
        (
            "ClassificationModel",
            "DetectionModel",
            "KeypointsModel",
            "Model",
            "SegmentationModel",
            "TextDetectionModel_DB",
            "TextDetectionModel_EAST",
            "TextRecognitionModel",
        ),
        _MODELS,
    ),
    **dict.fromkeys(("Image2BlobParams", "blobFromImageWithParams", "blobFromImagesWithParams"), "use blobFromImage"),
    "NMSBoxesRotated": "boxes are upright in NMSBoxes",
    "shrinkCaffeModel": "caffe64 export writes smaller models",
}
NET_HINTS = {
    **dict.fromkeys(("addLayer", "addLayerToPrev", "connect", "registerOutput"), "the file has the layers of a net"),
    **dict.fromkeys(("dump", "dumpToFile", "dumpToPbtxt"), "caffe64.draw and caffe64 summary show a net"),
    **dict.fromkeys(("quantize", "getInputDetails", "getOutputDetails"), "nets compute in float32"),
    "forwardAsync": "forward",
    "setHalideScheduler": "nets run on caffe64's own kernels",
}


def getAvailableTargets(be: int) -> list[int]:
    """The targets of a backend: the CPU, for each."""
    return [DNN_TARGET_CPU]
