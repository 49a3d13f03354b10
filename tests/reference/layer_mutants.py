"""Mutants of small Caffe nets of every layer type: they run, or are refused in one line, in little memory and time.

python -m reference.layer_mutants 10000    (in tests) more of them than the tests run
"""

from __future__ import annotations

import itertools
import math
import random
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from reference.layer_examples import EXAMPLES, example_net

import caffe64
from caffe64.caffe.reading import read_graph
from caffe64.engine.graph.analysis.shapes import infer_shapes, weight_shapes
from caffe64.errors import Caffe64Error
from caffe64.formats.caffe import MESSAGES, format_prototxt, parse_prototxt

NOT_MUTATED = "name type bottom top include exclude phase blobs own_fields python_param"
WHOLE = (0, 1, 2, 3, 4, 7, 64, -1, -2, -7, (1 << 15) + 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, -(1 << 31), 1 << 62)
SIDES = (0, 1, 2, 3, 5, 8)
DECIMAL = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-30, 1e30, 3e38, -3e38, math.nan, math.inf, -math.inf)
VALUES = (0.0, -1.0, 1e9, -1e30, 3e38, math.nan, math.inf, -math.inf)
MEMORY = 3 << 30  # beyond what the process has at the start
SECONDS = 20.0  # for one of them, with the kernels that it compiles
MOST = 1 << 22  # numbers in blobs and weights of a net that is run


def mutate_field(source: random.Random, message, field) -> None:
    if field.message_type is not None:
        part = getattr(message, field.name)
        if field.is_repeated:
            part = part.add() if not part or source.random() < 0.3 else source.choice(list(part))
        elif source.random() < 0.1:
            message.ClearField(field.name)
            return
        mutate_message(source, part)
        return
    made = [value_of(source, field) for _ in range(source.choice((0, 1, 1, 2, 3, 4, 9)))]
    try:
        if not field.is_repeated:
            message.ClearField(field.name)
            if made:
                setattr(message, field.name, made[0])
        elif source.random() < 0.5 and getattr(message, field.name):
            values = getattr(message, field.name)
            values[source.randrange(len(values))] = value_of(source, field)
        else:
            message.ClearField(field.name)
            getattr(message, field.name).extend(made)
    except ValueError:  # a number that the field cannot have
        pass


def value_of(source: random.Random, field):
    if field.enum_type is not None:
        return source.choice([value.number for value in field.enum_type.values])
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return source.choice(("", "none", "MEAN", "gaussian", "msra"))
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return source.random() < 0.5
    if field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return source.choice(DECIMAL)
    return source.choice(WHOLE)


def mutate_message(source: random.Random, message) -> None:
    fields = [field for field in message.DESCRIPTOR.fields if field.name != "own_fields"]
    if fields:
        mutate_field(source, message, source.choice(fields))


def mutate_layer(source: random.Random, layer) -> None:
    """One change of its parameters, or of the parameters that any layer has."""
    own = [field.name for field, _ in layer.ListFields() if field.message_type and field.name != "param"]
    names = own * 3 + ["loss_weight", "param", "propagate_down", "loss_param"]
    layer_field = layer.DESCRIPTOR.fields_by_name[source.choice(names)]
    mutate_field(source, layer, layer_field)


def mutate_net(source: random.Random, net) -> None:
    layer, inputs = net.layer[-1], list(net.layer)[:-1]
    match source.randrange(24):
        case 0 if inputs:
            dims = source.choice(inputs).input_param.shape[0].dim
            del dims[:]
            dims.extend(source.choice(SIDES) for _ in range(source.choice((0, 1, 2, 3, 4, 5, 6))))
        case 1 | 2 | 8 | 9 | 10 if inputs:
            dims = source.choice(inputs).input_param.shape[0].dim
            if dims:
                dims[source.randrange(len(dims))] = source.choice(SIDES)
        case 3 if layer.bottom:
            del layer.bottom[source.randrange(len(layer.bottom))]
        case 4:
            layer.bottom.append("x0")
        case 5 if layer.top:
            del layer.top[-1]
        case 6:
            layer.top.append("more")
        case 7 if layer.bottom and layer.top:
            place = source.randrange(len(layer.top))
            layer.top[place] = layer.bottom[min(place, len(layer.bottom) - 1)]
        case _:
            mutate_layer(source, layer)


def model_of(source: random.Random, net, shapes) -> bytes:
    """A model, most often with blobs that fit."""
    message = MESSAGES["NetParameter"]()
    layer = message.layer.add(name="y", type=net.layer[-1].type)
    shapes = [list(shape) for shape in shapes]
    if source.random() < 0.4:
        match source.randrange(5):
            case 0 if shapes:
                del shapes[source.randrange(len(shapes))]
            case 1:
                shapes.append([source.choice(SIDES)])
            case 2 if shapes:
                source.choice(shapes).reverse()
            case 3 if shapes:
                shapes[source.randrange(len(shapes))] = [source.choice(SIDES) for _ in range(source.randrange(6))]
            case 4 if shapes and (chosen := source.choice(shapes)):
                chosen[source.randrange(len(chosen))] += source.choice((-1, 1))
    for shape in shapes:
        blob = layer.blobs.add()
        blob.shape.dim.extend(shape)
        blob.data.extend(numbers(source, math.prod(max(0, side) for side in shape)).tolist())
    return message.SerializeToString()


