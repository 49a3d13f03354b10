"""What tests of plans run in processes of their own; a module, so that a process that was spawned finds it."""

from __future__ import annotations

from multiprocessing import get_context

import numpy as np
from reference.caffe_graphs import data, graph_of
from reference.plans import draw_inputs, run_plan
from reference.random_nets import net_of

from caffe64.engine.graph.plan import Plan

CHANNELS = 32  # Winograd's algorithm is taken
KINDS = ("Convolution", "ReLU", "Convolution, depthwise", "Eltwise", "Convolution, 1x1", "LRN", "TanH", "Pooling")
PATIENCE = 60  # seconds for a result that takes some milliseconds
inherited = []  # plans that a forked process finds


def in_process(method, work, *arguments):
    """work(*arguments) in a process started by `method`, which is ended if it takes too long."""
    receiver, sender = get_context(method).Pipe(duplex=False)
    process = get_context(method).Process(target=send_result, args=(sender, work, arguments))
    process.start()
    try:
        assert receiver.poll(PATIENCE), "no result"
        return receiver.recv()
    finally:
        process.kill()
        process.join()


def send_result(sender, work, arguments):
    sender.send(work(*arguments))


def several_kinds():
    """A graph of all kinds of steps, one of which is done between them by its layer."""
    chosen = [(kind, False, number, 0) for number, kind in enumerate(KINDS)]
    return graph_of(data(f"3 {CHANNELS} 13 11"), *net_of(chosen, CHANNELS))


def results(plan, times=1):
    """The bytes of the outputs of some runs, which must all be the same."""
    inputs = draw_inputs(plan.graph)
    runs = {
        b"".join(np.ascontiguousarray(each).tobytes() for each in run_plan(plan, inputs).values()) for _ in range(times)
    }
    (found,) = runs
    return found


def new_results(threads):
    return results(Plan(several_kinds(), threads=threads))


def inherited_results():
    return [results(plan) for plan in inherited]
