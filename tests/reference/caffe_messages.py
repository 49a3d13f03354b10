"""Random Caffe messages, and an encoder of protobuf's wire format that shares nothing with the package's reader."""

from __future__ import annotations

import numpy as np
from google.protobuf.message import Message
from hypothesis import strategies as st

from caffe64.formats.caffe import MESSAGES, BlobProto, LayerParameter, NetParameter

FLOATS = st.floats(width=32, allow_nan=False)
SCALARS = {
    "TYPE_FLOAT": FLOATS,
    "TYPE_DOUBLE": st.floats(allow_nan=False),
    "TYPE_INT32": st.integers(-(2**31), 2**31 - 1),
    "TYPE_INT64": st.integers(-(2**63), 2**63 - 1),
    "TYPE_UINT32": st.integers(0, 2**32 - 1),
    "TYPE_BOOL": st.booleans(),
    "TYPE_STRING": st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
}
TYPE_NAMES = {number: f"TYPE_{name}" for name, number in [
    ("DOUBLE", 1), ("FLOAT", 2), ("INT64", 3), ("INT32", 5), ("BOOL", 8), ("STRING", 9), ("UINT32", 13)
]}  # fmt: skip
WITHOUT = {  # what the upgrade would change, and numbers, which binary files hold apart
    "NetParameter": {"layers", "input", "input_dim", "input_shape"},
    "LayerParameter": {"blobs", "own_fields"},
    "BatchNormParameter": {"relu"},  # and forks' fields, which Caffe's own take the place of
    "ConvolutionParameter": {"relu", "negative_slope"},
    "InnerProductParameter": {"relu", "negative_slope"},
    "PoolingParameter": {"ceil_mode", "avg_include_pad"},
    "ReLUParameter": {"fuse"},
}


@st.composite
def messages(draw, kind):
    """A message with a few random fields, to any depth."""
    message = kind()
    fields = [f for f in kind.DESCRIPTOR.fields if f.name not in WITHOUT.get(kind.DESCRIPTOR.name, ())]
    for field in draw(st.lists(st.sampled_from(fields), max_size=4, unique_by=lambda f: f.name)):
        repeated = not isinstance(getattr(message, field.name), bool | int | float | str | Message)
        for _ in range(draw(st.integers(1, 2)) if repeated else 1):
            if field.message_type is not None:
                value = draw(messages(MESSAGES[field.message_type.name]))
                target = getattr(message, field.name)
                (target.add() if repeated else target).CopyFrom(value)
                continue
            if field.enum_type is not None:
                value = draw(st.sampled_from([v.number for v in field.enum_type.values]))
            else:
                value = draw(SCALARS[TYPE_NAMES[field.type]])
            if repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)
    return message


def net(*layers, **fields) -> NetParameter:
    """A net of layers, each a dict of fields."""
    return NetParameter(layer=[LayerParameter(**layer) for layer in layers], **fields)


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    low = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([byte | 0x80 for byte in low[:-1]] + low[-1:])


def delimited(number: int, data: bytes) -> bytes:
    return varint(8 * number + 2) + varint(len(data)) + data


def floats(number: int, values, dtype="<f4") -> bytes:
    """A packed field."""
    return delimited(number, np.asarray(values, dtype).tobytes())


def unpacked(number: int, values, dtype="<f4") -> bytes:
    wire = 5 if dtype == "<f4" else 1
    return b"".join(varint(8 * number + wire) + value.tobytes() for value in np.asarray(values, dtype))


def blob(data: bytes, shape=None, legacy=None) -> bytes:
    """A BlobProto's bytes around `data`, with `shape` or four `legacy` numbers."""
    sizes = {"shape": {"dim": list(shape)}} if shape is not None else {}
    if legacy is not None:
        sizes = dict(zip(("num", "channels", "height", "width"), legacy, strict=True))
    return BlobProto(**sizes).SerializeToString() + data


def layer(name: str, *blobs: bytes, kind="Convolution", rest=b"") -> bytes:
    """Bytes of a V2 layer inside a net."""
    body = delimited(1, name.encode()) + delimited(2, kind.encode()) + b"".join(delimited(7, b) for b in blobs) + rest
    return delimited(100, body)
