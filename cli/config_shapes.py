"""The shape of a net's pictures by the C, H and W of a config.ini, where the net itself does not have it.

batch        of the data layer, else 1
C, H, W      of the layer; the file's C, H and W where it leaves them open

No file that is written depends on them: they are for the run that compares both nets. So sizes that cannot be the
net's, since its weights are for others, are replaced by fitting ones.
"""

from __future__ import annotations

import math
from pathlib import Path

from ..engine.graph.analysis.shapes import infer_shapes, weight_shapes
from ..engine.graph.frontends.caffe.build import build_graph
from ..engine.graph.ir.graph import Graph, Shape
from ..engine.graph.ops import caffe_types
from ..errors import InputError
from ..formats.caffe import filter_net, known_shape, read_caffemodel, read_prototxt
from .caffe_options import Reading
from .config_file import ConfigFile
from .output import Output

SIZES = ("C", "H", "W")
MOST = 1024  # pixels of a side that is tried
AXES = dict(zip(SIZES, (1, 2, 3), strict=True))


def shapes_of(net: Path, model: Path, config: ConfigFile, reading: Reading, output: Output) -> list[str]:
    """The option --input-shape for the net's first input, or none where the net has all sizes.

    Prints where the file's C, H and W are not used. Raises InputError for a size that neither of them has.
    """
    read = read_prototxt(net, allow_unknown=reading.allow_unknown, types=caffe_types())
    message = filter_net(read.message, reading.phase, path=str(net))
    layer = next((each for each in message.layer if not each.bottom and each.type != "Parameter"), None)
    if layer is None or not layer.top:
        return []
    known = list(known_shape(layer))
    if all(known) and known:
        _say_others(net, config, layer, known, output)
        return []
    known = known if len(known) == 4 else [layer.hdf5_data_param.batch_size, 0, 0, 0]
    shape = [known[0] or 1, *(known[axis] or config.size(key) for key, axis in AXES.items())]
    _say_others(net, config, layer, known, output)
    if not any(known[2:]) and (side := _fitting_side(build_graph(message, reading.phase), model, layer.top[0], shape)):
        sizes = f"H = {shape[2]}, W = {shape[3]}"
        output.say(f"{config.path}: {sizes} do not fit the weights in {model}; {side} x {side} is used")
        shape[2:] = side, side
    return [f"{layer.top[0]}:{'x'.join(map(str, shape))}"]


def _say_others(net: Path, config: ConfigFile, layer, known: list[int], output: Output) -> None:
    """Print the sizes in which the net differs from the file."""
    for key, axis in AXES.items():
        known_here = len(known) == 4 and known[axis]
        if key in config and known_here and known_here != config.size(key):
            says = f"{net} says {known_here} for {layer.top[0]!r}, which is used"
            output.say(str(config.error(key, f"{key} = {config.size(key)}, but {says}")))


def _fitting_side(graph: Graph, model: Path, name: str, shape: list[int]) -> int | None:
    """The roundest side with which the weights fit, of 29 to 35 it is 32; None where H and W fit, or no square does."""
    sizes = _sizes_in(model)

    def fits(height: int, width: int) -> bool:
        return _fits(graph, sizes, {name: (*shape[:2], height, width)})

    if fits(*shape[2:]):
        return None
    fitting = (side for side in range(1, MOST + 1) if fits(side, side))
    return max(fitting, key=lambda side: (side & -side, -abs(side - shape[2])), default=None)


def _sizes_in(model: Path) -> dict[str, list[int]]:
    """How many numbers the blobs of each layer in the model hold."""
    sizes: dict[str, list[int]] = {}
    for name, _, blobs in read_caffemodel(model).blobs:
        sizes.setdefault(name, [blob.size for blob in blobs])
    return sizes


def _fits(graph: Graph, sizes: dict[str, list[int]], inputs: dict[str, Shape]) -> bool:
    try:
        expected = weight_shapes(graph, infer_shapes(graph, inputs))
    except InputError:
        return False
    return all(
        [math.prod(shape) for shape in shapes] == sizes.get(node.name, [])
        for node, shapes in zip(graph.nodes, expected, strict=True)
        if shapes
    )
