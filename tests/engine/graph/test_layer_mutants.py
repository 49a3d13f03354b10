"""Every layer type of Caffe files: an example runs and is written as it was read; mutants run or are refused."""

from __future__ import annotations

import numpy as np
import pytest
from reference.child import run_json
from reference.layer_examples import EXAMPLES, PICTURE, Example, example_net

import caffe64
from caffe64.engine.graph.ops import caffe_types

KINDS = [(kind, number) for kind, examples in EXAMPLES.items() for number in range(len(examples))]
WITHOUT_SHAPES = {"HDF5Data": {"y0": (2, 3), "y1": (2,)}}
CHILD = """
import json, sys
from reference.layer_mutants import run
print(json.dumps(run(int(sys.argv[1]), int(sys.argv[2]))))
"""


def test_each_type_has_an_example():
    assert sorted(EXAMPLES) == sorted(caffe_types())


@pytest.mark.parametrize(("kind", "number"), KINDS)
def test_an_example_runs_and_is_written_as_it_was_read(kind, number, tmp_path):
    text, paths = example_net(kind, EXAMPLES[kind][number]), (tmp_path / "net.prototxt", tmp_path / "net.caffemodel")
    net = caffe64.load_caffe(text.encode(), input_shapes=WITHOUT_SHAPES.get(kind))
    net.forward()
    net.save(*paths)
    again = caffe64.load_caffe(*paths, input_shapes=WITHOUT_SHAPES.get(kind))
    before, after = net.graph.nodes[-1], again.graph.nodes[-1]
    assert (after.type, after.attributes) == (before.type, before.attributes)
    assert [blob.shape for blob in after.weights] == [blob.shape for blob in before.weights]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("Log", "log_param { base: 2 scale: 3e38 }"),
        ("Power", "power_param { power: 3e38 scale: 2 }"),
        ("Scale", "scale_param { filler { value: inf } bias_term: true bias_filler { value: -inf } }"),
        ("Threshold", "threshold_param { threshold: nan }"),
    ],
)
def test_of_numbers_that_overflow_nothing_is_said(kind, parameters):
    net = caffe64.load_caffe(example_net(kind, Example((PICTURE,), parameters)).encode(), force_backward=kind == "Log")
    smaller, _ = caffe64.optimize(net)
    for each in (net, smaller):
        each.forward(x0=np.zeros((2, 6, 8, 8)))
    if kind == "Log":
        net.backward(y0=np.ones((2, 6, 8, 8)))


@pytest.mark.parametrize("seed", [1])
def test_mutants_run_or_are_refused_in_a_line(seed):
    """In a process of their own, as a fault of a kernel would end this one."""
    ends = run_json(CHILD, 600, seed)
    assert ends["run"] > 200
    assert ends["refused"] > 200
