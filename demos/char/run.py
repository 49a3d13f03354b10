"""A character model: learns what character follows ten others, and then writes.

    python demos/char/run.py train TEXT MODEL
    python demos/char/run.py sample MODEL --seed-text "call me ish" --temperature 0.5
    python demos/char/run.py quick

A model is the original's pair of files, MODEL.bin and MODEL.txt. c64, intel, moby, title and aeneid name those that the
original carries, `titles` its text of 40974 paper titles.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

import caffe64

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common.fetching import ORIGINAL, DataMissing, download, find_folder
from common.pictures import OUT
from common.progress import CONSOLE
from model import CharacterModel, bits
from text import WINDOW, Alphabet, TextError, read_text

TITLES = {"titles.txt.gz": "97aa1bb8bb85ea38b2e6677c7b268cdc1663b0493b2069273300cfd0e9233bf2"}
MODELS = {  # SHA-256 of NAME.bin and NAME.txt
    "aeneid": (
        "5ff39f705b465e65dfe6d417762efe4e259c9c858c3e732b0bc7c89f3ca3317e",
        "c42c90a548956f95238e73f11a2701fb708a099b926b49e59306c812f43dde00",
    ),
    "c64": (
        "f1d3dd434b772176b2580ec42cd1eec94b95d1649eaafc21e84173b637b27bcb",
        "309791771c6ba3511b2cc3693480bc4177070ff93a280895109e0bbe8affe5a7",
    ),
    "intel": (
        "66b220ec56d84f86b390773c5a2c127c8ec7fb9bbdc615727e388a4b8ddb1144",
        "bbce4b098673daa128db0e18dd43151fdfb759a9cb7ccc6c8329132890607066",
    ),
    "moby": (
        "42e7d5be292989347535f09bb1b17e70d29fe02bde1f49a4577ca65a560d6f1c",
        "c6ee1ad6388e8617dd9362dbf428c840ee105c0d2f42c340be63897f866a953e",
    ),
    "title": (
        "eaec8f2fa7bd2fbb6ae9181f0c15abc6e973f04a5da1297ebb1cc44292305f95",
        "26ebfb9d2737b6db700e45e2a4490780e11d6856a43be7a1bb53a5ee21998671",
    ),
}
QUICK_CHARACTERS, QUICK_EPOCHS = 300_000, 3
FAILURES = (DataMissing, TextError, caffe64.Caffe64Error)

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__.partition("\n")[0])
Data = Annotated[Path | None, typer.Option(help="Folder with the original's models or titles.txt.gz.")]
Out = Annotated[Path, typer.Option(help="Folder for the picture.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of all that is random; sample: default another each time.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads; default: as many as pay off.")]


@app.command()
def train(
    text: Annotated[Path, typer.Argument(help="A text file, plain or .gz; `titles` for the paper titles.")],
    model: Annotated[Path, typer.Argument(help="Writes MODEL.bin and MODEL.txt.")],
    samples: Annotated[int | None, typer.Option(min=1, help="Windows to train on; default: all of the text.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs; default: the optimizer file's.")] = None,
    data: Data = None,
    out: Out = OUT,
    seed: Seed = 0,
    threads: Threads = None,
) -> None:
    """Learn what character follows ten others, from a text."""
    learn(read_text(find_text(text, data)), model, samples, epochs, out, seed, threads)


@app.command()
def sample(
    model: Annotated[Path, typer.Argument(help="MODEL.bin and MODEL.txt, or c64, intel, moby, title or aeneid.")],
    seed_text: Annotated[str, typer.Option(help="What the text begins with; its last ten characters count.")] = "the ",
    temperature: Annotated[
        float, typer.Option(min=0, help="0: always the likeliest character; 1: the net's probabilities; more: wilder.")
    ] = 0.6,
    length: Annotated[int, typer.Option(min=1, help="Characters to write.")] = 1000,
    data: Data = None,
    seed: Seed = None,
) -> None:
    """Write text, character by character."""
    loaded = CharacterModel.load(find_model(model, data))
    sys.stdout.write(seed_text)
    for character in loaded.sample(seed_text, length, temperature, seed):
        sys.stdout.write(character)
    sys.stdout.write("\n")


@app.command()
def quick(data: Data = None, out: Out = OUT, seed: Seed = 0, threads: Threads = None) -> None:
    """Train on a part of the paper titles for a few seconds, and show the result."""
    text = read_text(find_text(Path("titles"), data))[:QUICK_CHARACTERS]
    model = learn(text, out / "char-quick", None, QUICK_EPOCHS, out, seed, threads)
    print("".join(["deep ", *model.sample("deep ", 300, 0.5, seed)]))


def learn(text, path, samples, epochs, out, seed, threads) -> CharacterModel:
    """Train on `text`, save the model, print and draw the results."""
    from pictures import draw_training  # here: Matplotlib takes longer to import than a sample to write

    model = CharacterModel.untrained(Alphabet.of(text))
    started = time.perf_counter()
    history = model.fit(text, samples, epochs, seed, threads)
    seconds = time.perf_counter() - started
    model.save(path)
    last, held_out = history.loss[-1], history.validation[-1]
    print(f"trained {len(history.loss)} epochs on {len(text)} characters in {seconds:.1f} s; wrote {path}.bin and .txt")
    print(f"{bits(last):.3f} bits per character; on the text's end, not trained on, {bits(held_out.loss):.3f}")
    print(f"there the likeliest character was right in {100 * held_out.accuracy:.1f} %")
    start = text.rfind(" ", 0, len(text) - len(text) // 40) + 1 - WINDOW  # a word begins the line
    draw_training(model, history, text[max(0, start) :], out / f"char-{path.name.removeprefix('char-')}.png")
    return model


def find_text(path: Path, data: Path | None) -> Path:
    """`path`, or the path of the paper titles. Raises DataMissing."""
    if path.exists() or str(path) != "titles":
        return path
    names = tuple(TITLES)
    folder = find_folder("char", names, data) or download("char", TITLES, (ORIGINAL + "char/titles/",))
    return folder / names[0]


def find_model(path: Path, data: Path | None) -> Path:
    """`path`, or the path of one of the original's models. Raises DataMissing."""
    name = str(path)
    if path.with_name(path.name + ".bin").exists():
        return path
    if name not in MODELS:
        raise DataMissing(f"there is no {path}.bin; train a model, or name one of {', '.join(MODELS)}")
    files = {f"{name}.bin": MODELS[name][0], f"{name}.txt": MODELS[name][1]}
    folder = find_folder("char", tuple(files), data) or download("char", files, (ORIGINAL + "char/models/",))
    return folder / name


if __name__ == "__main__":
    try:
        app()
    except FAILURES as error:
        CONSOLE.print(f"run.py: {error}", style="red", markup=False, soft_wrap=True)
        raise SystemExit(3) from None