def numbers(source: random.Random, count: int) -> np.ndarray:
    """Values of one of several kinds, some with a few that are not finite, or huge."""
    made = np.random.default_rng(source.randrange(1 << 30))
    values = made.normal(size=count) if source.random() < 0.5 else made.integers(0, 4, count).astype(float)
    for _ in range(source.choice((0, 0, 1, 3))):
        if count:
            values[source.randrange(count)] = source.choice(VALUES)
    return values.astype(np.float32)


def mutant(source: random.Random):
    """(the net's message, its phase)."""
    kind = source.choice(sorted(EXAMPLES))
    text = example_net(kind, source.choice(EXAMPLES[kind]))
    net = parse_prototxt(text, "mutant.prototxt").message
    for _ in range(source.choice((1, 1, 2, 3))):
        mutate_net(source, net)
    return net, source.choice(("TEST", "TRAIN"))


def use(source: random.Random, net, phase: str, folder: Path) -> str:
    """What a user may do with the net. Raises Caffe64Error; returns "large" for one whose blobs are too large for a
    test, else "run"."""
    text = format_prototxt(net).encode()
    graph, shapes, _ = read_graph(text, phase, {})
    known = infer_shapes(graph, shapes)
    weights = weight_shapes(graph, known)
    if sum(map(math.prod, itertools.chain(known.values(), *weights))) > MOST:
        return "large"
    model = model_of(source, net, weights[-1]) if weights[-1] or source.random() < 0.1 else None
    loaded = caffe64.load_caffe(text, model, phase=phase, force_backward=source.random() < 0.5)
    for name in loaded.inputs:
        loaded.blobs[name].data[...] = numbers(source, loaded.blobs[name].data.size).reshape(loaded.blobs[name].shape)
    loaded.forward()
    steps = [keep_blobs, run_backward, save_again, optimise, measure]
    for step in source.sample(steps, 3):
        step(loaded, folder)
    return "run"


def keep_blobs(net, folder: Path) -> None:
    for blob in net.blobs.values():
        blob.data  # noqa: B018  keeps all
    net.forward()


def run_backward(net, folder: Path) -> None:
    net.forward()
    given = {name: np.ones(net.blobs[name].shape) for name in net.outputs[:1] if name not in net.inputs}
    net.backward(**given)
    for blob in net.blobs.values():  # as programs may: then nothing in them fits
        blob.data[...] = numbers(random.Random(blob.data.size), blob.data.size).reshape(blob.shape)
    net.backward(**given)


def save_again(net, folder: Path) -> None:
    net.save(folder / "net.prototxt", folder / "net.caffemodel")
    again = caffe64.load_caffe(folder / "net.prototxt", folder / "net.caffemodel", phase=net.graph.phase)
    assert again.graph.nodes[-1].attributes == net.graph.nodes[-1].attributes or has_nan(net)


def has_nan(net) -> bool:
    return "nan" in repr(net.graph.nodes[-1].attributes)


def optimise(net, folder: Path) -> None:
    smaller, _ = caffe64.optimize(net)
    smaller.forward(**{name: net.blobs[name].data for name in smaller.inputs})


def measure(net, folder: Path) -> None:
    str(caffe64.summary(net))
    caffe64.draw(net).save(folder / "net.svg")


def limit_memory() -> None:
    """Far more than the nets may take is a MemoryError."""
    words = Path("/proc/self/statm").read_text().split()
    size = int(words[0]) * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def run(count: int, seed: int = 0) -> dict[str, int]:
    """Tries `count` mutants; returns how many had which end."""
    ends: dict[str, int] = {}
    limit_memory()
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            end = check(seed, number, Path(folder))
            ends[end] = ends.get(end, 0) + 1
    return ends


def check(seed: int, number: int, folder: Path) -> str:
    source = random.Random(f"{seed} {number}")
    net, phase = mutant(source)
    started = time.process_time()
    try:
        end = use(source, net, phase, folder)
    except Caffe64Error as error:
        if len(str(error).splitlines()) != 1:
            raise AssertionError(f"mutant {number} of seed {seed}: not one line: {error}") from error
        end = "refused"
    except BaseException as error:
        raise AssertionError(f"mutant {number} of seed {seed}, {phase}:\n{format_prototxt(net)}") from error
    if (took := time.process_time() - started) > SECONDS:
        raise AssertionError(f"mutant {number} of seed {seed} took {took:.1f} s:\n{format_prototxt(net)}")
    return end


if __name__ == "__main__":
    print(run(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
