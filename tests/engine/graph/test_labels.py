"""Random inputs for nets that read labels."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_graphs import data, graph_of, layer

from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.verification.verify import random_inputs, run_graph

LABEL = data("200", "label")


def scores(classes, name="fc", bottom="data"):
    return layer(name, "InnerProduct", bottom, more=f"inner_product_param {{ num_output: {classes} }}")


def drawn(*layers):
    """The random inputs, with which the graph has run."""
    graph = graph_of(data("200 7"), *layers)
    values = random_inputs(graph, infer_shapes(graph), 0, {})
    run_graph(graph, values)
    return values


@pytest.mark.parametrize("kind", ["Accuracy", "HingeLoss", "SoftmaxWithLoss"])
def test_labels_are_all_the_classes_that_their_reader_has(kind):
    found = drawn(LABEL, scores(5), layer("reader", kind, "fc label"))["label"]
    assert {*found} == {0, 1, 2, 3, 4}


def test_of_two_readers_the_one_with_fewer_classes_counts():
    readers = layer("a", "SoftmaxWithLoss", "few label"), layer("b", "Accuracy", "many label")
    assert {*drawn(LABEL, scores(3, "few"), scores(9, "many"), *readers)["label"]} == {0, 1, 2}


def test_labels_pass_through_layers_that_only_move_them():
    moved = layer("parts", "Slice", "label", "first second"), layer("flat", "Flatten", "first")
    found = drawn(data("200 2", "label"), *moved, scores(4), layer("loss", "SoftmaxWithLoss", "fc flat"))["label"]
    assert {*found.reshape(-1)} == {0, 1, 2, 3}


def test_words_of_an_embedding_are_rows_of_its_table():
    table = "embed_param { input_dim: 6 num_output: 2 }"
    found = drawn(data("200", "words"), layer("table", "Embed", "words", more=table), scores(2))["words"]
    assert {*found} == {0, 1, 2, 3, 4, 5}


def test_other_inputs_are_normally_distributed():
    found = drawn(scores(2))["data"]
    assert abs(found.mean()) < 0.1
    assert np.unique(found).size > 1000


def test_true_boxes_have_images_and_classes():
    inputs = [data("2 24", "offsets"), data("2 18", "scores"), data("1 2 24", "priors"), data("1 1 9 8", "truth")]
    more = "multibox_loss_param { num_classes: 3 }"
    found = drawn(*inputs, layer("loss", "MultiBoxLoss", "offsets scores priors truth", more=more))["truth"]
    assert {*found.reshape(-1)} == {0, 1}
