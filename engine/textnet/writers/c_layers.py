"""What each layer of a text net is in C: a function of a few lines, and its call.

Rows lie one behind the other. `linear`, `prepare` and `copy` write other values than they read, all others work in
place. In the texts NAME stands for the name of the net, MACRO for the same in capitals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from .c_text import number
from .finished import BATCH_NORM_ARRAYS, BATCH_NORM_EPSILON, FinishedLayer, FinishedNet, require_words

C_FUNCTIONS = {
    "prepare": """
/* y = (x - shift) * factor, each [width]: the features as the first layer wants them. */
static void NAME_prepare(
    const float *x, size_t rows, size_t width, const float *shift, const float *factor, float *y) {
    size_t r, f;
    for (r = 0; r < rows; r++)
        for (f = 0; f < width; f++)
            y[r * width + f] = (x[r * width + f] - shift[f]) * factor[f];
}
""",
    "restore": """
/* y = y / factor + shift, each [width]: from the scaled targets that the net has learned to their units. */
static void NAME_restore(float *y, size_t rows, size_t width, const float *shift, const float *factor) {
    size_t r, k;
    for (r = 0; r < rows; r++)
        for (k = 0; k < width; k++)
            y[r * width + k] = y[r * width + k] / factor[k] + shift[k];
}
""",
    "copy": """
static void NAME_copy(const float *x, size_t size, float *y) {
    size_t i;
    for (i = 0; i < size; i++)
        y[i] = x[i];
}
""",
    "linear": """
/* y = x W + b: x [rows][inputs], W [inputs][outputs], b [outputs], y [rows][outputs]. Four inputs at a time, so that y
   is read and written a quarter as often; the loop over the outputs is the one that a compiler makes vectors of. */
static void NAME_linear(
    const float *restrict x, size_t rows, size_t inputs, size_t outputs,
    const float *restrict W, const float *restrict b, float *restrict y) {
    size_t r, f, k, whole = inputs / 4 * 4;
    for (r = 0; r < rows; r++)
        for (k = 0; k < outputs; k++)
            y[r * outputs + k] = b[k];
    for (f = 0; f < whole; f += 4) {
        const float *w0 = W + f * outputs, *w1 = w0 + outputs, *w2 = w1 + outputs, *w3 = w2 + outputs;
        for (r = 0; r < rows; r++) {
            const float *in = x + r * inputs + f;
            const float x0 = in[0], x1 = in[1], x2 = in[2], x3 = in[3];
            float *out = y + r * outputs;
            for (k = 0; k < outputs; k++)
                out[k] += x0 * w0[k] + x1 * w1[k] + x2 * w2[k] + x3 * w3[k];
        }
    }
    for (f = whole; f < inputs; f++)
        for (r = 0; r < rows; r++)
            for (k = 0; k < outputs; k++)
                y[r * outputs + k] += x[r * inputs + f] * W[f * outputs + k];
}
""",
    "relu": """
static void NAME_relu(float *y, size_t size) {
    size_t i;
    for (i = 0; i < size; i++)
        y[i] = y[i] < 0 ? 0 : y[i];
}
""",
    "leaky": """
static void NAME_leaky(float *y, size_t size, float slope) {
    size_t i;
    for (i = 0; i < size; i++)
        y[i] = y[i] < 0 ? slope * y[i] : y[i];
}
""",
    "tanh": """
static void NAME_tanh(float *y, size_t size) {
    size_t i;
    for (i = 0; i < size; i++)
        y[i] = tanhf(y[i]);
}
""",
    "sigmoid": """
static void NAME_sigmoid(float *y, size_t size) {
    size_t i;
    for (i = 0; i < size; i++)
        y[i] = 1 / (1 + expf(-y[i]));
}
""",
    "normalise": """
/* Batch normalisation by the running averages: y = y * scale + shift, each [width]. */
static void NAME_normalise(float *y, size_t rows, size_t width, const float *scale, const float *shift) {
    size_t r, k;
    for (r = 0; r < rows; r++)
        for (k = 0; k < width; k++)
            y[r * width + k] = y[r * width + k] * scale[k] + shift[k];
}
""",
    "softmax": """
