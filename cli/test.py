"""caffe64 test: outputs of a trained net."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from . import options

NAME = "test"
EXAMPLES = (
    "caffe64 test net.txt weights.bin 10000 X.txt predicted.txt",
    "caffe64 test net.txt weights.bin all X.npy - --quiet | head -1",
)


def command(
    net: options.Net,
    weights: options.Weights,
    n: options.Rows,
    x: options.TableX,
    out: Annotated[Path, options.output_argument("OUT", "File to write: one line of outputs per row.")],
    ignore_unknown: options.IgnoreUnknown = False,
    threads: options.Threads = None,
    strict: options.Strict = False,
    quiet: options.Quiet = False,
) -> None:
    """Run a net on N rows of X and write its outputs.

    A net that ends in sce gives probabilities, one that ends in l2l the values that it compares with targets.

    Caffe nets: `caffe64 test --model NET --weights FILE`; `caffe64 test --model --help` shows its options.
    """
    import time

    from ..formats.numbers import write_numbers
    from . import compiling, files
    from .bundles import read_net
    from .output import Output
    from .progress import testing_progress
    from .table_data import input_rows, kernels_for, refuse_unknown

    started = time.perf_counter()
    files.check_inputs((net, weights, x))
    files.check_outputs((out,), (net, weights, x))
    output = Output(quiet=quiet, result=out)
    output.banner()
    output.line("Parsing net...")
    output.line("Loading net...")
    model, columns = read_net(net, weights)
    refuse_unknown(columns, ignore_unknown)
    compiling.prepare([*model.kernels(training=False), *kernels_for(columns, x)], output)
    output.line("Loading X...")
    X = input_rows(model, columns, x, options.row_count(n), strict=strict, ignore_unknown=ignore_unknown)
    with testing_progress(output, len(X), model.spec.minibatch) as watch:
        outputs = model.predict(X, threads=threads, watch=watch)
    write_numbers(out, outputs if columns is None else columns.values(outputs))
    output.finished(time.perf_counter() - started, out)
