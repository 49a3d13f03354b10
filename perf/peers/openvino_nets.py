"""Nets in OpenVINO: ONNX models as they are, and Caffe's nets from the models that we export."""

from __future__ import annotations

import numpy as np
import openvino

from . import flat

SETTINGS = {
    "PERFORMANCE_HINT": "LATENCY",
    "NUM_STREAMS": 1,
    "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16 where the CPU has it, which the others do not use
}


class Job:
    """For `worker`: `repeats` predictions. `files` without their suffixes; `facts` hold the outputs."""

    def __init__(self, files: str, threads: int, repeats: int):
        core, x = openvino.Core(), np.load(f"{files}.npy")
        model = core.read_model(f"{files}.onnx")
        model.reshape(x.shape)  # a fixed batch, for which kernels are chosen
        self.compiled = core.compile_model(model, "CPU", {**SETTINGS, "INFERENCE_NUM_THREADS": threads})
        request = self.compiled.create_infer_request()
        self.input = openvino.Tensor(x, shared_memory=True)
        request.set_input_tensor(self.input)

        def run() -> None:
            for _ in range(repeats):
                request.infer()

        self.run = run
        self.run()
        self.facts = {"outputs": flat(request.get_tensor(output).data for output in self.compiled.outputs)}
