"""A solver: its nets, trained and tested as `caffe train` does."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...arguments import seed_number
from ...engine.compiler.cpu import LANES
from ...engine.graph.plan.shard_sums import add_shard
from ...engine.graph.plan.update_steps import UPDATE_KERNELS
from ...engine.parameters.shards import add_parts, check_shards
from ...errors import InputError, UsageError
from ...formats.caffe.solver import ParsedSolver, read_solver
from ...formats.plain_datums import find_pixels
from ...formats.transform import transform_bytes, transform_floats
from ...ranks.group import Group, SoloGroup
from ...ranks.together import on_first
from ..data.shards import ShardOrder
from ..net import CaffeNet, Outputs
from ..weights import copy_weights
from .events import Passed, Resumed, Tell, Testing, WeightsLoaded, ignore, listed
from .nets import FedNet, Given, Place, build, find_named, origins
from .sharded_net import ShardedNet
from .snapshot import restore, write_snapshot
from .trace import split_layers
from .trained_net import TrainedNet

NOTHING = Given()
GoOn = Callable[[], bool]
KERNELS = (*UPDATE_KERNELS, find_pixels, transform_bytes, transform_floats)  # that any solver may call
SHARD_KERNELS = (add_shard, add_parts)  # and one with shards


class CaffeTraining:
    """Trains the net of a solver file, or of one that was read, and tests it. `max_iter` and `weights`, names of files,
    are in place of the solver's own, `given` in place of its data; `level` and `stages` as of `caffe train`.

    Each batch is cut into `shards`, which the ranks of a `group` share: each rank makes one of these. Rank 0 alone has
    tests, and writes."""

    def __init__(
        self, path: str | os.PathLike[str] | ParsedSolver, *, level: int | None = None, stages: Sequence[str] = (),
        threads: int | None = None, seed: int | None = None, max_iter: int | None = None,
        weights: Sequence[str] | None = None, given: Given = NOTHING, shards: int = 1, group: Group | None = None,
    ):  # fmt: skip
        self.group, self.shards = group or SoloGroup(), shards
        check_shards(shards, self.group.size, shards)
        self.parsed = path if isinstance(path, ParsedSolver) else read_solver(path)
        if max_iter is not None:
            self.parsed.settings = replace(self.parsed.settings, max_iter=max_iter)
        settings = self.parsed.settings
        self.seed_is_free = seed is None and settings.random_seed < 0
        self.seed = seed_number(seed if seed is not None else max(0, int(settings.random_seed)))
        draws = np.random.default_rng(self.seed)
        train, tests = origins(self.parsed, given.net)
        order = self._order()
        data = replace(given.data, shards=shards, passes=settings.iter_size) if given.data else None
        fed = build(train, "TRAIN", draws, self.seed, threads, level=level, stages=stages, given=data, order=order)
        if given.weights:
            fed.net.share_with(given.weights)
        self.trainer = ShardedNet(self.parsed, fed, self.group) if order else TrainedNet(self.parsed, fed)
        tests = tests if self.group.rank == 0 else []
        self.tests = [build(test, "TEST", draws, self.seed, threads, given=given.test_data) for test in tests]
        self.marks: list[Place] | None = None  # where tests were that are to begin again after a resume
        for number in range(len(self.tests)):
            self._share(number)
        self.load_weights(self.own_weights if weights is None else weights)

    def _order(self) -> ShardOrder | None:
        """In which batches are taken; None without shards. Raises InputError for a trace, which is of one net."""
        if self.shards == 1:
            return None
        if self.parsed.settings.debug_info:
            hint = f"it traces one net, and there are {self.shards} shards"
            raise self.parsed.error("debug_info", "debug_info: true", "false", hint)
        own = self.shards // self.group.size
        return ShardOrder(self.shards, self.group.rank * own, own)

    @property
    def net(self) -> CaffeNet:
        return self.trainer.fed.net

    @property
    def test_nets(self) -> list[CaffeNet]:
        return [fed.net for fed in self.tests]

    @property
    def iter(self) -> int:
        return self.trainer.iteration

    @property
    def facts(self) -> dict[str, Any]:
        """What all ranks must have alike, by the words for it in messages. How many passes a test has may be known to
        rank 0 alone."""
        settings = replace(self.parsed.settings, test_iter=())
        return {
            "width of vectors (CAFFE64_LANES sets it)": LANES,
            "settings": f"{zlib.crc32(repr(settings).encode()):08x}",
            "number of shards": self.shards,
            "seed": self.seed,
            "iteration": self.iter,
            "weights": f"{zlib.crc32(self.trainer.owner.vector.data):08x}",
        }

    @property
    def own_weights(self) -> list[str]:
        """The files that the solver's `weights` name. Raises InputError."""
        names = ",".join(self.parsed.settings.weights).split(",") if self.parsed.settings.weights else ()
        return [str(find_named(self.parsed, "weights", name.strip(), self.net.notices)) for name in names]

    def load_weights(self, names: Sequence[str], tell: Tell = ignore) -> None:
        """Take the weights of these files in the layers that they have by name, of the test nets as well; later ones
        overwrite. Raises InputError."""
        for number, net in ((None, self.net), *enumerate(self.test_nets)):
            for name in names:
                ignored = load_weights(net, name, needed=number is None)
                tell(WeightsLoaded(name, ignored, number))

    def snapshot(self) -> tuple[str, str]:
        """Write a .caffemodel and a .solverstate; returns their names."""
        self.trainer.gather()
        return on_first(self.group, lambda: write_snapshot(self))

    def restore(self, path: str | os.PathLike[str], tell: Tell = ignore) -> None:
        """Go on from a .solverstate."""
        restore(self, path)
        tell(Resumed(os.fspath(path)))

    def mark_tests(self) -> None:
        """Tests begin: a snapshot among them is one from before them, since they are run again when it is resumed."""
        self.marks = [fed.place for fed in self.tests]

    def test(self, number: int, go_on: GoOn = lambda: True, tell: Tell = ignore) -> tuple[np.float32, Outputs] | None:
        """The mean loss and outputs of a test net with the present weights over its test_iter passes; None if before
        one of these `go_on` was False."""
        ignored = self._share(number)
        tell(Testing(self.iter, number, ignored))
        return mean_of_passes(self.tests[number], self.parsed.settings.test_iter[number], go_on, tell)

    def _share(self, number: int) -> list[str]:
        """Let a test net use the weights of the train net; returns the layers of this that it does not have."""
        net = self.test_nets[number]
        try:
            net.share_with(self.net)
        except UsageError as error:
            raise InputError(net.path, f"test net {number}: {error}", "the train net's shapes") from None
        own = layer_names(net)
        return [name for name in layer_names(self.net) if name not in own]


