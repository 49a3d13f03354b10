"""Mutants of small ONNX models: load_onnx and read_outline give a net or raise an InputError, nothing else.

python -m reference.onnx_mutants 100000    (in tests) more of them than the tests run
"""

from __future__ import annotations

import random
import sys
import time

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from reference.onnx_models import model, node, small_net
from reference.onnx_models import random as numbers

from caffe64 import load_onnx
from caffe64.errors import InputError
from caffe64.formats.onnx import read_outline

NUMBERS = (0, 1, 2, 3, 7, 127, 128, 255, 1 << 16, 1 << 31, (1 << 63) - 1)


def parents() -> list[bytes]:
    """Small models with all that the reader treats: folding, branches, functions, halves, tensors of all kinds."""
    branch = [
        helper.make_graph(
            [node(kind, "x", f"{kind}_y")], kind, [], [helper.make_tensor_value_info(f"{kind}_y", 1, None)]
        )
        for kind in ("Relu", "Sigmoid")
    ]
    with_if = model(
        [node("If", "yes", "y", then_branch=branch[0], else_branch=branch[1])],
        {"x": ["N", 3]},
        {"y": ["N", 3]},
        {"yes": np.array(True)},
    )
    function = helper.make_function(
        "own", "Twice", ["a"], ["b"], [node("Add", "a a", "b")], [helper.make_opsetid("", 13)], []
    )
    called = model(
        [node("Twice", "x", "y", domain="own")],
        {"x": ["N", 3]},
        {"y": ["N", 3]},
        functions=[function],
        imports=[("own", 1)],
    )
    half = model(
        [node("Conv", "x w", "c"), node("Cast", "c", "d", to=TensorProto.FLOAT), node("Resize", "d - - s", "y")],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT16, [1, 2, 5, 5])],
        {"y": [1, 2, 6, 6]},
        {"w": numbers(2, 2, 3, 3).astype(np.float16), "s": np.array([1, 2, 6, 6])},
    )
    typed = small_net()
    for tensor in typed.graph.initializer:
        array = numpy_helper.to_array(tensor)
        kind = tensor.data_type
        tensor.CopyFrom(helper.make_tensor(tensor.name, kind, array.shape, array.reshape(-1).tolist()))
    views = model(
        [
            node("ConstantOfShape", "s", "w", value=numpy_helper.from_array(np.float32([0.5]))),
            node("Expand", "one s", "e"),
            node("Range", "zero five one_i", "range"),
            node("Tile", "e t", "tiled"),
            node("Add", "w tiled", "sum"),
            node("Slice", "x zero_1 five_1", "cut"),
            node("Pad", "cut pads", "padded"),
            node("MatMul", "padded sum", "y"),
            node("Gather", "range zero", "unread"),
        ],
        {"x": ["N", 4]},
        {"y": ["N", 4]},
        {
            "s": np.array([4, 4]),
            "one": np.float32([1]),
            "t": np.array([1, 1]),
            "zero": np.array(0),
            "five": np.array(5),
            "one_i": np.array(1),
            "zero_1": np.array([0]),
            "five_1": np.array([5]),
            "pads": np.array([0, 0, 0, 0]),
        },
    )
    found = [small_net(), small_net(1), small_net(opset=9), with_if, called, half, typed, views]
    return [each.SerializeToString() for each in found]


def mutant(source: random.Random, content: bytes) -> bytes:
    """A copy with one to four changes: bits, bytes, pieces left out, doubled, moved, or of other numbers; cut short."""
    data = bytearray(content)
    for _ in range(source.choice((1, 1, 1, 2, 4))):
        at = source.randrange(max(1, len(data)))
        length = source.choice((1, 1, 2, 4, 8, 16, 64))
        match source.randrange(8):
            case 0:
                data[at : at + 1] = bytes([data[at] ^ 1 << source.randrange(8)]) if data else b""
            case 1:
                data[at : at + length] = source.randbytes(length)
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = data[at : at + length]
            case 4:
                other = source.randrange(max(1, len(data)))
                data[at : at + length] = data[other : other + length]
            case 5:
                data[at : at + 1] = varint(source.choice(NUMBERS))
            case 6:
                data[at : at + 1] = bytes([source.randrange(256)])
            case 7 if source.randrange(8) == 0:
                del data[at:]
    return bytes(data)


def varint(number: int) -> bytes:
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    return bytes([*data, number])


READERS = (load_onnx, read_outline)


def run(count: int, seed: int = 0) -> tuple[int, float]:
    """Reads `count` mutants; returns how many were read and the longest time of one, in seconds of the processor."""
    source, models = random.Random(seed), parents()
    good, longest = 0, 0.0
    for number in range(count):
        content = mutant(source, source.choice(models))
        started = time.process_time()
        for read in READERS:
            try:
                read(content)
                good += 1
            except InputError as error:
                if len(str(error).splitlines()) != 1:
                    raise AssertionError(f"mutant {number} of seed {seed}: not one line: {error}") from error
            except BaseException as error:
                raise AssertionError(f"mutant {number} of seed {seed} in {read.__name__}") from error
        longest = max(longest, time.process_time() - started)
    return good, longest


if __name__ == "__main__":
    print(*run(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
