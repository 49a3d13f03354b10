"""LeNet, as Caffe's own example trains it: its net and its solver, on MNIST.

    python demos/lenet/run.py
    python demos/lenet/run.py --data /path/to/mnist --iterations 2000 --seed 1

The digits are given to the solver as arrays, in place of the databases that the net names; each epoch has its own
order. MNIST is taken and downloaded as by the demo mnist; where that is not possible, the 1797 UCI digits that come
with scikit-learn are used instead, enlarged.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

import caffe64

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common.failure import errors_in_one_line
from common.fetching import DataMissing
from common.pictures import OUT, save_figure
from common.progress import CONSOLE, solve_with_progress
from data import load_mnist, load_uci_digits
from picture import draw_training

SOLVER = Path(__file__).resolve().parent / "lenet_solver.prototxt"
QUICK = 500  # iterations


def load(data: Path | None):
    """The name of the digits, and the four arrays. Raises DataMissing if they are not in the folder given."""
    try:
        return "MNIST", load_mnist(data)
    except DataMissing as error:
        if data is not None:
            raise
        CONSOLE.print(
            f"MNIST is not here: {error}\nUsing the UCI digits of scikit-learn instead.", markup=False, soft_wrap=True
        )
        return "UCI digits", load_uci_digits()


def main(
    data: Annotated[Path | None, typer.Option(help="Folder with the four MNIST IDX .gz files.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the picture.")] = OUT,
    iterations: Annotated[int | None, typer.Option(min=1, help="Iterations; default: the solver file's 10000.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="500 iterations.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first weights and of the order of the digits.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; default: as many as pay off.")] = None,
) -> None:
    """Train LeNet by Caffe's solver file; print its accuracy, draw its learning curve and its first filters."""
    with errors_in_one_line():
        name, (X, Y, X_test, Y_test) = load(data)
        count = iterations or (QUICK if quick else None)
        settings = {"max_iter": count, "test_interval": min(500, count)} if count else {}
        solver = caffe64.Solver(
            SOLVER, data=(X, Y), test_data=(X_test, Y_test), test_iter=-(-len(X_test) // 100), seed=seed,
            threads=threads, snapshot=0, snapshot_after_train=False, **settings,
        )  # fmt: skip
        weights = sum(blob.data.size for blobs in solver.net.params.values() for blob in blobs)
        print(f"{name}: {len(X)} digits to train on, {len(X_test)} to test on; LeNet, {weights} weights")
        started = time.perf_counter()
        history = solve_with_progress(solver)
        if solver.iter % solver.param.test_interval:
            solver.test()
        seconds, right = time.perf_counter() - started, history.tests[0].scores["accuracy"][-1]
        print(
            f"trained {solver.iter} iterations in {seconds:.1f} s, last training loss {history.loss[-50:].mean():.4f}"
        )
        print(f"test accuracy {100 * right:.2f} %  ({round(right * len(X_test))} of {len(X_test)})")
        title = f"LeNet, {name}: {100 * right:.2f} % of the test digits after {solver.iter} iterations"
        filters = solver.net.params["conv1"][0].data
        save_figure(draw_training(history, filters, title), out / "lenet-training.png")


if __name__ == "__main__":
    typer.run(main)
