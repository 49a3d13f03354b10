"""A text net as one file of C99, which needs nothing but the standard library.

The file is written piece by piece: the code first, then the numbers, so that it can be read from its start.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from string import Template

from ....errors import UsageError
from .c_layers import C_FUNCTIONS, Call, calls_of
from .c_text import numbers, strings
from .finished import FinishedNet

C_MOST_ROWS = 8  # that are worked on together: each weight is then read once for all of them
C_MOST_STACK = 1 << 18  # floats of the values between the layers, 1 MiB, which are on the stack

C_MEANINGS = {
    "sce": "the probability of each class",
    "sft": "the probability of each class",
    "bce": "the probability of each label",
}
C_PROTOTYPES = (
    "void NAME_predict(const float *x, float *y);",
    "void NAME_predict_rows(const float *x, size_t rows, float *y);",
)
C_SIZES = {"feature_names": "FEATURES", "labels": "OUTPUTS", "target_names": "OUTPUTS"}

C_HEAD = """\
/* A trained net, written by caffe64 $version:

       $text

   C99 and the standard library alone. Declare what is used of it,

$declarations
   and link what `cc -O3 -march=native -c $file` makes, with -lm behind it, or include this file.

   x has $features values in a row, y $outputs, $meaning. Rows lie one behind the other; x and y must
   not overlap. Nothing is allocated and there is no state, so that threads may share it.

   With -D MACRO_MAIN it is a program that reads rows of numbers and prints their outputs:

       cc -O3 -march=native -D MACRO_MAIN $file -o $program -lm && ./$program < rows.txt
*/
#include <math.h>
#include <stddef.h>

#define MACRO_FEATURES $features
#define MACRO_OUTPUTS $outputs

void NAME_predict(const float *x, float *y);
void NAME_predict_rows(const float *x, size_t rows, float *y);
"""
C_PREDICT = """
void NAME_predict(const float *x, float *y) {
    NAME_block(x, 1, y);
}

void NAME_predict_rows(const float *x, size_t rows, float *y) {
    while (rows > 0) {
        const size_t block = rows < $block ? rows : $block;
        NAME_block(x, block, y);
        x += block * MACRO_FEATURES;
        y += block * MACRO_OUTPUTS;
        rows -= block;
    }
}
"""
C_MAIN = """
#ifdef MACRO_MAIN
#include <stdio.h>

/* The next number of stdin, after white space, commas or semicolons: 1, 0 at the end, -1 if there is something else. */
static int NAME_read(float *value) {
    int c;
    do
        c = getchar();
    while (c == ' ' || c == '\\t' || c == '\\r' || c == '\\n' || c == ',' || c == ';');
    if (c == EOF)
        return 0;
    ungetc(c, stdin);
    return scanf("%f", value) == 1 ? 1 : -1;
}

int main(void) {
    static float x[MACRO_FEATURES], y[MACRO_OUTPUTS];
    unsigned long row, f, k;
    for (row = 1;; row++) {
        for (f = 0; f < MACRO_FEATURES; f++) {
            const int found = NAME_read(&x[f]);
            if (found == 0 && f == 0)
                return fflush(stdout) != 0 || ferror(stdout) != 0;
            if (found != 1) {
                fprintf(stderr, "row %lu, number %lu of %d: %s\\n", row, f + 1, MACRO_FEATURES,
                        found == 0 ? "the input ends" : "this is not a number");
                return 1;
            }
        }
        NAME_predict(x, y);
        for (k = 0; k < MACRO_OUTPUTS; k++)
            printf(k + 1 < MACRO_OUTPUTS ? "%.9g " : "%.9g\\n", y[k]);
    }
}
#endif
"""


def c_file(net: FinishedNet, name: str, file: str, version: str) -> Iterator[str]:
    """The file, in pieces. `name` is an identifier of C with which all names of the file begin, `file` what it is
    called in its comments. Raises UsageError, before the first piece, for a layer that is not of the package and one
    too wide for the stack."""
    calls = calls_of(net)
    widest = max([call.width for call in calls if call.writes_elsewhere][:-1], default=1)  # the last one writes y
    block = min(C_MOST_ROWS, C_MOST_STACK // (2 * widest))
    if not block:
        raise UsageError(
            f"a layer gives {widest:,} values to the next, expected at most {C_MOST_STACK // 2:,}: the C file keeps "
            "them on the stack (ONNX has no such bound)"
        )
    return _pieces(net, calls, block, name, file, version)


def _pieces(net: FinishedNet, calls: Sequence[Call], block: int, name: str, file: str, version: str) -> Iterator[str]:
    def named(template: str, **values: object) -> str:
        filled = Template(template).substitute(values) if values else template
        return re.sub(r"\b(NAME|MACRO)_", lambda found: f"{name if found[1] == 'NAME' else name.upper()}_", filled)

    arrays = {f"NAME_{key}": array for call in calls for key, array in call.arrays.items()}
    yield named(
        C_HEAD,
        version=version,
        text=net.text,
        declarations="".join(f"       {each}\n" for each in _declarations(net)),
        file=file,
        features=net.features,
        outputs=net.outputs,
        meaning=C_MEANINGS.get(net.layers[-1].word, "the values of the last layer"),
        program=name,
    )
    for key, texts in net.outside.names.items():
        yield "\n"
        yield from strings(named(f"NAME_{key}"), named(f"MACRO_{C_SIZES[key]}"), texts)
    if arrays:
        yield "\n/* The numbers of these are at the end of the file. */\n"
        yield from (named(f"static const float {key}[{array.size}];\n") for key, array in arrays.items())
    used = {call.function for call in calls}
    yield from (named(text) for function, text in C_FUNCTIONS.items() if function in used)
    yield named(_block_function(calls, block))
    yield named(C_PREDICT, block=block)
    yield named(C_MAIN)
    for key, array in arrays.items():
        yield "\n"
        yield from numbers(named(key), array)


def _declarations(net: FinishedNet) -> list[str]:
    names = [f"extern const char *const NAME_{key}[{len(texts)}];" for key, texts in net.outside.names.items()]
    return [*C_PROTOTYPES, *names]


def _block_function(calls: Sequence[Call], block: int) -> str:
    """The function that runs all layers: from x, by turns in the buffers u and v, to y."""
    lines, sizes, place = [], dict[str, int](), "x"
    last = max(number for number, call in enumerate(calls) if call.writes_elsewhere)
    for number, call in enumerate(calls):
        arguments = [place, call.arguments, *(f"NAME_{key}" for key in call.arrays)]
        if call.writes_elsewhere:
            place = "y" if number == last else "v" if place == "u" else "u"
            sizes[place] = max(sizes.get(place, 0), call.width)
            arguments.append(place)
        lines.append(f"    NAME_{call.function}({', '.join(arguments)});\n")
    sizes.pop("y")
    # Without an initial value gcc warns, at some levels, that a loop of no rows would leave them unset.
    buffers = [f"    float {each}[{block} * {width}] = {{0}};\n" for each, width in sizes.items()]
    text = "".join([*buffers, "\n" if buffers else "", *lines])
    return (
        f"\n/* At most {block} rows. */\nstatic void NAME_block(const float *x, size_t rows, float *y) {{\n{text}}}\n"
    )
