"""The public classes: a net of text files and arrays. `caffe64/__init__.py` exports them on first use."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np

from .arguments import flag, function
from .conversion import ArrayLike
from .engine.compiler.jit import Kernel
from .engine.textnet.evaluation import Evaluation
from .engine.textnet.layout import LayerInfo
from .engine.textnet.loops import loop_kernel
from .engine.textnet.model import Model
from .engine.textnet.named_arrays import NetLayer, net_layers, tensor_shapes
from .engine.textnet.one_hot import OneHot, one_hot_plan
from .engine.textnet.predict import run_rows
from .engine.textnet.rates import RateFunction
from .engine.textnet.records import EpochRecord
from .engine.textnet.row_weights import ClassWeight
from .engine.textnet.stopping import Stopping
from .engine.textnet.training import Training
from .errors import InputError, UsageError
from .formats.content import is_bundle
from .formats.files import memory_bytes
from .formats.network import GRAMMAR, NetSpec, parse_network, read_network, write_network
from .formats.optimizer import Optimizer
from .formats.weights import read_weights, write_weights
from .ranks.group import Group
from .ranks.together import check_alike

if TYPE_CHECKING:
    from .caffe.net import CaffeNet

    Path = str | os.PathLike[str]
    Phase = str | int
    Stages = Sequence[str] | None

__all__ = ["EpochRecord", "Evaluation", "History", "LayerInfo", "Net", "Training"]


@dataclass(repr=False)
class History:
    """The result of `Net.fit`: one record per epoch, and the evaluation after it where validation data was given."""

    epochs: list[EpochRecord] = field(default_factory=list)
    validation: list[Evaluation] = field(default_factory=list)

    @property
    def loss(self) -> list[float]:
        """Mean training loss of each epoch."""
        return [record.loss for record in self.epochs]

    @property
    def best_epoch(self) -> int | None:
        """The number of the epoch with the lowest validation loss, the first of several; None without a validation."""
        best = self._best()
        return None if best is None else best[1]

    def _best(self) -> tuple[float, int] | None:
        """The lowest validation loss, and its epoch."""
        pairs = [(scores.loss, record.epoch) for record, scores in zip(self.epochs, self.validation, strict=False)]
        return min((pair for pair in pairs if pair[0] < math.inf), default=None)

    def __repr__(self) -> str:
        facts = [f"{len(self.epochs)} epochs", *(f"last loss {loss:.6g}" for loss in self.loss[-1:])]
        if best := self._best():
            facts.append("lowest validation loss {:.6g} in epoch {}".format(*best))
        return f"History({', '.join(facts)})"


class _TextNet(Model):
    """`Net` apart from pycaffe's ways to call it: type checkers look at the `__new__` of a class that has no `__init__`
    of its own."""

    def __init__(self, net: NetSpec | str):
        super().__init__(net if isinstance(net, NetSpec) else parse_net(net))
        needed = 3 * 4 * self.plan.parameter_total  # parameters, velocity, and a copy while saving
        memory = memory_bytes()
        if needed > memory:
            raise InputError(
                "<net>",
                f"has {self.parameter_count} parameters, which take {needed / 2**30:.1f} GiB to train",
                f"less than this machine's {memory / 2**30:.1f} GiB",
            )


class Net(_TextNet):
    """A text net.  Net("inp 784 100 / lin 100 -2 / rel / lin 10 -2 / sce"), or Net.read("network5.txt").

    The text is the network file's lines, separated by newlines or ' / ', with or without the count in front; a
    `NetSpec` is taken as well. A pickle holds the text and the weights. Raises InputError for a wrong net or one that
    does not fit into memory, UsageError for a text that is not a net, such as the name of a file.

    With more arguments it is a Caffe net, as in pycaffe: Net(prototxt, caffemodel, phase) gives a `CaffeNet`.
    """

    @overload
    def __new__(cls, net: NetSpec | str) -> Self: ...
    @overload
    def __new__(  # type: ignore[misc]  # a net of another class
        cls, network_file: Path, phase: Phase, level: int = 0, stages: Stages = None, weights: Path | None = None
    ) -> CaffeNet: ...
    @overload
    def __new__(  # type: ignore[misc]
        cls, network_file: Path, weights: Path, phase: Phase = ...
    ) -> CaffeNet: ...
    @overload
    def __new__(  # type: ignore[misc]
        cls,
        *,
        network_file: Path,
        phase: Phase = ...,
        level: int = 0,
        stages: Stages = None,
        weights: Path | None = None,
    ) -> CaffeNet: ...
    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        if cls is not Net or (len(arguments) + len(options) < 2 and "network_file" not in options):
            return super().__new__(cls)
        from .caffe.pycaffe import open_net

        return open_net(*arguments, **options)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Net:
        """The net of a network file. Raises InputError with file, line and column."""
        spec = read_network(path)
        try:
            return cls(spec)
        except InputError as error:
            raise InputError(path, error.found, error.expected, error.hint) from None

    @property
    def spec(self) -> NetSpec:
        """The net as in its file."""
        return self.plan.spec

    @property
    def layers(self) -> tuple[NetLayer, ...]:
        """One entry per line: word, text, inputs, outputs, parameters (their number), macs (multiply-accumulates per
        row), and, by their names, its arrays of parameters: `net.layers[1].W` [F, K] and `.b` [K] of lin. They are
        copies, read-only; `net.layers[1].W = array` changes the net. Raises UsageError for arrays without weights."""
        return net_layers(self)

    def kernels(
        self,
        *,
        training: bool = True,
        one_hot: bool = False,
        shards: int = 1,
        optimizer: Optimizer | None = None,
    ) -> list[Kernel[*tuple[Any, ...], Any]]:
        """The kernels that training, or else prediction, calls with this net, on arrays or else on `OneHot` inputs; by
        `optimizer`, None for plain gradient descent."""
        plan = one_hot_plan(self.plan) if one_hot else self.plan
        return [loop_kernel(plan, shards, optimizer) if training else run_rows, *plan.kernels(training=training)]

    def compile(self, *, training: bool = True, one_hot: bool = False, optimizer: Optimizer | None = None) -> None:
        """Compile those kernels now, so that the first call of `fit` or `predict` is as fast as the next."""
        for kernel in self.kernels(training=training, one_hot=one_hot, optimizer=optimizer):
            kernel.compile()

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the network file."""
        write_network(path, self.spec)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the weights file, aside and then renamed.

        Raises UsageError without weights and for some that are not finite, OutputError where it cannot be written.
        """
        write_weights(path, self.layer_parameters())

    def load(self, path: str | os.PathLike[str]) -> Net:
        """Read a weights file of this net, the weights of a .c64 bundle, or a .safetensors of `export_safetensors`.

        Returns the net. Raises InputError."""
        infos = self.plan.infos
        sizes, texts = [info.parameters for info in infos], [info.text for info in infos]
        if is_bundle(path):
            from .formats.bundle import read_bundle

            blobs = read_bundle(path, sizes, texts).weights
        else:
            blobs = read_weights(path, sizes, texts, tensor_shapes(self.plan))
        self.parameters = self.unpack(np.concatenate(blobs))
        return self

    def fit(
        self,
        X: ArrayLike | OneHot,
        Y: ArrayLike,
        optimizer: Optimizer,
        *,
        validation: tuple[ArrayLike | OneHot, ArrayLike] | None = None,
        seed: int = 0,
        threads: int | None = None,
        shuffle: bool = True,
        shards: int = 1,
        group: Group | None = None,
        fresh: bool = False,
        remainder: bool = False,
        class_weight: ClassWeight | None = None,
        sample_weight: ArrayLike | None = None,
        schedule: RateFunction | None = None,
        patience: int | None = None,
        keep_best: bool = False,
        on_epoch: Callable[[EpochRecord, Evaluation | None], None] | None = None,
    ) -> History:
        """Train on X [N, F] or a `OneHot`, and Y [N] or [N, T], for all epochs of `optimizer`, from the present weights
        if any.

        A further call continues as one run would: ten calls of one epoch end with the same bits as one of ten. The
        velocity of the momentum is kept, epochs are counted on, and so the order of the rows and the drops of the rate
        come as they would. Other data or another seed change only what comes now; another base rate, step, factor or
        kind of schedule begins its own schedule now, as cosine always does, and another rule its own histories.
        `fresh=True` begins a new run from the present weights: epoch 1, no velocity. `load`, `initialise`, assigning
        `parameters` and Diverged have the same effect, and pickles and copies of a net begin anew. An epoch that an
        exception ended is done again from its start.

        `remainder=True` trains on the rows that do not fill the last minibatch of an epoch too. `class_weight` is
        "balanced" (classes weigh alike, however many rows they have), a weight for each class, or a dict of some by
        number; `sample_weight` [N] weighs rows. Weights multiply losses and gradients, of which means are over the rows
        all the same. `schedule(t)`, called once per minibatch, gives its learning rate in place of the optimizer's,
        where t epochs are done, with the fraction of the present one.

        `validation` is a pair (X, Y), checked before the first epoch and evaluated after each; then
        `on_epoch(record, evaluation)` is called. `patience` epochs of this call without a lower validation loss end it;
        `keep_best` ends it with the weights of the epoch that had the lowest, `best_epoch` of the history. If that is
        not the last one, a further call begins a new run.

        The result depends on `seed`, a whole number from 0 to 2**64 - 1, and not on `threads`, None for as many as pay
        off. Its last bits depend on `shards`, a power of two of parts in which each minibatch is summed, and not on how
        many processes share these: `group=caffe64.MpiGroup()`, where MPI has started several. All make the same calls
        with the same arguments, and end with the same weights and history.

        Raises UsageError, LabelError and NotFinite before anything is trained, and Diverged, with the weights as they
        were before the minibatch whose loss is not finite.
        """
        function("on_epoch", on_epoch)
        fresh, before = flag("fresh", fresh), self.progress
        stopping = Stopping(patience, keep_best)
        if stopping and validation is None:
            raise UsageError("patience and keep_best compare validation losses: they need validation=(X, Y)")
        held_out = None if validation is None else self.checked(*_pair(validation), ("validation X", "validation Y"))
        run = Training(
            self, X, Y, optimizer, seed=seed, threads=threads, shuffle=shuffle, shards=shards, group=group,
            remainder=remainder, class_weight=class_weight, sample_weight=sample_weight, schedule=schedule,
        )  # fmt: skip
        check_alike(run.group, {"patience": patience, "keep_best": keep_best})
        if before and not fresh:
            run.go_on(before)
        history = History()
        while not run.finished and not stopping.done:
            history.epochs.append(run.run_epoch())
            evaluation = self.score(held_out, threads=threads) if held_out else None
            if evaluation:
                history.validation.append(evaluation)
                if stopping:  # by one rank's loss: hosts may round it differently
                    stopping.note(history.epochs[-1].epoch, run.group.broadcast(evaluation.loss), self)
            if on_epoch:
                on_epoch(history.epochs[-1], evaluation)
        stopping.restore(self)
        return history

    def _repr_html_(self) -> str:
        from .summaries import summarise_text

        return summarise_text(self)._repr_html_()

    def __repr__(self) -> str:
        return f"Net({' / '.join(info.text for info in self.plan.infos)!r})"


def _pair(validation: object) -> tuple[Any, Any]:
    if not isinstance(validation, (tuple, list)) or len(validation) != 2:
        raise UsageError(f"validation is of the type {type(validation).__name__}, expected a pair (X, Y)")
    X, Y = validation
    return X, Y


def _is_not_a_net(text: object) -> bool:
    """True for anything but a text, and for a text that is the name of a file."""
    if not isinstance(text, str):
        return True
    return "\n" not in text and (os.path.exists(text) or (len(text.split()) == 1 and text.strip() not in GRAMMAR))


def parse_net(text: str, *, features: int | None = None, outputs: int | None = None) -> NetSpec:
    """The net of a text as `Net` takes it, with these numbers for `?`. Raises UsageError, InputError."""
    if _is_not_a_net(text):
        shown = repr(text) if isinstance(text, (str, os.PathLike)) else f"of the type {type(text).__name__}"
        expected = "its text, such as 'inp 4 10 / lin 3 -1 / sce'"
        reader = "load_caffe reads a Caffe net" if "prototxt" in shown else "caffe64.Net.read reads a file"
        raise UsageError(f"the net is {shown}, expected {expected} ({reader})")
    lines = [line for line in text.replace(" / ", "\n").splitlines() if line.strip()]
    if lines and not lines[0].strip().isdigit():
        lines.insert(0, str(len(lines)))
    return parse_network("\n".join(lines), features=features, outputs=outputs)
