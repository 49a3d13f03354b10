"""Random nets, optimised."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import assert_same_outputs, data, graph_of, optimised
from reference.random_nets import ENDS, OTHERS, net_of, steps

from caffe64.engine.graph.frontends.caffe.build import build_graph
from caffe64.engine.graph.frontends.caffe.write import graph_message
from caffe64.engine.graph.ir.ownership import assign_weights
from caffe64.engine.graph.passes.preparation import Preparation


@settings(max_examples=120)
@given(chosen=steps({**OTHERS, **ENDS}), mean=st.booleans(), seed=st.integers(0, 99))
def test_outputs_stay_equal(chosen, mean, seed):
    graph = graph_of(data("2 3 4 5"), *net_of(chosen), seed=seed)
    prepared = {"data": Preparation((10.0, 20.0, 30.0), 0.05)} if mean else None
    smaller, _ = optimised(graph, prepared=prepared, tolerance=1e-4)
    assert len(smaller.nodes) <= len(graph.nodes) + 1
    message = graph_message(smaller)
    written = build_graph(message)
    assert graph_message(written) == message
    assign_weights(written, [node.weights for node in smaller.nodes])
    assert_same_outputs(graph, written, prepared, tolerance=1e-4)
    assert [blob.name for blob in smaller.outputs] == [blob.name for blob in graph.outputs]
    for node in smaller.nodes:
        assert all(np.isfinite(blob).all() for blob in node.weights)
