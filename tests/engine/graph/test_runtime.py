"""What a graph asks of its inputs before it runs."""

from __future__ import annotations

import pytest
from reference.caffe_graphs import conv, data, graph_of, layer
from reference.executor import Executor

from caffe64.errors import InputError


def test_inputs_that_need_other_weights_are_refused():
    """Kernels would read behind the weights."""
    graph = graph_of(data("2 3 7 6"), conv("c1", "data"))
    with pytest.raises(InputError, match=r"layer 'c1' .* weights \[4, 3, 3, 3\], expected \[4, 5, 3, 3\]"):
        Executor(graph, {"data": (2, 5, 7, 6)})
    assert Executor(graph, {"data": (5, 3, 9, 8)}).shapes[graph.outputs[0]] == (5, 4, 7, 6)


def test_a_layer_with_one_blob_too_few_is_refused():
    graph = graph_of(data("2 3"), layer("ip", "InnerProduct", "data", more="inner_product_param { num_output: 2 }"))
    graph.nodes[-1].weights.pop()
    with pytest.raises(InputError, match=r"layer 'ip' .* has weights \[2, 3\], expected \[2, 3\] \[2\]"):
        Executor(graph)
