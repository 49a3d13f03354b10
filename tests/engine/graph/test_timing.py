"""Nets that are timed side by side."""

from __future__ import annotations

from reference.caffe_graphs import data, graph_of, layer

from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.execution.timing import NetTime, Seconds, alternate, some_inputs


def test_nets_alternate_run_by_run():
    runs = []

    def timing(name, iterations):
        for _ in range(iterations):
            runs.append(name)
            yield
        return NetTime([], Seconds.of([float(iterations)]))

    found = alternate([timing("a", 3), timing("b", 3), timing("c", 1)])
    assert runs == ["a", "b", "c", "a", "b", "a", "b"]
    assert [each.forward.median for each in found] == [3, 3, 1]


def test_inputs_are_numbers_that_the_layers_take():
    graph = graph_of(
        data("6 4", "words"),
        data("6 4", "cont"),
        data("5", "rows"),
        layer("embed", "Embed", "words", None, "embed_param { num_output: 3 input_dim: 9 }"),
        layer("lstm", "LSTM", "embed cont", None, "recurrent_param { num_output: 2 }"),
        layer("picked", "BatchReindex", "lstm rows"),
    )
    found = {blob.name: values for blob, values in some_inputs(graph, infer_shapes(graph)).items()}
    for name, limit in (("words", 9), ("cont", 2), ("rows", 6)):
        assert set(found[name].flat) <= set(range(limit))
    assert len(set(found["words"].flat)) > 4
