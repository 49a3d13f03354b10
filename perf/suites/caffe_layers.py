"""Layers of the suite `caffe` by themselves: their step of a Plan, from blocks of channels to blocks, on one thread,
next to reading as many bytes as they read and write from a buffer of that size. 1x1 convolutions before and behind make
it so, as in nets; they are not timed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ... import load_caffe
from ...engine.graph.analysis.shapes import macs
from ...engine.graph.ir.op import count
from ...engine.graph.plan import Plan
from ..machine import confined
from ..peak import Fma
from ..peers import flat
from ..results import Entry
from . import Settings
from .caffe_nets import BN, convolution, data, give_weights, layer
from .expected import Expected
from .kernels import Case, measure

WINDOWS = "pooling_param { pool: MAX kernel_size: 2 stride: 2 }"


@dataclass(frozen=True)
class LayerInPlan:
    """`text`: layers that read "before", of `shape`, and give "it"; the last one is timed."""

    name: str
    shape: tuple[int, int, int, int]
    text: str

    def net(self) -> str:
        before = data(*self.shape) + convolution("before", "data", self.shape[1], 1, "")
        return f'name: "{self.name}"\n' + before + self.text + convolution("behind", "it", 16, 1, "")


INTERP, UPSAMPLE = "interp_param { zoom_factor: 8 }", "upsample_param { scale: 2 }"
LAYERS_IN_PLANS = (
    LayerInPlan("Interp x8", (1, 64, 48, 48), layer("Interp", "it", "before", rest=INTERP)),
    LayerInPlan("Upsample x2", (1, 64, 208, 208), layer("Upsample", "it", "before", rest=UPSAMPLE)),
    LayerInPlan("Pooling with places", (1, 64, 360, 480), layer("Pooling", "it", "before", "it m", WINDOWS)),
    LayerInPlan(
        "Upsample by places", (1, 64, 360, 480),
        layer("Pooling", "pooled", "before", "pooled m", WINDOWS) + layer("Upsample", "it", "pooled m"),
    ),
    LayerInPlan("BN", (1, 64, 360, 480), layer("BN", "it", "before", rest=BN)),
    LayerInPlan(
        "ShuffleChannel", (1, 240, 56, 56),
        layer("ShuffleChannel", "it", "before", rest="shuffle_channel_param { group: 3 }"),
    ),
)  # fmt: skip


def layers(settings: Settings) -> Iterator[Entry]:
    """One entry each. Raises CheckFailed."""
    with confined(1):
        fma = Fma()
        for case in LAYERS_IN_PLANS:
            yield replace(measure(layer_case(case), fma, settings), suite="caffe")


def layer_case(case: LayerInPlan) -> Case:
    """A verified layer. Raises CheckFailed."""
    with tempfile.TemporaryDirectory(prefix="caffe64-perf-") as folder:
        path = Path(folder, "layer.prototxt")
        path.write_text(case.net())
        net = load_caffe(path)
    give_weights(net)
    x = np.random.default_rng(8).standard_normal(case.shape, np.float32)
    expected, plan = Expected.of(net.graph, {"data": x}, net.outputs), Plan(net.graph, threads=1)
    (given,), found = plan.inputs.values(), {blob.name: values for blob, values in plan.outputs.items()}
    given[...] = x
    plan.forward()
    expected.verify(case.name, {"caffe64": {"outputs": flat(found[name] for name in net.outputs)}})
    (node,) = [each for each in net.graph.nodes if each.tops and each.tops[0].name == "it"]
    step = next(number for number, each in enumerate(plan.actions) if each.owner and each.owner.main is node)
    moved = sum(4.0 * count(plan.shapes[blob]) for blob in (*node.bottoms, *node.tops))
    return Case(case.name, 2.0 * macs(node, plan.shapes), moved, int(moved), lambda: plan.run_action(step), {})
