"""What a layer is: its line in the network file, its sizes, and its compiled functions.

Every layer offers the same functions, with the signatures below, so that one compiled loop can run any net by
calling addresses. B rows, F inputs, K outputs; all arrays are float32, C-contiguous; p holds the layer's parameters.

    forward(x [B, F], p [P], settings, y [B, K], scratch)               writes y
    backward(x, p, settings, y, dy [B, K], dx [B, F], scratch)          writes dx, the gradient of the loss by x
    update(x, dy, p, v [P], rate, decay, momentum, share, shares, scratch)
                                                                        gradient by p, summed over all rows, and the
                                                                        step of p and its velocity v (`sgd.py`)
    loss(x [B, F], target [B, T], settings, dx [B, F], losses [B])      a loss layer: dx and each row's loss

The threads of a loop call forward, backward and loss with their own rows each, and update with all rows and the
number of their share of the parameters. `scratch` is the thread's own, `scratch_size` floats.

A layer that `picks` reads its rows by number; as the first layer it reads those of a shuffled minibatch directly from
the data, which saves a copy. Its forward and update take two arguments more after x:

    forward(x [N, F], picks, picks_at, p, settings, y, scratch)         row b of x is x[picks[picks_at + b]], where
    update(x [N, F], picks, picks_at, dy, ...)                          picks is int64; a negative picks_at: x[b]

A layer that does something else in training than in a prediction, such as dropout, has `train`: training calls that
instead of forward, and both it and backward take `place` at the end, int64 [6] in the order of the constants below:

    train(x, p, settings, y, scratch, place)
    backward(x, p, settings, y, dy, dx, scratch, place)

    SEED, ITERATION, LAYER_NUMBER, FIRST_ROW    the seed of the training, as int64; the number of the minibatch, counted
                                                from the start of the run; the layer's line; the number in the minibatch
                                                of the first row of x: what random numbers may depend on
    COLUMN_SHARE, COLUMN_SHARES                 0 and 1, or for a layer `across`, this thread's share of the work

A layer `across` computes with all rows at a time, such as batch norm: every thread calls its train and backward with
all rows of the minibatch, or of its shard, after all rows of their arguments are complete, and they do share
COLUMN_SHARE of COLUMN_SHARES of the columns. So a sum over rows has one order, whatever the number of threads.

The last parameters of a layer may be running averages, of statistics of the minibatches. Rules do not step them:
`update` writes into their v what the statistic of these rows is, times rate, and w <- w + AVERAGING_FACTOR * (mean
over the shards - w).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from ....formats.network import Value, Word
from ...compiler import signatures as types
from ...compiler.jit import F1, F1_IN, F2, F2_IN, I1_IN, Kernel, f32, i64
from ...compiler.pointer_call import pointer_call

FORWARD = types.void(F2_IN, F1_IN, F1_IN, F2, F1)
BACKWARD = types.void(F2_IN, F1_IN, F1_IN, F2_IN, F2_IN, F2, F1)
UPDATE = types.void(F2_IN, F2_IN, F1, F1, f32, f32, f32, i64, i64, F1)
LOSS = types.void(F2_IN, F2_IN, F1_IN, F2, F1)
PICKING_FORWARD = types.void(F2_IN, I1_IN, i64, *FORWARD.args[1:])
PICKING_UPDATE = types.void(F2_IN, I1_IN, i64, *UPDATE.args[1:])
TRAIN = types.void(*FORWARD.args, I1_IN)
TRAIN_BACKWARD = types.void(*BACKWARD.args, I1_IN)

SEED, ITERATION, LAYER_NUMBER, FIRST_ROW, COLUMN_SHARE, COLUMN_SHARES, PLACE_SIZE = range(7)  # places in `place`
AVERAGING_FACTOR = 0.1  # as of PyTorch's BatchNorm

call_forward = pointer_call(FORWARD)
call_backward = pointer_call(BACKWARD)
call_update = pointer_call(UPDATE)
call_loss = pointer_call(LOSS)
call_picking_forward = pointer_call(PICKING_FORWARD)
call_picking_update = pointer_call(PICKING_UPDATE)
call_train = pointer_call(TRAIN)
call_train_backward = pointer_call(TRAIN_BACKWARD)


class TargetKind(Enum):
    """What the targets of a loss layer are."""

    REAL = "finite numbers"
    CLASS = "the number of a class, in [0, K)"
    SHARES = "numbers in [0, 1]"
    PROBABILITIES = "numbers in [0, 1] that sum to 1"


def _zeros(drawn: np.ndarray, inputs: int, values: Sequence[Value]) -> np.ndarray:
    return np.zeros_like(drawn)


@dataclass(frozen=True)
class TextLayer:
    """One kind of layer. The callables take the number of inputs F and the values of the layer's line.

    forward, backward, update, loss   kernels with the signatures above; only a layer with parameters has `update`,
                                      only a loss layer has `loss`, and that one needs no `backward`
    train                             a kernel, where training does not call forward; backward then takes `place` too
    across                            whether train and backward are called with all rows; needs `train`
    picks                             whether forward and update pick their rows
    outputs(F, values)                K; default: F
    parameters(F, values)             their number; default: 0
    shapes(F, K)                      names and shapes of the arrays that make up the parameters, in the order of the
                                      weights file; default: one array without a name
    stored_size(F, K)                 P, where p is not the parameters in the order of the weights file, and
    store(parameters, F, K)           p of these parameters: float32 [parameters] -> [P]
    natural(p, F, K)                  and back
    averages(F, K)                    how many of the last floats of p are running averages; default: 0
    initial(drawn, F, values)         the initial parameters, from as many draws of N(0, 1): float32; default: 0
    settings(F, values)               float32 numbers that forward, backward and loss are given; default: the values
    scratch_size(F, K, rows)          floats of scratch memory for minibatches of `rows`; default: 0
    macs(F, K)                        multiply-accumulates per row; default: 0
    reads_input, reads_output         whether backward or update read x, or y: decides which buffers can be shared.
                                      A layer that does not read x must work in place (y is x, dx is dy).
    reads_parameters                  whether the gradient in `update` depends on p. If not, p may hold anything there
                                      where minibatches are cut into shards, which saves a copy for each
    targets(K)                        loss layers: numbers per row in Y
    target_kind                       loss layers: what these are
    """

    word: Word
    forward: Kernel
    backward: Kernel | None = None
    update: Kernel | None = None
    loss: Kernel | None = None
    train: Kernel | None = None
    across: bool = False
    picks: bool = False
    outputs: Callable[[int, Sequence[Value]], int] = lambda inputs, values: inputs
    parameters: Callable[[int, Sequence[Value]], int] = lambda inputs, values: 0
    shapes: Callable[[int, int], Mapping[str, tuple[int, ...]]] = lambda inputs, outputs: {}
    stored_size: Callable[[int, int], int] | None = None
    store: Callable[[np.ndarray, int, int], np.ndarray] = lambda parameters, inputs, outputs: parameters
    natural: Callable[[np.ndarray, int, int], np.ndarray] = lambda stored, inputs, outputs: stored
    averages: Callable[[int, int], int] = lambda inputs, outputs: 0
    initial: Callable[[np.ndarray, int, Sequence[Value]], np.ndarray] = _zeros
    settings: Callable[[int, Sequence[Value]], Sequence[Value]] = lambda inputs, values: values
    scratch_size: Callable[[int, int, int], int] = lambda inputs, outputs, rows: 0
    macs: Callable[[int, int], int] = lambda inputs, outputs: 0
    reads_parameters: bool = True
    reads_input: bool = True
    reads_output: bool = True
    targets: Callable[[int], int] = lambda outputs: 1
    target_kind: TargetKind = TargetKind.REAL
