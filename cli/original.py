"""The lines that the original caffe64 prints, letter for letter: scripts read them.

Banner, `Parsing net...`, then while training, every 20 minibatches

    [Training] Epoch 01 / 15 MBIter 020 / 600 LR 0.001000 Loss 1.983744

with counters padded to the width of the total and the mean loss of these 20; an empty line after each epoch,
`LR Drop. ...` where the rate drops, and `Finished normally in 144s`.
"""

from __future__ import annotations

INTERVAL = 20  # minibatches per line

BANNER = (
    r"   ______        ____ ____         _____  __ __",
    r"  / ____/____ _ / __// __/___     / ___/ / // /",
    r" / /    / __ `// /_ / /_ / _ \   / __ \ / // /_",
    r"/ /___ / /_/ // __// __//  __/  / /_/ //__  __/",
    r"\____/ \__,_//_/  /_/   \___/   \____/   /_/ ",
)


def counter(done: int, total: int) -> str:
    return f"{done:0{len(str(total))}d} / {total}"


def training_line(epoch: int, epochs: int, step: int, steps: int, rate: float, loss: float) -> str:
    """`loss` is the mean over the INTERVAL minibatches up to `step`."""
    return f"[Training] Epoch {counter(epoch, epochs)} MBIter {counter(step, steps)} LR {rate:.6f} Loss {loss:.6f}"


def testing_line(step: int, steps: int) -> str:
    return f"[Testing] Epoch 1 / 1 MBIter {counter(step, steps)}"


def drop_line(factor: float) -> str:
    return f"LR Drop. Multiplying by {factor:.6f}"


def finished_line(seconds: float) -> str:
    return f"Finished normally in {int(seconds)}s"