/* Each row becomes exp(y) / sum of exp(y); its largest value is subtracted first, so that exp cannot overflow. */
static void NAME_softmax(float *y, size_t rows, size_t width) {
    size_t r, k;
    for (r = 0; r < rows; r++, y += width) {
        float largest = y[0], sum = 0;
        for (k = 1; k < width; k++)
            largest = y[k] > largest ? y[k] : largest;
        for (k = 0; k < width; k++)
            sum += y[k] = expf(y[k] - largest);
        for (k = 0; k < width; k++)
            y[k] /= sum;
    }
}
""",
}


@dataclass(frozen=True)
class Call:
    """The call of a function: its arguments behind the values that it reads, and then arrays by the end of their names.
    `width` is how many values of a row it writes; those that it writes elsewhere are its last argument."""

    function: str
    arguments: str
    width: int
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def writes_elsewhere(self) -> bool:
        return self.function in ("prepare", "copy", "linear")


def calls_of(net: FinishedNet) -> list[Call]:
    """The calls of a net in turn; the first one writes elsewhere than into the inputs. Raises UsageError for a layer
    that is not of the package."""
    require_words(net, C_CALLS, "C")
    outside, features = net.outside, net.features
    calls = [call for layer in net.layers if (call := C_CALLS[layer.word](layer))]
    if outside.target_shift is not None and outside.target_factor is not None:
        arrays = {"target_shift": outside.target_shift, "target_factor": outside.target_factor}
        calls.append(Call("restore", f"rows, {net.outputs}", net.outputs, arrays))
    if outside.shift is not None and outside.factor is not None:
        arrays = {"shift": outside.shift, "factor": outside.factor}
        return [Call("prepare", f"rows, {features}", features, arrays), *calls]
    if not calls or not calls[0].writes_elsewhere:
        return [Call("copy", f"rows * {features}", features), *calls]
    return calls


def _each(function: str) -> Callable[[FinishedLayer], Call]:
    """A function of each value."""
    return lambda layer: Call(function, f"rows * {layer.outputs}", layer.outputs)


def _leaky(layer: FinishedLayer) -> Call:
    return Call("leaky", f"rows * {layer.outputs}, {number(layer.numbers[0])}", layer.outputs)


def _normalise(layer: FinishedLayer) -> Call:
    scale, shift = batch_norm(layer.arrays)
    arrays = {f"scale{layer.index}": scale, f"shift{layer.index}": shift}
    return Call("normalise", f"rows, {layer.outputs}", layer.outputs, arrays)


def batch_norm(arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The scale and shift that a bnm layer comes to in predictions, float32 [K], rounded once."""
    scale, shift, mean, variance = (arrays[name].astype(np.float64) for name in BATCH_NORM_ARRAYS)
    scale /= np.sqrt(variance + BATCH_NORM_EPSILON)
    return scale.astype(np.float32), (shift - mean * scale).astype(np.float32)


def _softmax(layer: FinishedLayer) -> Call:
    return Call("softmax", f"rows, {layer.outputs}", layer.outputs)


def _linear(layer: FinishedLayer) -> Call:
    arrays = {f"{name}{layer.index}": array for name, array in layer.arrays.items()}
    return Call("linear", f"rows, {layer.inputs}, {layer.outputs}", layer.outputs, arrays)


def _nothing(layer: FinishedLayer) -> None:
    return None


C_CALLS: Mapping[str, Callable[[FinishedLayer], Call | None]] = {
    "inp": _nothing,
    "lin": _linear,
    "bnm": _normalise,
    "drp": _nothing,
    "rel": _each("relu"),
    "lky": _leaky,
    "tnh": _each("tanh"),
    "sig": _each("sigmoid"),
    "smx": _softmax,
    "sce": _softmax,
    "sft": _softmax,
    "bce": _each("sigmoid"),
    "l2l": _nothing,
    "hub": _nothing,
}
