"""Caffe's nets with caffe64 itself, by a Plan."""

from __future__ import annotations

import time

import numpy as np

from ... import load_caffe
from ...engine.graph.execution.timing import alternate, time_plan
from ...engine.graph.ir.graph import Graph
from ...engine.graph.ir.op import count
from ...engine.graph.plan import Plan
from . import flat


class Job:
    """For `worker`: `repeats` predictions. `files` without their suffixes, `fuse` as in `Plan`.

    `facts`: the outputs, and bytes of activations: in the plan's arena, and of all blobs.
    """

    def __init__(self, files: str, threads: int, repeats: int, fuse: bool = True):
        graph, x = self.read(files), np.load(f"{files}.npy")
        plan = Plan(graph, {graph.inputs[0].name: x.shape}, threads=threads, fuse=fuse)
        (array,), arrays = plan.inputs.values(), {blob.name: array for blob, array in plan.outputs.items()}

        def run() -> None:
            for _ in range(repeats):
                array[...] = x
                plan.forward()

        self.run = run
        self.run()
        self.facts = {
            "outputs": flat(arrays[name] for name in self.outputs(files, arrays)),
            "arena": plan.bytes.arena,
            "blobs": sum(4 * count(shape) for shape in plan.shapes.values()),
        }

    def read(self, files: str) -> Graph:
        return load_caffe(f"{files}.prototxt", f"{files}.caffemodel").graph

    def outputs(self, files: str, arrays: dict[str, np.ndarray]) -> list[str]:
        return list(arrays)


class LayersJob:
    """For `worker`: `facts` are `layer_times` and `footprint` as in `Entry`, from `runs` predictions."""

    def __init__(self, files: str, threads: int, runs: int):
        graph = load_caffe(f"{files}.prototxt", f"{files}.caffemodel").graph
        plan = Plan(graph, threads=threads)
        (timed,) = alternate([time_plan(plan, runs)])
        weights = sum(4 * array.size for node in graph.nodes for array in node.weights)
        self.facts = {
            "layer_times": [
                {
                    "name": " + ".join((layer.name, *layer.fused)),
                    "how": layer.algorithm or layer.type,
                    "flops": 2.0 * layer.macs,
                    "bytes": layer.bytes,
                    "seconds": layer.forward.min,
                }
                for layer in timed.layers
                if layer.forward.min  # the others do nothing
            ],
            "footprint": plan.bytes.arena + plan.bytes.scratch + weights,
        }


class LoadJob:
    """For `worker`: `facts` are the outputs, the seconds of loading a net and making a Plan of it in this fresh
    process, and those of its first run."""

    def __init__(self, files: str, threads: int):
        x, started = np.load(f"{files}.npy"), time.perf_counter()
        plan = Plan(load_caffe(f"{files}.prototxt", f"{files}.caffemodel").graph, threads=threads)
        loaded = time.perf_counter()
        (array,), (output,) = plan.inputs.values(), plan.outputs.values()
        array[...] = x
        plan.forward()
        first = time.perf_counter() - loaded
        self.facts = {"outputs": output.ravel().tolist(), "seconds": loaded - started, "first": first}
