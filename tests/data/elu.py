"""elu a: exponential linear unit,  y = x where x > 0, else a * (exp(x) - 1)."""

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.compiler.jit import kernel
from caffe64.engine.textnet.layers import register
from caffe64.engine.textnet.layers.layer import BACKWARD, FORWARD, TextLayer
from caffe64.engine.vectors.elementary import exp_minus_one
from caffe64.engine.vectors.simd import broadcast, load_part, minimum, store_part, where_less, zeros
from caffe64.formats.network import Argument, Word


@kernel(FORWARD)
def forward(x, p, settings, y, scratch):
    a = broadcast(settings[0])
    for i in range(0, x.size, LANES):
        count = min(LANES, x.size - i)
        v = load_part(x, i, count)
        store_part(y, i, where_less(zeros(), v, v, a * exp_minus_one(minimum(zeros(), v))), count)


@kernel(BACKWARD)
def backward(x, p, settings, y, dy, dx, scratch):
    a = broadcast(settings[0])
    for i in range(0, y.size, LANES):
        count = min(LANES, y.size - i)
        v, d = load_part(y, i, count), load_part(dy, i, count)
        store_part(dx, i, where_less(zeros(), v, d, (v + a) * d), count)


WORD = Word("elu", (Argument("a", float, 0, 10),), "hidden", "exponential linear unit")
LAYER = register(TextLayer(word=WORD, forward=forward, backward=backward, reads_input=False))  # y has the sign of x
