"""Nets in ONNX Runtime: ONNX models as they are, and Caffe's nets from the models that we export."""

from __future__ import annotations

import os

import numpy as np
import onnxruntime

from . import flat


class Job:
    """For `worker`: `repeats` predictions. `files` without their suffixes; `facts` hold the outputs."""

    def __init__(self, files: str, threads: int, repeats: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        # Else a second thread spins for 30 ms and more after a run, on a CPU that the next participant needs.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        # Else a thread that is woken shares the starter's CPU for a while: ResNet-18 took 15.3 ms, not 8.2.
        first, *others = sorted(os.sched_getaffinity(0))[:threads]
        if others:
            cpus = ";".join(str(cpu + 1) for cpu in others)  # counted from 1
            options.add_session_config_entry("session.intra_op_thread_affinities", cpus)
        session = onnxruntime.InferenceSession(f"{files}.onnx", options, providers=["CPUExecutionProvider"])
        os.sched_setaffinity(0, {first})
        inputs = {session.get_inputs()[0].name: np.load(f"{files}.npy")}

        def run() -> None:
            for _ in range(repeats):
                self.outputs = session.run(None, inputs)

        self.run = run
        self.run()
        self.facts = {"outputs": flat(self.outputs)}
