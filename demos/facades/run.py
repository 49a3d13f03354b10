"""Label maps of facades to photos, and back: small nets that predict the colour of a pixel from the 17 x 17 patch
around it.

    python demos/facades/run.py
    python demos/facades/run.py --direction labels --pixels 16384
    python demos/facades/run.py --data /path/to/facades/train

Without --data four facades are used: three are trained on, the fourth and one that the original showed are not.
--data takes a folder of pairs: NAME-inputs.png (labels) with NAME-targets.png (photo), or pictures that hold both, the
photo on the left and its labels on the right, as in the facades of pix2pix. The last pair is held out.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

import caffe64

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common.failure import errors_in_one_line
from common.pictures import OUT, psnr
from common.progress import CONSOLE
from pairs import SIDE, Pair, read_pairs, read_result
from translation import Translator, learn
from views import save_grid

HERE = Path(__file__).resolve().parent
PIXELS, QUICK_PIXELS = 1000, 300
SHOWN = 3  # of the pairs trained on
TITLES = {"photo": "Labels to photos", "labels": "Photos to labels"}


def report(found: Translator, shown: list[tuple[str, Pair]], title: str, path: Path, threads: int | None) -> None:
    """Print the PSNR of each (role, pair) and write the picture of all of them."""
    rows = [(role, pair, found.draw(pair.source, threads)) for role, pair in shown]
    for role, pair, drawn in rows:
        line = f"{pair.name:8} {role:10}  PSNR {psnr(drawn, pair.target):.2f} dB"
        if pair.originals_output is not None:
            line += f", the original's {psnr(pair.originals_output, pair.target):.2f} dB"
        print(line)
    save_grid(path, f"{title}: {found.rows} patches, trained in {found.seconds:.1f} s", rows)


def main(
    direction: Annotated[Literal["photo", "labels"], typer.Option(help="What to draw from the other.")] = "photo",
    pixels: Annotated[
        int | None,
        typer.Option(min=20, max=SIDE * SIDE, help=f"Random pixels per picture to train on; default: {PIXELS}."),
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0, help="Learning rate; default: the optimizer file's.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of pairs; default: four facades.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the picture.")] = OUT,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the pixels, the initial weights and the order.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; default: as many as pay off.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help=f"A first look: {QUICK_PIXELS} pixels per picture.")] = False,
) -> None:
    """Train a net for each colour on pairs of photo and labels, and draw with them."""
    with errors_in_one_line():
        *trained, held_out = read_pairs(data, direction)
        optimizer = caffe64.read_optimizer(HERE / "optimsetting.txt")
        if rate is not None:
            optimizer = dataclasses.replace(optimizer, rate=rate)
        pixels = pixels or (QUICK_PIXELS if quick else PIXELS)
        print(f"{len(trained)} pairs to train on, 1 held out; {caffe64.Net.read(HERE / 'network.txt')} for each colour")
        found = learn(trained, pixels, HERE / "network.txt", optimizer, seed=seed, threads=threads)
        print(
            f"trained {optimizer.epochs} epochs on {found.rows} patches in {found.seconds:.1f} s, "
            f"last training loss {found.losses.sum():.4f}, of the mean colour {found.mean_losses.sum():.4f}"
        )
        if found.failed:
            text = f"no better than the mean colour: {', '.join(found.failed)} (try a smaller --rate)"
            CONSOLE.print(f"run.py: {text}", style="red", highlight=False, soft_wrap=True)
        shown = [*(("trained on", pair) for pair in trained[:SHOWN]), ("held out", held_out)]
        if data is None:
            shown.append(("held out", read_result(direction)))
        report(found, shown, TITLES[direction], out / f"facades-{direction}.png", threads)


if __name__ == "__main__":
    typer.run(main)
