"""A net that learns one picture: from the position (x, y) of a pixel to its colour.

    python demos/image_reco/run.py
    python demos/image_reco/run.py holiday.jpg --net wide --size 200

Three nets to choose from: the original's "wide" and "deep" ones, which take a net for each of red, green and blue, and
"joint", one net with three outputs. After A. Karpathy's demo "image regression" of ConvNetJS.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer

import caffe64

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common.failure import errors_in_one_line
from common.fetching import ORIGINAL, download, find_folder
from common.pictures import OUT, psnr, read_image
from reconstruction import Reconstruction, draw, learn
from views import save_animation, save_comparison

HERE = Path(__file__).resolve().parent
PICTURES = {  # the original's, with their SHA-256
    "df.jpg": "d62a09aaed04ae974f4fc3810d86c9989cf422eed57994f1700a40549ae1b32a",
    "ep_med.jpg": "6e0a4731dc75891ec15323758b60650932df6fb1ccd88d7057be1787969a9278",
    "hopper_sm.jpg": "983a910c6484125223d50691af23ee344a1b238f72a649237d77be6b3d64f371",
    "poirot_sm.jpg": "ce97ff87f9ded796555bd6e60340835bf61dbe61f51b9d0f479d4b3f76ff1bfc",
    "rufus_sm.jpg": "fe8fe3b4b089fc5a0ae8d10520fe0d88409f9dc2e6d3671ea3fc1cbc4078f821",
    "thoreau_sm.jpg": "ea2c7a58674443a3078e9644f5bdf177f8c78f50ac5a7f6ae00b435bdc74ad85",
}
SIZE, QUICK_SIZE = 300, 100  # longer side in pixels


def find_picture(picture: Path, data: Path | None) -> Path:
    """The file itself, or one of the original's pictures by its name. Raises DataMissing."""
    if picture.exists() or str(picture) not in PICTURES:
        return picture
    files = {picture.name: PICTURES[picture.name]}
    folder = find_folder("image_reco", tuple(files), data)
    return (folder or download("image_reco", files, (f"{ORIGINAL}image_reco/data/",))) / picture.name


def save_nets(nets: dict[str, caffe64.Net], out: Path, start: str) -> int:
    """Write out/START-NAME.bin, the weights of each net; returns their bytes."""
    out.mkdir(parents=True, exist_ok=True)
    files = {out / f"{start}-{name}.bin": net for name, net in nets.items()}
    for file, net in files.items():
        net.save(file)
        print(f"wrote {file}")
    return sum(file.stat().st_size for file in files)


def report(found: Reconstruction, pixels: np.ndarray, file: Path, net: str, out: Path, threads: int | None) -> None:
    """Print the figures of a trained net and write its weights, the comparison and the animation into `out`."""
    drawn = draw(found.nets, *pixels.shape[:2], threads)
    quality, epochs = psnr(drawn, pixels), len(found.frames) - 1
    print(f"trained {epochs} epochs in {found.seconds:.1f} s, last training loss {found.loss:.4f}")
    print(f"PSNR {quality:.2f} dB")
    start = f"image_reco-{file.stem}-{net}"
    stored = save_nets(found.nets, out, start)
    print(f"weights {stored} bytes; the picture {file.stat().st_size} bytes as a file, {pixels.nbytes} as pixels")
    title = f"{file.name}, learned by the {net} net in {found.seconds:.1f} s"
    captions = (
        f"original: {pixels.nbytes / 1000:.0f} kB of pixels",
        f"{quality:.1f} dB: {stored / 1000:.0f} kB of weights",
    )
    save_comparison(out / f"{start}.png", pixels, drawn, title, captions)
    save_animation(out / f"{start}.gif", pixels, found.frames, [f"epoch {i} of {epochs}" for i in range(epochs + 1)])


def main(
    picture: Annotated[Path, typer.Argument(help="A picture file, or one of " + ", ".join(PICTURES))] = Path(
        "hopper_sm.jpg"
    ),
    net: Annotated[Literal["wide", "deep", "joint"], typer.Option(help="Which net learns it.")] = "joint",
    size: Annotated[
        int | None, typer.Option(min=16, max=1024, help=f"Longer side to learn at, in pixels; default: {SIZE}.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with the original's pictures.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for pictures and weights.")] = OUT,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the initial weights and of the order of the pixels.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; default: as many as pay off.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help=f"At most {QUICK_SIZE} pixels per side.")] = False,
) -> None:
    """Train a net on the pixels of one picture, and draw the picture from the net."""
    with errors_in_one_line():
        file = find_picture(picture, data)
        pixels = read_image(file, longest=size or (QUICK_SIZE if quick else SIZE))
        network, optimizer = HERE / f"network{net.title()}.txt", HERE / f"optimsetting{net.title()}.txt"
        print(f"{file.name}: {pixels.shape[1]} x {pixels.shape[0]} pixels; {net}: {caffe64.Net.read(network)}")
        found = learn(pixels, network, caffe64.read_optimizer(optimizer), seed=seed, threads=threads)
        report(found, pixels, file, net, out, threads)


if __name__ == "__main__":
    typer.run(main)
