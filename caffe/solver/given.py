"""What Python code gives a `Solver`: a net, data in place of its data layers, and what settings follow from that."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ...arguments import file_name, instance, whole_number
from ...engine.graph.frontends.caffe.write import graph_message
from ...errors import UsageError
from ...formats.caffe import ParsedNet, upgraded
from ..data.feeds import ArrayRows, Feed
from ..net import CaffeNet
from ..reading import read_net
from .nets import Given
from .solver import CaffeTraining


def given_data(net: Any, data: Any, test_data: Any, batch_size: int | None) -> Given:
    batch = None if batch_size is None else whole_number("batch_size", batch_size, 1)
    if batch is not None and data is None and test_data is None:
        raise UsageError("batch_size was given without data: it is that of arrays")
    feeds = [
        None if given is None else Feed(name, given, batch, name == "data")
        for name, given in (("data", data), ("test_data", test_data))
    ]
    return Given(_read(net), net if isinstance(net, CaffeNet) else None, *feeds)


def _read(net: Any) -> ParsedNet | None:
    """The net of a file, a text or a CaffeNet."""
    if isinstance(net, CaffeNet):
        message = graph_message(net.graph)
        for layer in message.layer:  # all are of the net, which both phases have now
            layer.ClearField("include")
            layer.ClearField("exclude")
        return upgraded(message, net.path)
    if isinstance(net, str) and "{" in net:
        return read_net(net.encode())
    if net is None:
        return None
    instance("net", net, (str, os.PathLike), "the name of a .prototxt, its text, or a CaffeNet")
    return read_net(file_name(net))


def set_whole_tests(training: CaffeTraining, left_open: Iterable[str]) -> None:
    """Settings that the number of rows decides, now that it is known: all of them are a test, and one per epoch."""
    for name in left_open:
        if name == "test_iter" and not training.tests:  # another rank has them
            continue
        fed, shards = (training.tests[0], 1) if name == "test_iter" else (training.trainer.fed, training.shards)
        batches = next(source.batches for _, source in fed.sources.values() if isinstance(source, ArrayRows))
        batches = -(-batches // shards)
        values: dict[str, Any] = {name: (batches,) if name == "test_iter" else batches}
        training.parsed.settings = replace(training.parsed.settings, **values)
