"""Suggestions for misspelt names, and none where another fork's name only looks like one of Caffe's."""

from __future__ import annotations

import pytest

from caffe64.engine.graph.ops import caffe_types
from caffe64.formats.caffe import MESSAGES
from caffe64.wording import TYPE_LIKENESS, near_miss

FIELDS = {
    name: list(MESSAGES[name].DESCRIPTOR.fields_by_name)
    for name in ("LayerParameter", "ConvolutionParameter", "PoolingParameter")
}


@pytest.mark.parametrize(
    ("message", "name", "meant"),
    [
        ("LayerParameter", "convolutoin_param", "convolution_param"),
        ("LayerParameter", "convolution_params", "convolution_param"),
        ("LayerParameter", "poling_param", "pooling_param"),
        ("LayerParameter", "batchnorm_param", "batch_norm_param"),
        ("LayerParameter", "innerproduct_param", "inner_product_param"),
        ("LayerParameter", "botom", "bottom"),
        ("LayerParameter", "tops", "top"),
        ("LayerParameter", "loss_wieght", "loss_weight"),
        ("ConvolutionParameter", "kernel_sze", "kernel_size"),
        ("ConvolutionParameter", "kernelsize", "kernel_size"),
        ("ConvolutionParameter", "Kernel_Size", "kernel_size"),
        ("ConvolutionParameter", "num_outputs", "num_output"),
        ("ConvolutionParameter", "strid", "stride"),
        ("PoolingParameter", "pol", "pool"),
    ],
)
def test_a_misspelt_field_is_recognised(message, name, meant):
    assert near_miss(name, FIELDS[message]) == f"did you mean {meant!r}?"


@pytest.mark.parametrize(
    ("message", "names"),
    [
        (
            "LayerParameter",
            "upsample_param reorg_param interp_param roi_pooling_param psroi_pooling_param bn_param selu_param "
            "relu6_param mish_param proposal_param smooth_l1_loss_param center_loss_param batch_contrastive_loss_param "
            "shuffle_channel_param dense_image_data_param video_data_param yolo_detection_output_param lstm_param x",
        ),
        ("ConvolutionParameter", "kernel_d kernel_depth pad_x stride_x out_channels group_size"),
        ("PoolingParameter", "kernel_size_3d pooled_h output_size"),
    ],
)
def test_a_field_of_another_meaning_is_not_taken_for_a_misspelt_one(message, names):
    found = {name: near_miss(name, set(FIELDS[message]) - {name}) for name in names.split()}
    assert {name: meant for name, meant in found.items() if meant} == {}


def test_types_are_recognised_by_their_letters_whatever_the_case():
    found = {
        name: near_miss(name, caffe_types(), TYPE_LIKENESS)
        for name in ("Relu", "Batchnorm", "convolution", "InnerProducts")
    }
    assert found == {
        "Relu": "did you mean 'ReLU'?",
        "Batchnorm": "did you mean 'BatchNorm'?",
        "convolution": "did you mean 'Convolution'?",
        "InnerProducts": "did you mean 'InnerProduct'?",
    }


def test_types_of_forks_are_not_taken_for_misspelt_types_of_caffe():
    types = "ReLU6 HSwish ROIPooling Softplus LayerNorm BN Interp Upsample SmoothL1Loss Mish Axpy SPP Im2col Scatter"
    assert [name for name in types.split() if near_miss(name, set(caffe_types()) - {name}, TYPE_LIKENESS)] == []


def test_nothing_is_near_to_nothing():
    assert near_miss("a", []) == ""
    assert near_miss("", ["a"]) == ""
