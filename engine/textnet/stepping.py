"""The step of all parameters by the gradient of a minibatch, in `shard_loop.py`: each thread has a stretch of them.

    take_averages     where running averages lie among the parameters, their new values are put aside
    own_squares       for clipping: the squares of the gradient, summed piece by piece
    step_stretch      the rule
    put_averages      the averages to their places

All arrays are float32 and indexed flat. `base` is the place in the vector of parameters of the first gradient in g.
"""

from __future__ import annotations

import numpy as np

from ..compiler.cpu import FLOAT_BYTES
from ..compiler.jit import inline
from ..parameters.rules import NESTEROV, SGD, update_vectors
from ..parameters.sgd import step_vectors
from ..parameters.squares import SQUARES, sum_squares
from ..vectors.simd import element, store_element
from ..vectors.views import bytes_at
from .layers.layer import AVERAGING_FACTOR

# Places in the numbers of a step, float32.
DECAY, MOMENTUM, OTHER_DECAY, LARGEST_NORM, STEP_NUMBERS = range(5)
# Places in its addresses, int64, of the bytes of weights, gradients, and first and second histories.
W_AT, G_AT, V_AT, E_AT, STEP_ADDRESSES = range(5)


@inline
def take_averages(w, spare, g, base, begin, end, averages, count):
    """spare[i] = what the average w[i] becomes, and g = 0 there, for those in [begin, end) of the stretches `averages`,
    int64 [n, 2]; g holds the sum of `count` statistics."""
    for n in range(averages.shape[0]):
        for i in range(max(begin, averages[n, 0]), min(end, averages[n, 1])):
            old = element(w, i)
            change = element(g, i - base) / np.float32(count) - old
            store_element(spare, i, old + np.float32(AVERAGING_FACTOR) * change)
            store_element(g, i - base, np.float32(0))


@inline
def put_averages(w, spare, v, e, begin, end, averages):
    """Undo what a step has done to averages: w from `spare`, and histories of 0; of one history alone, e is empty."""
    for n in range(averages.shape[0]):
        for i in range(max(begin, averages[n, 0]), min(end, averages[n, 1])):
            store_element(w, i, element(spare, i))
            store_element(v, i, np.float32(0))
            if e.size:
                store_element(e, i, np.float32(0))


@inline
def own_squares(address, part, parts, squares, thread, threads):
    """This thread's pieces of the squares of `parts` parts of `part` float32 each: their sums to `squares`, float64
    [parts * pieces]."""
    memory, pieces = bytes_at(address), squares.size // parts
    for item in range(squares.size * thread // threads, squares.size * (thread + 1) // threads):
        number = item // pieces
        first = number * part + (item - number * pieces) * SQUARES
        count = min((number + 1) * part, first + SQUARES) - first
        squares[item] = sum_squares(memory, first * FLOAT_BYTES, count)


@inline
def total_squares(squares, parts):
    """The sum of all: of the pieces of a part in their order, of the parts by the tree. Writes into `squares`."""
    pieces = squares.size // parts
    for number in range(parts):
        for item in range(1, pieces):
            squares[number * pieces] += squares[number * pieces + item]
    step = 1
    while step < parts:
        for number in range(0, parts, 2 * step):
            squares[number * pieces] += squares[(number + step) * pieces]
        step *= 2
    return squares[0]


@inline
def step_stretch(w, v, g, base, begin, end, addresses, rule, numbers, rate, epsilon, rows, factor):
    """The parameters [begin, end), whole cache lines, by `factor` times their gradients, sums over `rows` rows.

    The rate of SGD and Nesterov is that over the rows. Writes w, v, the second histories, and perhaps g.
    """
    if end <= begin:
        return
    decay, momentum = numbers[DECAY], numbers[MOMENTUM]
    if rule == SGD and factor == np.float32(1):
        step_vectors(w, begin, v, begin, g, begin - base, end - begin, rate, decay, momentum)
        return
    at, scale = addresses[W_AT], np.float32(1)
    if rule != SGD and rule != NESTEROV:
        scale = np.float32(1) / np.float32(rows)
    first = begin * FLOAT_BYTES
    update_vectors(
        bytes_at(at), first, addresses[G_AT] - at + first, addresses[V_AT] - at + first, addresses[E_AT] - at + first,
        (end - begin) * FLOAT_BYTES, rule, False, scale, decay * scale, rate, momentum, numbers[OTHER_DECAY], epsilon,
        factor,
    )  # fmt: skip
