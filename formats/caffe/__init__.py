"""Caffe models: nets as text (.prototxt), weights as binary messages (.caffemodel), means (.binaryproto).

    definitions    Caffe's messages in a compact notation    schema         the message classes made from them
    outline, text  prototxt -> message -> prototxt           wire, binary   the same for binary files
    upgrade        older versions of a net to the newest     weights        which blobs belong to which layer
    rules          the layers of a phase                     deploy         a net for training to one that predicts
    own_scale      NVIDIA's BatchNorm in two layers          own_fields     layers of types that are not known
    hdf5           HDF5 models, by hdf5_offsets

Importing this package imports protobuf, which nothing else of caffe64 does.
"""

from .binary import CaffeModel, LayerBlobs, read_binaryproto, read_caffemodel, write_caffemodel
from .deploy import deploy_net, dropped_inputs, is_for_training, known_shape
from .own_bn import decide_bns, shape_bn_blobs
from .own_fields import layer_fields
from .own_scale import split_batch_norms
from .rules import filter_net
from .schema import MESSAGES, BlobProto, LayerParameter, NetParameter, enum_name
from .text import ParsedNet, format_prototxt, parse_prototxt, read_prototxt, upgraded, write_prototxt
from .weights import MatchedWeights, match_weights

__all__ = [
    "MESSAGES",
    "BlobProto",
    "CaffeModel",
    "LayerBlobs",
    "LayerParameter",
    "MatchedWeights",
    "NetParameter",
    "ParsedNet",
    "decide_bns",
    "deploy_net",
    "dropped_inputs",
    "enum_name",
    "filter_net",
    "format_prototxt",
    "is_for_training",
    "known_shape",
    "layer_fields",
    "match_weights",
    "parse_prototxt",
    "read_binaryproto",
    "read_caffemodel",
    "read_prototxt",
    "shape_bn_blobs",
    "split_batch_norms",
    "upgraded",
    "write_caffemodel",
    "write_prototxt",
]
