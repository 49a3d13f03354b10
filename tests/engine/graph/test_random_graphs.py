"""Random nets, optimised: branches, layers in place, shared weights, BatchNorm and Scale in odd places."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import assert_same_outputs, data, graph_of, layer, optimised

from caffe64.engine.graph.build import assign_weights, build_graph, graph_message
from caffe64.engine.graph.optimize import Preparation

CHANNELS = 3  # of all blobs, so that any two can be joined
CONVOLUTION = "num_output: 3 kernel_size: 3 pad: 1"
IN_PLACE = {
    "ReLU": "",
    "BatchNorm": "",
    "Scale": "scale_param { bias_term: true }",
    "Bias": "",
    "Dropout": "",
    "TanH": "",
}
OTHERS = {
    "Convolution": f"convolution_param {{ {CONVOLUTION} }}",
    "Convolution without bias": f"convolution_param {{ {CONVOLUTION} bias_term: false }}",
    "Convolution that shares": f'param {{ name: "w" }} convolution_param {{ {CONVOLUTION} bias_term: false }}',
    "Deconvolution": f"convolution_param {{ {CONVOLUTION} }}",
    "Power": "power_param { scale: 0.5 shift: 0.25 }",
    "Split": "",
    "Eltwise": "",
    "Scale by a blob": "scale_param { axis: 0 }",
    **IN_PLACE,
}
steps = st.lists(
    st.tuples(st.sampled_from(sorted(OTHERS)), st.booleans(), st.integers(0, 1 << 16), st.integers(0, 1 << 16)),
    min_size=1,
    max_size=14,
)


def net_of(chosen):
    """Layers of a net: each step is a layer type, whether it works in place, and which blobs it reads."""
    layers, blobs, read = [], ["data"], set()
    for number, (kind, in_place, first, second) in enumerate(chosen):
        bottom, name, word = blobs[first % len(blobs)], f"l{number}", kind.split(" ")[0]
        if in_place and kind in IN_PLACE and bottom not in read and bottom != "data":
            layers.append(layer(name, word, bottom, bottom, OTHERS[kind]))
            continue
        bottoms = [bottom]
        if kind in ("Eltwise", "Scale by a blob"):
            bottoms.append(blobs[second % len(blobs)])
        tops = f"{name} {name}_2" if kind == "Split" else name
        layers.append(layer(name, word, " ".join(bottoms), tops, OTHERS[kind]))
        read.update(bottoms)
        blobs += tops.split()
    return layers


@settings(max_examples=120, deadline=None)
@given(chosen=steps, mean=st.booleans(), seed=st.integers(0, 99))
def test_outputs_stay_equal(chosen, mean, seed):
    graph = graph_of(data(f"2 {CHANNELS} 4 5"), *net_of(chosen), seed=seed)
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
