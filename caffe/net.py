"""A Caffe net that runs, forward and backward, with its blobs and weights by the names of pycaffe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ..arguments import flag, instance
from ..conversion import ArrayLike, as_numbers
from ..engine.graph.analysis.shapes import infer_shapes
from ..engine.graph.execution.session import Session
from ..engine.graph.ir.graph import Blob, Graph, Shape
from ..engine.graph.ir.ownership import WeightGradients
from ..engine.team.threads import check_threads
from ..errors import UsageError
from .batches import MemoryRows, forward_all
from .blob import Array, checked_shape, resized
from .gradients import NetGradients
from .layers import NetTables
from .net_weights import NetWeights
from .pycaffe_words import NET_HINTS, hint
from .weights import weight_arrays

if TYPE_CHECKING:
    from ..engine.graph.plan.update import WeightUpdate

NET = "a caffe64.CaffeNet, such as load_caffe returns"
Name = str | None
Names = Sequence[str] | None
Outputs = dict[str, np.ndarray]
UNPICKLED = ("_arrays", "_session", "_has_run", "_gradients", "_rows", "_feed", "_named", "blobs", "losses")


class CaffeNet(NetTables, NetWeights):
    """A Caffe net that runs. `graph` is its graph, `notices` the reader's messages, `path` its file.

    inputs, outputs    names, in the order of the file, and sorted; needed_inputs: without unread ones
    blobs              name -> Array, of the net as it was last shaped
    params             name of a layer -> its Arrays: weights, bias, ...
    layers, ...        as in pycaffe, see `NetTables`

    `forward` and `backward` let blobs share memory, and layers run inside each other. The first access to the `data` of
    a blob that is neither an input nor an output repeats the last run and makes the net keep all of them, which takes
    more memory, hardly more time. From the first access to the `diff` of a blob on, or the first run of some layers
    only, each layer runs by itself, which is slower. `threads`: None for as many as pay off;
    `exact`: convolutions as plain sums, without Winograd's algorithm, which is faster and loses some digits. A pickle
    or a copy holds the net, its shapes and its weights; values of blobs and gradients are not included.

    LSTM and RNN without expose_hidden, and Lstm with clip, begin each `forward` with the state that the one before has
    left, in each stream whose cont (clip) is not 0 at the first step; a new net, a copy and a reshaped one with zeros.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        path: str = "<net>",
        notices: Sequence[str] = (),
        threads: int | None = None,
        exact: bool = False,
    ):
        self.graph = instance("the graph", graph, Graph, "that of a net: load_caffe reads files")
        self.path, self.notices = path, list(notices)
        self.threads, self.exact = check_threads(threads), flag("exact", exact)
        self._shapes: dict[str, Shape] = {}
        self._with_gradients = graph.phase == "TRAIN" or graph.force_backward
        self._begin()

    def _begin(self) -> None:
        """Without values yet."""
        self._arrays: dict[Blob, np.ndarray] = {}  # of inputs
        self._session: Session | None = None
        self._has_run = False
        self._gradients = NetGradients(self.graph)
        self._rows = MemoryRows(self.graph)
        self._feed: Callable[[], None] | None = None  # gives the inputs the next batch of a solver's data

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in UNPICKLED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin()

    @property
    def shapes(self) -> dict[Blob, Shape]:
        """The shape of each blob of the graph."""
        return self._session.shapes if self._session else infer_shapes(self.graph, self._shapes)

    @property
    def session(self) -> Session:
        """The net prepared for its present input shapes."""
        return self._prepare(self._shapes) if self._session is None else self._session

    @cached_property
    def blobs(self) -> dict[str, Array]:
        inputs = self.graph.inputs
        return {
            name: Array(
                name,
                shape=partial(self._shape, blob),
                data=partial(self._data, blob),
                diff=partial(self._diff, blob),
                reshape=partial(self._reshape_input, blob) if blob in inputs else None,
            )
            for name, blob in self._named.items()
        }

    @property
    def params(self) -> dict[str, list[Array]]:
        if self._session:
            self._session.weights_before.keep()
        return weight_arrays(self.graph, self._gradients)

    def reshape(self, **shapes: Shape) -> None:
        """Shape the net for inputs of other shapes, by name; without any, for those that their blobs were given.

        Raises InputError where a layer does not fit them, and then changes nothing.
        """
        wanted = {**self._shapes, **{name: checked_shape(name, shape) for name, shape in shapes.items()}}
        if self._session is None or infer_shapes(self.graph, wanted) != self._session.shapes:
            self._prepare(wanted)
        self._shapes = wanted

    @overload  # `blobs` would be one of **inputs for a type checker, and is what [misc] is about
    def forward(self, **inputs: ArrayLike) -> Outputs: ...
    @overload
    def forward(self, blobs: Names, **inputs: ArrayLike) -> Outputs: ...
    @overload
    def forward(self, blobs: Names = None, start: Name = None, end: Name = None, **inputs: ArrayLike) -> Outputs: ...
    def forward(self, blobs: Names = None, start: Name = None, end: Name = None, **inputs: ArrayLike) -> Outputs:  # type: ignore[misc]
        """Run the net on all its inputs, by name, arrays of any shape that it takes; without any, on their present
        values.

        `start` and `end` are the names of the first and the last layer to run, if not all. Returns, by name, copies of
        its outputs, or of the tops of the layer `end`, and of `blobs`, float32. Raises UsageError for a missing or an
        unknown input, layer or blob; an input that no output depends on may be missing.
        """
        layers = None if start is None and end is None else self._range(start, end)
        wanted = self._chosen("blobs", blobs)
        self._fill(inputs)
        if not inputs and (layers is None or layers[0] == 0):
            self._take_batch()
        session = self.session
        if layers is not None:
            session.kept_plan()  # it repeats the last run, on the random numbers of that
        self.graph.streams.iteration += 1
        if layers is None:
            session.forward()
        else:
            session.run_layers(*layers)
        self._has_run = True
        given = self.graph.outputs if layers is None or end is None else self.graph.nodes[layers[1]].tops
        # an output that was made in place of an input has its name, and is what a caller asks for by that
        return {blob.name: session.array(blob).copy() for blob in (*wanted, *given)}

    def _take_batch(self) -> None:
        """The next values of the inputs, where there is something that gives them."""
        if self._rows:
            self._fill(self._rows.take())
        if self._feed:
            self._feed()

    def _iterate(self, update: WeightUpdate, *, first: bool, last: bool) -> tuple[bool, Outputs]:
        """A pass of an iteration on the next batch, `forward` and `backward`, with the update behind the last one, as
        of `Session.iterate`: whether it was run so, or else only forward; and copies of the outputs."""
        self._fill({})
        self._take_batch()
        session = self.session
        self.graph.streams.iteration += 1
        linked = session.iterate(update, first=first, last=last)
        if not linked:
            session.forward()
        self._has_run = True
        return linked, {blob.name: session.array(blob).copy() for blob in self.graph.outputs}

    @overload
    def forward_all(self, **inputs: ArrayLike) -> Outputs: ...
    @overload
    def forward_all(self, blobs: Names, **inputs: ArrayLike) -> Outputs: ...
    def forward_all(self, blobs: Names = None, **inputs: ArrayLike) -> Outputs:  # type: ignore[misc]
        """`forward` on as many rows as there are, in batches of the net's present size, which does not change."""
        return forward_all(self, blobs, inputs)

    @overload
    def backward(self, **given: ArrayLike) -> Outputs: ...
    @overload
    def backward(self, diffs: Names, **given: ArrayLike) -> Outputs: ...
    @overload
    def backward(self, diffs: Names = None, start: Name = None, end: Name = None, **given: ArrayLike) -> Outputs: ...
    def backward(self, diffs: Names = None, start: Name = None, end: Name = None, **given: ArrayLike) -> Outputs:  # type: ignore[misc]
        """The gradients of what the last `forward` computed, from `given`, gradients of outputs by name.

        `start` and `end` are the names of the layers to begin and to end with, if not the last and the first; then
        gradients given are of what `start` gives. A loss begins with its loss_weight; any other output that is not
        given, with its `diff`, zeros at first. Gradients of blobs are overwritten, those of weights added
        to: `clear_param_diffs` sets them to 0.

        Returns, by name, copies of the gradients of the inputs, of which there are some with force_backward, or of the
        bottoms of `end`, and of the blobs `diffs`. Raises UsageError without a `forward`, and for a wrong name or
        shape; InputError for a layer that has no gradient.
        """
        if not self._has_run:
            raise UsageError("backward needs a forward before it")
        first, last = self._range(end, start)
        wanted = self._chosen("diffs", diffs)
        ends = self._ends(start, last, given)
        other = given or start or end or wanted or self._gradients.given(ends.values(), self.session)
        if not other and self.session.backward():
            return {}
        session = self._session_with_gradients()
        read = self.graph.inputs if end is None else self.graph.nodes[first].bottoms
        result = self._gradients.backward(session, first, last, {ends[name]: given[name] for name in given}, read)
        return result | {blob.name: self._diff(blob).copy() for blob in wanted}

    def clear_param_diffs(self) -> None:
        """Set the gradients of all weights to 0."""
        if self._session:
            self._session.weights_before.keep()
        self._gradients.clear_weights()

    def set_input_arrays(self, data: ArrayLike, labels: ArrayLike) -> None:
        """Rows for a net whose first layer is MemoryData: each `forward` without inputs takes its next batch of them.

        data [N, channels, height, width] and labels [N], N a multiple of the batch size. Raises UsageError.
        """
        self._rows.give(data, labels)

    def _prepare(self, shapes: Mapping[str, Shape]) -> Session:
        """Make the session for these shapes of inputs."""
        known = infer_shapes(self.graph, shapes)
        arrays = {blob: resized(self._arrays.get(blob), known[blob]) for blob in self.graph.inputs}
        made = Session(
            self.graph, shapes, gradients=self._all_gradients if self._with_gradients else None, arrays=arrays,
            threads=self.threads, exact=self.exact,
        )  # fmt: skip
        self._session, self._arrays, self._has_run = made, arrays, False
        self._gradients.forget()
        return made

    def _reshape_input(self, blob: Blob, shape: Shape) -> None:
        """The session is made again when it is needed."""
        array = resized(self._arrays.get(blob), shape)
        if array is not self._arrays.get(blob):
            self._arrays[blob], self._shapes = array, {**self._shapes, blob.name: shape}
            self._session, self._has_run = None, False

    def _fill(self, inputs: Mapping[str, ArrayLike]) -> None:
        """Values for all inputs that an output depends on, or for more, which take their shapes; or none."""
        if inputs and not set(self.needed_inputs) <= set(inputs) <= set(self.inputs):
            raise UsageError(f"forward was given the inputs {sorted(inputs)}, the net has {sorted(self.inputs)}")
        arrays = {name: np.asarray(as_numbers(values, name), np.float32) for name, values in inputs.items()}
        shapes = {name: array.shape for name, array in arrays.items()}
        if self._session is None or any(self._shape(self._named[name]) != shape for name, shape in shapes.items()):
            self.reshape(**shapes)
        for name, array in arrays.items():
            self._arrays[self._named[name]][...] = array

    def _shape(self, blob: Blob) -> Shape:
        return self._arrays[blob].shape if blob in self._arrays else self.shapes[blob]

    def _data(self, blob: Blob) -> np.ndarray:
        return self._arrays[blob] if blob in self._arrays else self.session.array(blob)

    def _diff(self, blob: Blob) -> np.ndarray:
        return self._gradients.of(blob, self._session_with_gradients())

    def _all_gradients(self) -> WeightGradients:
        return self._gradients.weights

    def _session_with_gradients(self) -> Session:
        """The session with all blobs kept and their gradients: those of the last run backward."""
        self._with_gradients = True
        session = self.session
        session.keep_gradients(self._all_gradients)
        if session.has_gone_back:
            session.has_gone_back = False
            with session.weights_before.present():
                self._gradients.repeat(session)
        return session

    def _repr_html_(self) -> str:
        from .notebook import net_html

        return net_html(self.path, self.graph, self.shapes)

    if not TYPE_CHECKING:  # type checkers would take any name for an attribute

        def __getattr__(self, name: str):
            raise AttributeError(f"'CaffeNet' has no attribute {name!r}{hint(name, NET_HINTS)}")

    def __repr__(self) -> str:
        return f"CaffeNet({self.path!r}, {len(self.graph.nodes)} layers, {self.inputs} -> {self.outputs})"
