"""Parameters that do not fit are refused: the message names the layer, what was found and what was expected."""

from __future__ import annotations

import pytest
from reference.caffe_running import drawn, run

from caffe64.errors import InputError

CONV, POOL = 'type: "{}" convolution_param {{ num_output: 4 {} }}', 'type: "Pooling" pooling_param {{ {} }}'
REFUSED = [
    (CONV.format("Convolution", "kernel_size: 3 group: 2"), (1, 3, 5, 5), "3 channels, num_output 4 and group 2"),
    (CONV.format("Convolution", "kernel_size: 1 group: 3"), (1, 3, 5, 5), "multiples of the group"),
    (CONV.format("Convolution", "kernel_size: 1 group: 0"), (1, 3, 5, 5), "group 0"),
    (CONV.format("Convolution", "kernel_size: 0"), (1, 3, 5, 5), "kernel_size .0, 0.*at least 1"),
    (CONV.format("Convolution", "kernel_h: 3"), (1, 3, 5, 5), "kernel_size .3, 0.*at least 1"),
    (CONV.format("Convolution", "kernel_size: 3 stride_h: 2"), (1, 3, 5, 5), "stride .2, 0.*at least 1"),
    (CONV.format("Convolution", "kernel_h: 3 kernel_w: 3 kernel_size: 3"), (1, 3, 5, 5), "kernel_h and kernel_w alone"),
    (CONV.format("Convolution", "kernel_h: 3 kernel_w: 3"), (1, 3, 5), "2 spatial axes"),
    (
        CONV.format("Convolution", "kernel_size: 3 kernel_size: 3"),
        (1, 3, 5, 5, 5),
        "2 values of kernel_size.*3 spatial",
    ),
    (CONV.format("Convolution", ""), (1, 3, 5, 5), "0 values of kernel_size"),
    (CONV.format("Convolution", "kernel_size: 9"), (1, 3, 5, 5), "reaches over .9, 9. pixels.*at most .5, 5."),
    (
        CONV.format("Convolution", "kernel_size: 30000 pad: 20000"),
        (1, 3, 5, 5),
        "10800000000 weights.*at most 2147483647",
    ),
    (CONV.format("Convolution", "kernel_size: 1 axis: 4"), (1, 3, 5, 5), "axis 4 of a blob with 4 axes"),
    (CONV.format("Convolution", "kernel_size: 1 num_output: 0"), (1, 3, 5, 5), "num_output 0.*at least 1"),
    (CONV.format("Convolution", "kernel_size: 1"), (1, 3, 2, 2, 2, 2), "4 spatial axes.*at most 3"),
    (
        CONV.format("Convolution", "kernel_size: 2 dilation: 1000000000 pad: 500000000"),
        (1, 3, 5, 5),
        "numbers for a padded picture",
    ),
    (CONV.format("Deconvolution", "kernel_size: 2 pad: 4"), (1, 4, 5, 5), "pad .4, 4., which leaves .-2, -2. pixels"),
    (POOL.format(""), (1, 3, 5, 5), "no kernel_size.*kernel_h and kernel_w"),
    (POOL.format("kernel_h: 3"), (1, 3, 5, 5), "has kernel_h.*kernel_size, or kernel_h and kernel_w"),
    (POOL.format("kernel_size: 3 kernel_h: 3 kernel_w: 3"), (1, 3, 5, 5), "kernel_size, or kernel_h and kernel_w"),
    (POOL.format("kernel_size: 0"), (1, 3, 5, 5), "kernel .0, 0.*from 1"),
    (POOL.format("kernel_size: 2 stride: 0"), (1, 3, 5, 5), "stride .0, 0"),
    (POOL.format("kernel_size: 2 pad: 2"), (1, 3, 5, 5), "less padding than kernel"),
    (POOL.format("kernel_size: 2 pool: STOCHASTIC"), (1, 3, 5, 5), "STOCHASTIC.*MAX or AVE"),
    (POOL.format("kernel_size: 2 global_pooling: true"), (1, 3, 5, 5), "kernel size and global_pooling"),
    (POOL.format("global_pooling: true pad: 1"), (1, 3, 5, 5), "global_pooling, stride .* and pad .1, 1"),
    (POOL.format("kernel_size: 2"), (1, 3, 5), "3 axes.*4"),
    (POOL.format("kernel_size: 9"), (1, 3, 5, 5), "kernel of 9 pixels"),
    ('type: "InnerProduct"', (2, 3), "num_output 0"),
    ('type: "InnerProduct" inner_product_param { num_output: 2 axis: 2 }', (2, 3), "axis 2 of a blob with 2 axes"),
    ('type: "BatchNorm"', (3,), "2 axes or more"),
    ('type: "LRN" lrn_param { local_size: 4 }', (1, 3, 5, 5), "local_size 4.*odd"),
    ('type: "LRN"', (1, 3, 5), "3 axes.*4"),
    ('type: "MVN"', (1, 1, 3, 5, 5), "5 axes.*1 to 4"),
    ('type: "Scale" scale_param { num_axes: 4 }', (1, 3, 5, 5), "axis 1 and num_axes 4"),
    ('type: "Scale" scale_param { num_axes: -2 }', (1, 3, 5, 5), "num_axes -2"),
    ('type: "Bias" bias_param { axis: 4 }', (1, 3, 5, 5), "axis 4"),
]


@pytest.mark.parametrize(("layer", "shape", "message"), REFUSED)
def test_what_does_not_fit_is_refused_by_name(layer, shape, message):
    with pytest.raises(InputError, match=message) as caught:
        run(
            layer.replace("num_output: 4 kernel_size: 1 num_output: 0", "num_output: 0 kernel_size: 1"), [drawn(*shape)]
        )
    assert "'tested'" in str(caught.value)


def test_bottoms_that_differ_are_refused():
    with pytest.raises(InputError, match=r"\[1, 3, 5, 5\] and \[1, 3, 5, 6\]"):
        run(CONV.format("Convolution", "kernel_size: 1"), [drawn(1, 3, 5, 5), drawn(1, 3, 5, 6)], tops=2)
    with pytest.raises(InputError, match=r"second bottom of shape \[4\].*axes 1 on of \[2, 3\]"):
        run('type: "Scale"', [drawn(2, 3), drawn(4)])


def test_means_have_no_mask():
    with pytest.raises(InputError, match="2 tops"):
        run(POOL.format("kernel_size: 2 pool: AVE"), [drawn(1, 3, 5, 5)], tops=2)
