"""Initial weights: the distributions that fillers ask for, and which filler belongs to which blob."""

from __future__ import annotations

import numpy as np
import pytest

from caffe64.engine.graph.analysis.fillers import fill
from caffe64.engine.graph.analysis.shapes import infer_shapes, weight_shapes
from caffe64.engine.graph.frontends.caffe.build import build_graph
from caffe64.errors import InputError
from caffe64.formats.caffe import parse_prototxt

INPUT = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 60 dim: 8 dim: 8 } } }'


def filled(layer, seed=0, bottoms=1):
    """The initial weights of one layer on a bottom [2, 60, 8, 8]."""
    named = 'bottom: "x" ' * bottoms
    text = f'{INPUT} layer {{ name: "tested" {named} top: "y" {layer} }}'
    graph = build_graph(parse_prototxt(text, "net.prototxt").message)
    shapes = weight_shapes(graph, infer_shapes(graph))[-1]
    weights = fill(graph.nodes[-1], shapes, np.random.default_rng(seed))
    assert [blob.shape for blob in weights] == shapes
    assert all(blob.dtype == np.float32 and blob.flags.c_contiguous and blob.flags.writeable for blob in weights)
    return weights


def convolution(filler, kind="Convolution", more="bias_term: false"):
    return f'type: "{kind}" convolution_param {{ num_output: 90 kernel_size: 4 {more} weight_filler {{ {filler} }} }}'


def assert_moments(blob, mean, deviation):
    """Of n independent draws: the mean to 5 of its deviations; the deviation to 5 of its own, bounded for a normal."""
    n = blob.size
    assert abs(blob.mean(dtype=np.float64) - mean) < 5 * deviation / np.sqrt(n)
    assert abs(blob.std(dtype=np.float64) / deviation - 1) < 5 / np.sqrt(2 * n)


def test_uniform():
    (w,) = filled(convolution('type: "uniform" min: -1 max: 3'))
    assert_moments(w, 1, 4 / np.sqrt(12))
    assert -1 <= w.min() < -0.99
    assert 2.99 < w.max() <= 3


def test_gaussian():
    (w,) = filled(convolution('type: "gaussian" mean: 2 std: 0.5'))
    assert_moments(w, 2, 0.5)
    assert abs((np.abs(w - 2) < 0.5).mean() - 0.6827) < 5 * np.sqrt(0.68 * 0.32 / w.size)


def test_sparse_gaussian_keeps_so_many_a_column():
    (w,) = filled(convolution('type: "gaussian" std: 1 sparse: 9'))
    share = 9 / 90
    assert abs((w != 0).mean() - share) < 5 * np.sqrt(share * (1 - share) / w.size)
    assert_moments(w[w != 0], 0, 1)


@pytest.mark.parametrize(
    ("norm", "n"), [("FAN_IN", 60 * 16), ("FAN_OUT", 90 * 16), ("AVERAGE", 75 * 16)]
)  # weights [90, 60, 4, 4]
def test_xavier_and_msra_by_fan(norm, n):
    (w,) = filled(convolution(f'type: "xavier" variance_norm: {norm}'))
    assert_moments(w, 0, np.sqrt(1 / n))
    assert 0.99 * np.sqrt(3 / n) < np.abs(w).max() <= np.float32(np.sqrt(3 / n))
    (w,) = filled(convolution(f'type: "msra" variance_norm: {norm}'))
    assert_moments(w, 0, np.sqrt(2 / n))
    assert np.abs(w).max() > np.sqrt(3 / n)  # not bounded


def test_fan_in_of_deconvolutions_is_of_their_outputs():
    (w,) = filled(convolution('type: "msra"', kind="Deconvolution"))
    assert w.shape == (60, 90, 4, 4)
    assert_moments(w, 0, np.sqrt(2 / (90 * 16)))


def test_rows_of_a_positive_unitball_sum_to_one():
    (w,) = filled(convolution('type: "positive_unitball"'))
    assert w.min() >= 0
    np.testing.assert_allclose(w.reshape(90, -1).sum(axis=1), 1, rtol=1e-5)
    assert w.std() > 0.2 / 960  # of U[0, 1] over 480: 0.58 / 960


def test_bilinear_interpolates():
    (w,) = filled(convolution('type: "bilinear"', more="group: 30 bias_term: false"))
    line = np.array([0.25, 0.75, 0.75, 0.25])
    np.testing.assert_allclose(w, np.broadcast_to(np.outer(line, line), w.shape), rtol=1e-6)


def test_without_fillers_weights_are_constants():
    for layer, constants in (
        (convolution("value: 0.5", more=""), [0.5, 0]),
        ('type: "Convolution" convolution_param { num_output: 3 kernel_size: 1 }', [0, 0]),
        ('type: "InnerProduct" inner_product_param { num_output: 3 bias_filler { value: 2 } }', [0, 2]),
        ('type: "Scale" scale_param { bias_term: true }', [1, 0]),
        ('type: "Scale" scale_param { filler { value: 3 } bias_term: true bias_filler { value: 4 } }', [3, 4]),
        ('type: "Bias"', [0]),
        ('type: "Bias" bias_param { filler { value: 7 } num_axes: 0 }', [7]),
        ('type: "BatchNorm"', [0, 0, 0]),
    ):
        assert [np.unique(blob).tolist() for blob in filled(layer)] == [[constant] for constant in constants], layer


def test_a_scale_with_two_bottoms_only_has_its_bias():
    layer = 'type: "Scale" scale_param { axis: 0 filler { value: 3 } bias_term: true bias_filler { value: 4 } }'
    (beta,) = filled(layer, bottoms=2)
    assert (beta == 4).all()


def test_the_generator_decides():
    layer = convolution('type: "msra"')
    assert np.array_equal(filled(layer, seed=1), filled(layer, seed=1))
    assert not np.array_equal(filled(layer, seed=1), filled(layer, seed=2))


@pytest.mark.parametrize(
    ("filler", "message"),
    [
        ('type: "gaussian" std: 0', "std 0.*more than 0"),
        ('type: "uniform" min: 2 max: 1', "from 2.* to 1"),
        ('type: "xavier" sparse: 2', "xavier filler with sparse 2"),
        ('type: "gauss"', "'gauss'.*gaussian"),
    ],
)
def test_wrong_fillers_are_refused_by_name(filler, message):
    with pytest.raises(InputError, match=message) as caught:
        filled(convolution(filler))
    assert "'tested'" in str(caught.value)


def test_bilinear_weights_have_a_square_kernel():
    with pytest.raises(InputError, match=r"bilinear.*\[3, 60, 2, 4\].*square"):
        filled(
            'type: "Convolution" convolution_param '
            '{ num_output: 3 kernel_h: 2 kernel_w: 4 bias_term: false weight_filler { type: "bilinear" } }'
        )