def layer_names(net: CaffeNet) -> list[str]:
    """As in Caffe, of its Split layers too."""
    return [message.name for message, _, _ in split_layers(net.graph)]


def load_weights(net: CaffeNet, path: str, *, needed: bool) -> list[str]:
    """Take the weights of a file, of which the net must have some layers if `needed`; returns those that it lacks."""
    copied, own = copy_weights(net.graph, path, needed=needed), layer_names(net)
    return [name for name in copied.layers if name not in own]


def mean_of_passes(
    fed: FedNet, count: int, go_on: GoOn = lambda: True, tell: Tell = ignore
) -> tuple[np.float32, Outputs] | None:
    """The mean loss and outputs of so many passes; None if before one of these `go_on` was False."""
    losses, total, first = np.float32(0), np.float32(0), 0
    sums: dict[str, np.ndarray] = {}
    for number in range(count):
        if not go_on():
            return None
        loss, outputs = fed.forward(tell)
        tell(Passed(number, count, listed(fed.net, outputs)))
        first = first or max(fed.rows, 1)
        weight = np.float32(fed.rows / first)  # 1 but for batches of other sizes
        with np.errstate(all="ignore"):
            losses, total = losses + weight * loss, total + weight
            for name, values in outputs.items():
                sums[name] = sums[name] + weight * values if name in sums else weight * values
    share = total or np.float32(1)
    return losses / share, {name: values / share for name, values in sums.items()}
