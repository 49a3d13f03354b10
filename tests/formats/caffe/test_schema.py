"""The message classes: their numbers are Caffe's, their defaults too, and they do not clash with those of others."""

from __future__ import annotations

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.unknown_fields import UnknownFieldSet
from reference.caffe_messages import net
from support import SHARED, needs_shared

from caffe64.formats.caffe import MESSAGES, LayerParameter, enum_name, read_caffemodel, read_prototxt

PAIRS = {
    "cifar10/cifar10": "cifar10/train_val",
    "cifar10/opt_cifar10": "cifar10/opt_train_val",
    "face68/vgg_68_new": "face68/deploy_68_new",
    "models/hyperlpr_segmentation": "models/hyperlpr_segmentation",
    "models/mtcnn_det1": "models/mtcnn_det1",
}
OWN = ("name", "type", "bottom", "top", "param", "blobs", "include", "exclude", "phase", "loss_weight", "input_param")


@needs_shared
@pytest.mark.parametrize("name", PAIRS)
def test_a_binary_model_means_the_same_as_its_text(name):
    """Caffe wrote the numbers, a person the names: equal messages show that the two belong together."""
    binary = read_caffemodel(SHARED / "caffe" / f"{name}.caffemodel").message
    text = read_prototxt(SHARED / "caffe" / f"{PAIRS[name]}.prototxt").message
    layers = {(layer.name, layer.type): layer for layer in text.layer}
    compared = set()
    for layer in binary.layer:
        known = layers.get((layer.name, layer.type))
        for field, value in layer.ListFields() if known else []:
            if field.name not in OWN and field.message_type is not None and known.HasField(field.name):
                ours = getattr(known, field.name)
                different = {f.name for f, v in value.ListFields() if getattr(ours, f.name) != v}
                assert not different - {"weight_filler", "bias_filler", "filler", "source", "batch_size"}, layer.name
                compared.add(field.name)
    assert "convolution_param" in compared


@needs_shared
def test_a_forks_field_that_has_permutes_number_in_another_fork_stays_unknown():
    """The face68 model has a field 202 in its layers."""
    message = read_caffemodel(SHARED / "caffe" / "face68" / "vgg_68_new.caffemodel").message
    assert 202 in {unknown.field_number for layer in message.layer for unknown in UnknownFieldSet(layer)}
    assert not any(layer.HasField("permute_param") for layer in message.layer)


@pytest.mark.parametrize(
    ("message", "field", "value"),
    [
        ("ConvolutionParameter", "bias_term", True),
        ("BatchNormParameter", "moving_average_fraction", 0.999),
        ("BatchNormParameter", "eps", 1e-5),
        ("ExpParameter", "base", -1),
        ("FillerParameter", "type", "constant"),
        ("FillerParameter", "sparse", -1),
        ("ParamSpec", "lr_mult", 1),
        ("LRNParameter", "beta", 0.75),
        ("NetState", "phase", 1),
        ("LossParameter", "normalization", 1),
        ("EltwiseParameter", "operation", 1),
        ("MVNParameter", "eps", 1e-9),
        ("DataParameter", "prefetch", 4),
        ("DetectionOutputParameter", "keep_top_k", -1),
    ],
)
def test_defaults(message, field, value):
    assert getattr(MESSAGES[message](), field) == pytest.approx(value)


def test_enums_have_names():
    layer = net({"pooling_param": {"pool": 1}}).layer[0]
    assert enum_name(layer.pooling_param, "pool") == "AVE"
    assert enum_name(layer.pooling_param, "round_mode") == "CEIL"


def test_fields_of_forks_have_numbers_that_no_fork_uses():
    numbers = {field.name: field.number for field in LayerParameter.DESCRIPTOR.fields}
    assert len(set(numbers.values())) == len(numbers)
    theirs = {name for name, number in numbers.items() if number > 148}
    assert {"permute_param", "norm_param", "interp_param", "upsample_param"} <= theirs
    assert not {numbers[name] for name in theirs} & {148, *range(200, 230), 10001, 10002, *range(8_266_700, 8_266_800)}
    assert min(numbers[name] for name in theirs) > 1_000_000


def test_the_messages_are_in_a_pool_of_their_own():
    """Another package's caffe_pb2 in the default pool would be a conflict otherwise."""
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("caffe.NetParameter")
