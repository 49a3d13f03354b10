"""What became of the layers of a net."""

from __future__ import annotations

from caffe64.drawing.compare import compare_nets
from caffe64.drawing.net import DrawnLayer, DrawnNet


def net(*layers: DrawnLayer) -> DrawnNet:
    return DrawnNet("net", layers)


CONV = DrawnLayer(
    "conv", "Convolution", (0,), parameters=(("num_output", "8"), ("bias_term", "false")), weights=((8, 3, 3, 3),)
)
BEFORE = net(
    DrawnLayer("data", "Input"),
    CONV,
    DrawnLayer("bn", "BatchNorm", (1,)),
    DrawnLayer("scale", "Scale", (2,)),
    DrawnLayer("relu", "ReLU", (3,)),
    DrawnLayer("drop", "Dropout", (4,)),
    DrawnLayer("lone", "Scale", (5,)),
    DrawnLayer("old", "Softmax", (6,)),
)
BIASED = DrawnLayer("conv", "Convolution", (0,), parameters=(("num_output", "8"),), weights=((8, 3, 3, 3), (8,)))
AFTER = net(
    DrawnLayer("data", "Input"),
    BIASED,
    DrawnLayer("relu", "ReLU", (1,)),
    DrawnLayer("flat", "Flatten", (2,)),
    DrawnLayer("new", "Softmax", (3,)),
)


def test_each_layer_has_its_fate():
    old, new = compare_nets(BEFORE, AFTER)
    assert [fate.mark for fate in old] == ["", "changed", "folded", "folded", "", "removed", "removed", "renamed"]
    assert [fate.twin for fate in old] == [0, 1, 1, 1, 2, -1, -1, 4]
    assert [fate.mark for fate in new] == ["", "changed", "", "added", "renamed"]
    assert [fate.twin for fate in new] == [0, 1, 4, -1, 7]


def test_the_texts_say_what_changed_from_before_to_after_in_both():
    old, new = compare_nets(BEFORE, AFTER)
    changed = "bias_term false → unset; weights 8×3×3×3 → 8×3×3×3, 8"
    assert old[1].text == changed
    assert old[1].brief == "changed: bias_term, weights"
    assert new[1].text == f"took bn, scale; {changed}"
    assert new[1].brief == "took bn, scale"
    assert [old[2].brief, old[7].brief, new[4].brief] == ["folded into conv", "renamed: is now new", "renamed: was old"]


def test_a_batchnorm_before_a_convolution_went_into_that():
    before = net(
        DrawnLayer("data", "Input"), DrawnLayer("bn", "BatchNorm", (0,)), DrawnLayer("conv", "Convolution", (1,))
    )
    after = net(DrawnLayer("data", "Input"), DrawnLayer("conv", "Convolution", (0,)))
    assert [fate.mark for fate in compare_nets(before, after)[0]] == ["", "folded", ""]


def test_a_layer_of_the_same_name_and_another_type_is_another_layer():
    old, new = compare_nets(net(DrawnLayer("a", "ReLU")), net(DrawnLayer("a", "TanH")))
    assert (old[0].mark, new[0].mark) == ("removed", "added")


def test_a_net_and_itself_have_no_marks():
    old, new = compare_nets(BEFORE, BEFORE)
    assert {fate.mark for fate in old + new} == {""}
