"""protobuf's wire format of blobs: cuts the numbers out of a binary file, so that protobuf parses the rest.

    net      layers 2 (V1), layer 100         a field is a tag, number << 3 | wire type, and a value:
    V1       layer 1 (V0), blobs 6            0 a varint; 1 eight bytes; 5 four bytes; 2 a length and so many bytes;
    V0       blobs 50                         3 to 4 a group (not written any more, old forks could)
    layer    blobs 7
    blob     data 5, diff 6 float; double_data 8, double_diff 9
             NVIDIA's Caffe: raw_data_type 10, raw_diff_type 11, an integer; raw_data 12, raw_diff 13, bytes

protobuf would hold all numbers a second time, as one Python call each. Numbers that are cut out stay in the file: a
packed field, and raw data of float32, are views of the mapped bytes. Diffs, a leftover of training, are not kept.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

VARINT, FIXED64, LENGTH, GROUP, END_GROUP, FIXED32 = range(6)
MOST_NESTING = 100
MOST_WIRE_FIELDS = 200_000  # of net, layers and blobs together; a RetinaFace of 223 layers has 2,665
NESTED = {  # message -> number of a field -> the message in it
    "net": {2: "V1", 100: "layer"},
    "V1": {1: "V0", 6: "blob"},
    "V0": {50: "blob"},
    "layer": {7: "blob"},
    "state": {3: "blob"},
}
NAME_FIELDS = {"layer": 1, "V1": 4, "V0": 1}
FLOAT4, FLOAT8 = np.dtype("<f4"), np.dtype("<f8")
# The fields of a blob that hold numbers.
NUMBER_FIELDS: dict[int, np.dtype] = {5: FLOAT4, 6: FLOAT4, 8: FLOAT8, 9: FLOAT8}
FIXED = {4: FIXED32, 8: FIXED64}
DATA, DOUBLE_DATA = 5, 8
RAW_TYPE, RAW_DATA = 10, 12
RAW = {RAW_TYPE: VARINT, 11: VARINT, RAW_DATA: LENGTH, 13: LENGTH}
RAW_TYPES = ("DOUBLE", "FLOAT", "FLOAT16", "INT", "UINT", "BOOL")
RAW_NUMBERS: dict[int, np.dtype] = {0: FLOAT8, 1: FLOAT4, 2: np.dtype("<f2")}  # the types that hold weights
FIRST_WINDOW = 1024


class WireError(Exception):
    """The bytes are not a protobuf message, or one cut short."""


@dataclass
class Payload:
    """The numbers of one blob in the order of the file: one piece per packed field, or run of unpacked ones.

    `raw` are bytes, of numbers of the type RAW_TYPES[raw_type], little-endian.
    """

    data: list[np.ndarray] = field(default_factory=list)
    double_data: list[np.ndarray] = field(default_factory=list)
    raw: memoryview | None = None
    raw_type: int | None = None

    def floats(self) -> np.ndarray:
        """float32 [count]: a view of the file if that holds them in one piece, read-only then.

        Of several encodings doubles win, then floats, then raw data, as in NVIDIA's Caffe. Raises WireError for raw
        data of a type that holds no weights.
        """
        for pieces in (self.double_data, self.data):
            if any(len(piece) for piece in pieces):
                return _as_floats(pieces)
        return _as_floats([] if self.raw is None else [self._raw_numbers(self.raw)])

    def _raw_numbers(self, raw: memoryview) -> np.ndarray:
        wanted = "DOUBLE, FLOAT or FLOAT16 (0, 1 or 2)"
        if self.raw_type is None:
            raise WireError(f"has raw_data and no raw_data_type, expected {wanted}")
        kind = RAW_NUMBERS.get(self.raw_type)
        name = RAW_TYPES[self.raw_type] if self.raw_type < len(RAW_TYPES) else "unknown"
        if kind is None:
            raise WireError(f"has raw_data of type {self.raw_type} ({name}), expected {wanted}")
        if len(raw) % kind.itemsize:
            raise WireError(f"holds {len(raw)} bytes of raw_data, expected a multiple of {kind.itemsize} ({name})")
        return np.frombuffer(raw, kind)


def _as_floats(pieces: list[np.ndarray]) -> np.ndarray:
    """One float32 array, the only piece itself if it is that. Values beyond float32 become infinite."""
    if len(pieces) == 1 and pieces[0].dtype == FLOAT4:
        return pieces[0]
    with np.errstate(over="ignore"):
        return np.concatenate([np.empty(0, np.float32), *pieces], dtype=np.float32, casting="same_kind")


class Cutter:
    """Walks over `data` once. After `cut`, blob i's numbers are payloads[i]; after a WireError, `where` is its
    position."""

    def __init__(self, data: memoryview):
        self.data = data
        self.payloads: list[Payload] = []
        self.layers, self.name, self.blobs, self.fields = 0, "", 0, 0

    def cut(self, kind: str) -> bytes:
        """All of `data`, a "net" or a "blob", without the numbers: each blob has one `double_data`, its index."""
        return self._blob(0, len(self.data)) if kind == "blob" else self._message(kind, 0, len(self.data))

    @property
    def where(self) -> str:
        """The layer and blob that is being walked over: "layer 3 'conv1' blob 0"; "" before the first layer."""
        name = f" {self.name!r}" if self.name else ""
        blob = f" blob {self.blobs - 1}" if self.blobs else ""
        return f"layer {self.layers}{name}{blob}" if self.layers else ""

    def _message(self, kind: str, start: int, stop: int) -> bytes:
        kept, at = bytearray(), start
        while at < stop:
            number, wire, value, end = self._field(at)
            nested = NESTED[kind].get(number) if wire == LENGTH else None
            if nested is not None:
                body = self._nested(kind, nested, value, end)
                kept += varint(number << 3 | LENGTH) + varint(len(body)) + body
            self._check_end(end, stop)
            if nested is None:
                kept += self.data[at:end]
                if number == NAME_FIELDS.get(kind) and wire == LENGTH:
                    self.name = str(self.data[value : min(end, value + 200)], "utf-8", "replace")
            at = end
        return bytes(kept)

    def _nested(self, kind: str, nested: str, value: int, end: int) -> bytes:
        if nested == "blob":
            self.blobs += 1
            return self._blob(value, end)
        if kind == "net":
            self.layers, self.name, self.blobs = self.layers + 1, "", 0
        return self._message(nested, value, end)

    def _blob(self, start: int, stop: int) -> bytes:
        payload, kept, at = Payload(), bytearray(), start
        pieces = {DATA: payload.data, DOUBLE_DATA: payload.double_data}
        while at < stop:
            number, wire, value, end = self._field(at)
            kind = NUMBER_FIELDS.get(number)
            if RAW.get(number) == wire:
                self._check_end(end, stop)
                if number == RAW_TYPE:
                    payload.raw_type = self._varint(value)[0]
                elif number == RAW_DATA:
                    payload.raw = self.data[value:end]
            elif kind is None or wire not in (LENGTH, FIXED[kind.itemsize]):
                self._check_end(end, stop)
                kept += self.data[at:end]
            elif wire == LENGTH or value > at + 1:  # packed; or a single one behind a tag longer than it need be
                self._check_end(end, stop)
                pieces.get(number, []).append(self._packed(value, end, kind))
            else:
                numbers = self._run(at, stop, kind)
                pieces.get(number, []).append(numbers)
                end = at + (1 + kind.itemsize) * len(numbers)
            at = end
        index = struct.pack("<d", len(self.payloads))
        self.payloads.append(payload)
        return bytes(kept + varint(DOUBLE_DATA << 3 | LENGTH) + varint(len(index)) + index)

    def _packed(self, value: int, end: int, kind: np.dtype) -> np.ndarray:
        if (end - value) % kind.itemsize:
            raise WireError(f"holds {end - value} bytes of data, expected a multiple of {kind.itemsize}")
        return np.frombuffer(self.data, kind, (end - value) // kind.itemsize, value)

    def _run(self, at: int, stop: int, kind: np.dtype) -> np.ndarray:
        """The numbers of as many unpacked fields as follow each other, each behind the same one-byte tag."""
        record = 1 + kind.itemsize
        most = (min(stop, len(self.data)) - at) // record
        if most == 0:
            raise WireError("ends within a number")
        records = np.frombuffer(self.data, np.uint8, most * record, at).reshape(most, record)
        # In growing windows, so that many short runs do not each scan all that follows.
        count, window = 0, FIRST_WINDOW
        while count < most:
            other = np.flatnonzero(records[count : count + window, 0] != self.data[at])
            if len(other):
                count += int(other[0])
                break
            count, window = min(most, count + window), 2 * window
        return np.ascontiguousarray(records[:count, 1:]).view(kind)[:, 0]

    def _field(self, at: int) -> tuple[int, int, int, int]:
        """Number, wire type, and where value and field end; the end may lie past that of the file."""
        self.fields += 1
        if self.fields > MOST_WIRE_FIELDS:
            raise WireError(f"has more than {MOST_WIRE_FIELDS} fields, more than any net")
        try:
            tag, value = self._varint(at)
            number, wire = tag >> 3, tag & 7
            if number == 0 or wire in (END_GROUP, 6, 7):
                raise WireError(f"found the tag {tag} at byte {at}, which protobuf does not write")
            if wire == GROUP:
                return number, wire, value, self._group_end(value)
            return number, wire, *self._value(value, wire)
        except IndexError:
            raise WireError("the file ends within a field") from None

    def _value(self, at: int, wire: int) -> tuple[int, int]:
        if wire == LENGTH:
            length, at = self._varint(at)
            return at, at + length
        return at, {VARINT: lambda: self._varint(at)[1], FIXED64: lambda: at + 8, FIXED32: lambda: at + 4}[wire]()

    def _group_end(self, at: int) -> int:
        depth = 1
        while depth:
            tag, at = self._varint(at)
            wire = tag & 7
            depth += (wire == GROUP) - (wire == END_GROUP)
            if depth > MOST_NESTING or wire > FIXED32:
                raise WireError("groups are nested too deep" if depth > MOST_NESTING else f"found the tag {tag}")
            if wire not in (GROUP, END_GROUP):
                at = self._value(at, wire)[1]
        return at

    def _varint(self, at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = self.data[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                return value, at
            if shift >= 70:
                raise WireError(f"found an integer of more than ten bytes before byte {at}")

    def _check_end(self, end: int, stop: int) -> None:
        if end > len(self.data):
            raise WireError(f"the file ends {end - len(self.data)} bytes before a field does")
        if end > stop:
            raise WireError("a field is longer than the message that holds it")


def varint(value: int) -> bytes:
    """A non-negative integer as protobuf writes it, seven bits per byte."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
