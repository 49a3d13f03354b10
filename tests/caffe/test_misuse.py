"""Public calls for Caffe nets refuse what they would misuse: the error names the argument."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_graphs import data, graph_of, layer

import caffe64
from caffe64 import Passes, Preparation, UsageError, io
from caffe64.caffe.net import CaffeNet

CONV = "convolution_param { num_output: 4 kernel_size: 3 }"
X = np.zeros((2, 3, 6, 7), np.float32)
NAN, INF = float("nan"), float("inf")


def net():
    return CaffeNet(graph_of(data("2 3 6 7"), layer("c", "Convolution", "data", more=CONV)))


def load(**changed):
    return caffe64.load_caffe(**{"prototxt": "net.prototxt", **changed})


def optimize(**changed):
    return caffe64.optimize(net(), **changed)


def verify(**changed):
    return caffe64.verify(**{"first": net(), "second": net(), **changed})


def onnx(**changed):
    return caffe64.export_onnx(**{"net": net(), "path": "net.onnx", **changed})


CASES = {  # the call -> what its message says
    # preparing
    "three scales for four channels": (lambda: optimize(scale=(1, 2, 3, 4)), "the scale has 4 numbers"),
    "two means": (lambda: optimize(mean=(1, 2)), "the mean has 2 numbers"),
    "a scale of 0": (lambda: optimize(scale=0), "scale is 0, expected a number other than 0"),
    "one scale of 0": (lambda: optimize(scale=(1, 0, 1)), r"scale\[1\] is 0"),
    "no scale": (lambda: optimize(scale=()), "scale is empty"),
    "a scale that is nan": (lambda: optimize(scale=NAN), "scale is nan"),
    "a mean that is inf": (lambda: optimize(mean=(0, INF, 0)), r"mean\[1\] is inf"),
    "a scale of words": (lambda: optimize(scale="0.017"), "scale is '0.017'"),
    "a scale that is true": (lambda: optimize(scale=True), "scale is True"),
    "a complex scale": (lambda: optimize(scale=1j), "scale is 1j"),
    "a mean picture": (lambda: optimize(mean=np.zeros((3, 6, 7))), r"mean has the shape \(3, 6, 7\)"),
    "a scale of a preparation": (lambda: Preparation((), "1"), "scale is '1'"),
    "mean given twice": (
        lambda: optimize(mean=(1, 2, 3), passes=Passes(inputs={"data": Preparation(1)})),
        "mean and scale were given twice",
    ),
    # loading
    "a number to load": (lambda: load(prototxt=0), "the path is 0, expected the name of a file"),
    "a number as a model": (lambda: load(caffemodel=1), "the path is 1"),
    "a phase in small letters": (lambda: load(phase="training"), "phase"),
    "a phase that is true": (lambda: load(phase=True), "phase"),
    "a level of words": (lambda: load(level="1"), "level is '1'"),
    "a stage": (lambda: load(stages="deploy"), "stages is 'deploy', expected a list of names of stages"),
    "deploy of words": (lambda: load(deploy="no"), "deploy is 'no', expected True or False"),
    "a seed below 0": (lambda: load(seed=-1), "seed is -1"),
    "no threads": (lambda: load(threads=0), "threads is 0"),
    "exact of a number": (lambda: load(exact=1), "exact is 1"),
    "a shape of floats": (lambda: load(input_shapes={"data": (1, 3.0, 6, 7)}), "the shape of 'data'"),
    "a shape below 0": (lambda: load(input_shapes={"data": (1, -3, 6, 7)}), "the shape of 'data'"),
    "a shape of words": (lambda: load(input_shapes={"data": "1x3x6x7"}), "the shape of 'data'"),
    # running
    "an unknown input": (lambda: net().forward(image=X), r"inputs \['image'\]"),
    "words as an input": (lambda: net().forward(data="x.npy"), "data"),
    "a ragged input": (lambda: net().forward(data=[[1], [1, 2]]), "data"),
    "a complex input": (lambda: net().forward(data=X * 1j), "data"),
    "one name of blobs": (lambda: net().forward(blobs="c"), "blobs is 'c'"),
    "an unknown layer": (lambda: net().forward(end="d"), "there is no layer 'd'"),
    "backward at first": (lambda: net().backward(), "backward needs a forward before it"),
    "a shape of one": (lambda: net().reshape(data=3), "the shape of 'data'"),
    "sharing with a path": (lambda: net().share_with("net.caffemodel"), "the other net is 'net.caffemodel'"),
    "saving to a number": (lambda: net().save(1), "the path is 1"),
    "both to one file": (lambda: net().save("net.txt", "net.txt"), "cannot both go to"),
    # comparing
    "paths to verify": (lambda: verify(first="a.prototxt"), "first is 'a.prototxt', expected a caffe64.CaffeNet"),
    "a tolerance below 0": (lambda: verify(tolerance=-1), "tolerance is -1"),
    "a tolerance that is nan": (lambda: verify(tolerance=NAN), "tolerance is nan"),
    "a floor of words": (lambda: verify(floor="0"), "floor is '0'"),
    "a net as the reference": (lambda: verify(reference=net()), "reference is"),
    "a list of inputs": (lambda: verify(inputs=[X]), "inputs is of the type list"),
    "a pair as a preparation": (lambda: verify(prepared={"data": (0, 1)}), r"prepared\['data'\]"),
    "a preparation of no input": (lambda: verify(prepared={"x": Preparation(1)}), "prepared has 'x'"),
    # passes, export
    "a path to optimise": (lambda: caffe64.optimize("net.prototxt"), "net is 'net.prototxt'"),
    "a list as passes": (lambda: optimize(passes=["fold_bn"]), "passes is of the type list"),
    "a pass of words": (lambda: Passes(fold_bn="yes"), "fold_bn is 'yes'"),
    "one output": (lambda: Passes(outputs="c"), "outputs is 'c'"),
    "a number to export to": (lambda: onnx(path=1), "the path is 1"),
    "a net's path to export": (lambda: onnx(net="net.prototxt"), "net is 'net.prototxt'"),
    "one output to export": (lambda: onnx(outputs="c"), "outputs is 'c'"),
    "no outputs to export": (lambda: onnx(outputs=[]), "outputs is empty"),
    # pictures
    "a size of one": (lambda: io.resize_image(np.zeros((4, 4, 3)), (5,)), r"new_dims is \[5\]"),
    "a plane to crop": (lambda: io.oversample([np.zeros((4, 4))], (2, 2)), r"images\[0\] has the shape"),
    "colour of words": (lambda: io.load_image("cat.png", color="no"), "color is 'no'"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_misused_argument_is_a_usage_error_that_names_it(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(
        'input: "data" input_shape { dim: 2 dim: 3 dim: 6 dim: 7 }\n'
        f'layer {{ name: "c" type: "Convolution" bottom: "data" top: "c" {CONV} }}\n'
    )
    call, message = CASES[name]
    with pytest.raises(UsageError, match=message):
        call()
    assert [path.name for path in tmp_path.iterdir()] == ["net.prototxt"]


@pytest.mark.parametrize(
    "given", [0.5, (0.5, 2, 4), [0.5, 2, 4], np.float32([0.5, 2, 4]), np.float64(0.5), np.array([0.5, 2.0, 4.0])]
)
def test_every_form_of_one_number_or_one_per_channel_is_taken(given):
    smaller, _ = optimize(scale=given)
    caffe64.verify(net(), smaller, prepared={"data": Preparation(scale=given)})
