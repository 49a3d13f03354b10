"""Caffe's messages, as `caffe.proto` has them: caffe64.proto.caffe_pb2.BlobProto(), NetParameter(), Datum(), ...

They are made of this package's own definitions, and know the fields that it knows. To read and write files of nets,
`load_caffe` and `CaffeNet.save` know older versions as well.
"""

from __future__ import annotations

from types import SimpleNamespace

from .caffe.pycaffe_words import TEST, TRAIN
from .formats.caffe import MESSAGES

__all__ = ["caffe_pb2"]

caffe_pb2 = SimpleNamespace(**MESSAGES, TRAIN=TRAIN, TEST=TEST)
