"""`caffe64.Solver`: training from Python, by pycaffe's names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np

from ...arguments import file_name, flag, function, instance, names, whole_number
from ...conversion import ArrayLike
from ...engine.graph.analysis.need_backward import loss_blobs
from ...errors import InputError, UsageError
from ...formats.caffe.solver import ParsedSolver, parse_solver, read_solver, with_settings
from ...ranks.agreement import agree
from ...ranks.group import Group, SoloGroup
from ...ranks.together import check_alike
from ..net import CaffeNet
from ..pycaffe_words import SOLVER_HINTS, hint
from .events import Event, Stepped
from .given import given_data, set_whole_tests
from .history import SolverHistory
from .keywords import given_settings
from .loop import TrainingLoop
from .nets import Given
from .param import SolverParam
from .solver import CaffeTraining

Path = str | os.PathLike[str]
Arrays = tuple[ArrayLike, ...] | Mapping[str, ArrayLike] | ArrayLike
Data = Arrays | Iterable[Mapping[str, ArrayLike]]
Callback = Callable[[], object]
FORM = "Solver('solver.prototxt'), or Solver(net=..., base_lr=..., data=(X, Y))"
NO_NET = 'net: "net" lr_policy: "fixed"'  # of a solver without a file


class Solver:
    """Trains a Caffe net as `caffe train` does.  Solver("solver.prototxt"), or without such a file:

        solver = caffe64.Solver(net="net.prototxt", type="Adam", momentum=0.9, base_lr=0.001,
                                data=(X, Y), test_data=(X_test, Y_test), batch_size=64, max_iter=1000)
        history = solver.solve()

    `net` is a .prototxt, its text, or a CaffeNet, whose own weights are trained then. All fields of a solver are
    keywords (test_iter=[10], snapshot_format="HDF5"), also over those of a file; lr_policy is "fixed" unless given.

    `data` takes the place of the net's data layers and inputs: arrays with a row per example, (X, Y) in their order or
    a dict by top, or a `DataSource`, an iterable of dicts of batches. Arrays are shuffled anew in each epoch, by the
    seed, `batch_size` rows at a time (the data layer's own, 64 for an Input layer). The first array goes through its
    layer's transform_param, pictures [N, channels, height, width]. `test_data` likewise, in order; all its rows are one
    test, unless there is a test_iter, and there is a test per epoch, unless there is a test_interval.

    net, test_nets    CaffeNets; net.forward() takes the next batch, as a step does
    iter              updates so far
    param             the settings by their names; param.base_lr can be set
    history           SolverHistory: losses, rates and test scores

    After a step, `net.params[...].diff` holds what was subtracted from the weights, as in Caffe; what is written into
    `data` counts from then on. `seed` is in place of random_seed, `level` and `stages` are those of the train net. The
    result does not depend on `threads`, None for as many as pay off. A loss that is not finite raises Diverged before
    the update, unless `keep_going`. Without a file, snapshots are written only with a snapshot_prefix. One Solver is
    for one thread at a time. It cannot be pickled: `snapshot` and `restore` keep a training.

    Each batch is cut into `shards`, a power of two, whose gradients are added in a fixed order; `net` takes the rows of
    one. The last bits of the result depend on their number, and not on how many processes share them:
    `group=caffe64.MpiGroup()`, where MPI has started several. All make the same calls with the same arguments; the one
    of rank 0 runs the tests and writes.

    Raises UsageError for wrong arguments, InputError for files.
    """

    _type: ClassVar[str | None] = None

    def __init__(
        self,
        solver_file: Path | None = None,
        *,
        net: Path | CaffeNet | None = None,
        data: Data | None = None,
        test_data: Data | None = None,
        batch_size: int | None = None,
        level: int | None = None,
        stages: Sequence[str] = (),
        seed: int | None = None,
        threads: int | None = None,
        shards: int = 1,
        group: Group | None = None,
        keep_going: bool = False,
        **settings: Any,
    ):
        if (solver_file is None) == (net is None):
            raise UsageError(f"a solver has a file or a net, {'both' if net is not None else 'none'} given: {FORM}")
        self._has_file, keep_going = solver_file is not None, flag("keep_going", keep_going)
        self._left_open: list[str] = []
        self._lacks_rate = not self._has_file and "base_lr" not in settings
        shards = whole_number("shards", shards, 1)
        self._group = SoloGroup() if group is None else instance("group", group, Group, "caffe64.MpiGroup()")

        def make() -> CaffeTraining:
            given = given_data(net, data, test_data, batch_size)
            return CaffeTraining(
                self._parsed(solver_file, given, settings),
                level=level,
                stages=names("stages", stages, "names of stages"),
                threads=threads,
                seed=seed,
                given=given,
                shards=shards,
                group=self._group,
            )

        self._training = agree(self._group, make)
        check_alike(self._group, self._training.facts)
        if net is not None and not loss_blobs(self.net.graph.nodes):
            raise UsageError("the net has no loss: nothing can be trained")
        set_whole_tests(self._training, self._left_open)
        self._after: list[Callback] = []
        self._loop = TrainingLoop(self._training, self._tell, keep_going=keep_going)
        self._begin_history()

    def _parsed(self, path: Path | None, given: Given, settings: Mapping[str, Any]) -> ParsedSolver:
        """The settings of the file and the keywords."""
        values = given_settings(settings)
        if self._type and values.setdefault("type", self._type) != self._type:
            raise UsageError(f"type is {values['type']!r}, expected {self._type!r} for {type(self).__name__}")
        if path is not None:
            parsed = read_solver(file_name(path))
        else:
            parsed = parse_solver(NO_NET, given.net.path if given.net else "<net>")
            values.setdefault("snapshot_after_train", "snapshot_prefix" in values)
            if values.get("snapshot", 0) > 0 and "snapshot_prefix" not in values:
                raise UsageError(f"snapshot is {values['snapshot']}, and there is no snapshot_prefix for the files")
        if given.test_data and not (parsed.settings.test_iter or "test_iter" in values):
            if not given.test_data.is_rows:
                raise UsageError("test_data are batches, and there is no test_iter: how many make a test")
            values["test_iter"] = (1,)
            self._left_open.append("test_iter")
        tests = values.get("test_iter", parsed.settings.test_iter)
        if given.test_data and len(tests) != 1:
            raise UsageError(f"test_data is for one test net, the solver has {len(tests)}")
        if tests and not given.test_data and path is None:
            raise UsageError("test_iter was given, and there is no test_data")
        if tests and "test_interval" not in values and parsed.settings.test_interval <= 0:
            if not (given.data and given.data.is_rows):
                raise UsageError("there is test_data, and no test_interval: the iterations between two tests")
            values["test_interval"] = 1
            self._left_open.append("test_interval")
        try:
            return with_settings(parsed, values)
        except InputError as error:
            raise UsageError(f"{error.found}, expected {error.expected}") from None

    @property
    def net(self) -> CaffeNet:
        """The net that is trained."""
        return self._training.net

    @property
    def test_nets(self) -> list[CaffeNet]:
        """The nets that test it, which have the same weights."""
        return self._training.test_nets

    @property
    def iter(self) -> int:
        """The number of updates so far."""
        return self._training.iter

    @property
    def type(self) -> str:
        """The update rule: SGD, Nesterov, AdaGrad, RMSProp, AdaDelta or Adam."""
        return self._training.parsed.settings.type

    @property
    def param(self) -> SolverParam:
        """The settings."""
        return SolverParam(self._training)

    @property
    def history(self) -> SolverHistory:
        """Losses, rates and test scores since the start, or since `restore`."""
        return self._history

    def step(self, count: int = 1) -> None:
        """So many iterations, whatever max_iter is, with the tests and snapshots that fall among them. Raises Diverged,
        InputError, OutputError, and what a callback raises."""
        self._check_ready()
        self._loop.steps(whole_number("the number of iterations", count, 0))

    def solve(self, resume_file: Path | None = None) -> SolverHistory:
        """All iterations up to max_iter, after them a snapshot, unless snapshot_after_train is false, and a test if one
        falls there; from the state `resume_file`, if given. Returns `history`. Raises as `step`."""
        if resume_file is not None:
            self.restore(resume_file)
        if not self._has_file and self._training.parsed.settings.max_iter == 0:
            raise UsageError("there is no max_iter: how many iterations to solve")
        self._check_ready()
        self._loop.solve()
        return self._history

    def test(self) -> list[dict[str, np.ndarray]]:
        """Run the test nets on their next test_iter batches: the means of the outputs of each, by name. They are added
        to `history`."""
        self._loop.test()
        return [{name: values[-1] for name, values in test.scores.items()} for test in self._history.tests]

    def snapshot(self) -> tuple[str, str]:
        """Write the weights and the state, PREFIX_iter_N.caffemodel and .solverstate; returns their names. Raises
        UsageError without a prefix, OutputError."""
        if not self._has_file and self._training.parsed.settings.snapshot_prefix is None:
            raise UsageError("there is no snapshot_prefix, with which the names of the files begin")
        return self._training.snapshot()

    def restore(self, path: Path) -> None:
        """Go on from a .solverstate, or .solverstate.h5: from one that this package wrote, with the bits of a training
        that was not interrupted. Raises InputError."""
        agree(self._group, lambda: self._training.restore(file_name(path)))
        check_alike(self._group, self._training.facts)
        self._begin_history()

    def add_callback(
        self,
        on_start: Callback | None = None,
        on_gradients_ready: Callback | None = None,
        after_update: Callback | None = None,
    ) -> None:
        """Functions without arguments that each iteration calls: at its start, after the tests; when the gradients of
        its passes are in `net.params[...].diff`, before they are clipped and used, as in pycaffe; and after the
        update. What they raise ends `step`; what the first two raise, before anything is changed."""
        calls = ("on_start", on_start), ("on_gradients_ready", on_gradients_ready), ("after_update", after_update)
        start, ready, after = (function(name, call) for name, call in calls)
        trainer = self._training.trainer
        if ready and self._group.size > 1:
            raise UsageError(
                "on_gradients_ready cannot be called over several ranks, none of which has whole gradients"
            )
        for call, where in ((start, trainer.on_start), (ready, trainer.on_gradients), (after, self._after)):
            if call is not None:
                where.append(call)

    def apply_update(self) -> None:
        """One update by the gradients that are in `net.params[...].diff`, such as those of `net.backward()`, with the
        rate of this iteration; counted by `iter`."""
        self._training.trainer.apply_update()

    def _check_ready(self) -> None:
        """Raises UsageError where the net would be trained on zeros alone, or nothing learned."""
        if self._lacks_rate and not self._training.parsed.settings.base_lr:
            raise UsageError("base_lr was not given, the learning rate: nothing would be learned")
        net, fed = self.net, {top for tops, _ in self._training.trainer.fed.sources.values() for top in tops}
        own = [name for name in net.needed_inputs if name not in fed]
        if own and not self.iter and not net._rows and not any(net.blobs[name].data.any() for name in own):
            hint = "data=(X, Y), or write into net.blobs[...].data before each step"
            raise UsageError(f"nothing gives the net {' and '.join(map(repr, own))}, zeros so far ({hint})")

    def _tell(self, event: Event) -> None:
        self._history.add(event)
        if isinstance(event, Stepped):
            for call in self._after:
                call()

    def _begin_history(self) -> None:
        self._history = SolverHistory(len(self.test_nets))

    def __getstate__(self) -> NoReturn:
        raise UsageError("a Solver cannot be pickled or copied: snapshot and restore keep a training, net.save the net")

    if not TYPE_CHECKING:  # type checkers would take any name for an attribute

        def __getattr__(self, name: str):
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}{hint(name, SOLVER_HINTS)}")

    def __repr__(self) -> str:
        path = self._training.parsed.path
        return f"{type(self).__name__}({path!r}, {self.type}, iteration {self.iter}, {self.net!r})"
