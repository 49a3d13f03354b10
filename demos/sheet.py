"""Compose the pictures that the demos wrote into one labelled sheet.

    python demos/sheet.py
    python demos/sheet.py --pictures demos/out --output sheet.png

Takes every NAME-something.png, cuts off its blank margins, scales it, and sets all in rows of one width, ordered as
`all.py` runs the demos.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Annotated

import typer
from all import COMMANDS
from common.pictures import OUT
from matplotlib.font_manager import findfont
from PIL import Image, ImageChops, ImageDraw, ImageFont, UnidentifiedImageError

# Width and number of colours, 0: all; the first whose file is small enough. Better fewer pixels than fewer colours.
FORMS = [(1600, 0), (1400, 0), (1200, 0), *((width, 256) for width in range(1600, 399, -200))]
LARGEST_FILE = 600_000  # bytes
LARGEST_PICTURE = 50_000_000  # pixels
ROW_HEIGHT = 0.24  # of the sheet's width
TALLEST = 1.5  # times its width: of longer ones the lower end is cut off
GAP, LABEL = 16, 26  # pixels
BLANK = 12  # of 255: how far a margin may differ from the picture's corner
PAPER, INK = (255, 255, 255), (60, 60, 60)


class NoPictures(Exception):
    """There is nothing to compose; the text says what to do."""


def find_pictures(folder: Path) -> list[Path]:
    """Every NAME-something.png of the folder, ordered by demo. Raises NoPictures."""
    order = {name: number for number, name in enumerate(COMMANDS)}
    found = sorted(folder.glob("*-*.png"), key=lambda path: (order.get(demo_of(path), len(order)), path.name))
    if not found:
        raise NoPictures(f"{folder} holds no picture NAME-something.png; run the demos first: make demos")
    return found


def demo_of(path: Path) -> str:
    """NAME of NAME-something.png."""
    return path.name.partition("-")[0]


def label_of(path: Path) -> str:
    """NAME-something.png is labelled "NAME: something"."""
    return path.stem.replace("-", ": ", 1).replace("_", " ")


def read_picture(path: Path) -> Image.Image:
    """The picture on white paper, without blank margins and not taller than TALLEST. Raises NoPictures."""
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > LARGEST_PICTURE:
                raise NoPictures(f"{path} has {opened.width} x {opened.height} pixels, more than {LARGEST_PICTURE}")
            layers = opened.convert("RGBA")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError) as error:
        raise NoPictures(f"{path} is not a picture: {error}") from None
    picture = Image.new("RGB", layers.size, PAPER)
    picture.paste(layers, mask=layers.getchannel("A"))
    picture = trim(picture)
    return picture.crop((0, 0, picture.width, min(picture.height, round(TALLEST * picture.width))))


def trim(picture: Image.Image) -> Image.Image:
    """`picture` without the margins that have the colour of its upper left corner."""
    corner = Image.new("RGB", picture.size, picture.getpixel((0, 0)))
    difference = ImageChops.difference(picture, corner).convert("L").point(lambda value: 255 * (value > BLANK))
    return picture.crop(difference.getbbox() or (0, 0, *picture.size))


def split_rows(shapes: list[float], width: int) -> list[list[int]]:
    """Numbers of the pictures of each row, in order. shapes: width / height of each picture.

    Of all ways to cut the sequence into rows that fill `width`, the one whose heights are nearest to ROW_HEIGHT.
    """
    best: list[tuple[float, list[list[int]]]] = [(0.0, [])]
    for end in range(1, len(shapes) + 1):
        ways = []
        for start in range(end):
            height = row_height(shapes[start:end], width)
            cost, rows = best[start]
            ways.append((cost + math.log(height / (ROW_HEIGHT * width)) ** 2, [*rows, list(range(start, end))]))
        best.append(min(ways, key=lambda way: way[0]))
    return best[-1][1]


def row_height(shapes: list[float], width: int) -> float:
    """Height at which pictures of these shapes fill a row; a single one is at most twice ROW_HEIGHT tall."""
    return min((width - GAP * (len(shapes) + 1)) / sum(shapes), 2 * ROW_HEIGHT * width)


def compose(pictures: list[Image.Image], labels: list[str], width: int) -> Image.Image:
    """The sheet, `width` pixels wide: rows of pictures, each above its label."""
    shapes = [picture.width / picture.height for picture in pictures]
    rows = split_rows(shapes, width)
    heights = [max(1, int(row_height([shapes[n] for n in row], width))) for row in rows]
    sheet = Image.new("RGB", (width, GAP + sum(heights) + (LABEL + GAP) * len(rows)), PAPER)
    draw, font, top = ImageDraw.Draw(sheet), ImageFont.truetype(findfont("DejaVu Sans"), 15), GAP
    for row, height in zip(rows, heights, strict=True):
        left = GAP
        for n in row:
            size = max(1, round(shapes[n] * height)), height
            sheet.paste(scaled(pictures[n], size), (left, top))
            draw.text((left, top + height + 5), fitting(labels[n], size[0], font), INK, font)
            left += size[0] + GAP
        top += height + LABEL + GAP
    return sheet


def scaled(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Pixels of small pictures stay squares, as they may be the subject of the picture."""
    method = Image.Resampling.NEAREST if size[0] >= 3 * picture.width else Image.Resampling.LANCZOS
    return picture.resize(size, method)


def fitting(text: str, width: int, font: ImageFont.FreeTypeFont) -> str:
    """`text`, cut at its end to what `width` pixels hold."""
    while text and font.getlength(text) > width:
        text = text[:-2].rstrip() + "…" if len(text) > 2 else ""
    return text


def fitting_sheet(pictures: list[Image.Image], labels: list[str]) -> tuple[Image.Image, bytes]:
    """The first sheet of FORMS whose file is smaller than LARGEST_FILE, or else the last, and that file."""
    for width, colours in FORMS:
        sheet, file = compose(pictures, labels, width), io.BytesIO()
        if colours:
            sheet = sheet.quantize(colours, Image.Quantize.FASTOCTREE)
        sheet.save(file, "PNG", optimize=True)
        if file.tell() < LARGEST_FILE:
            break
    return sheet, file.getvalue()


def main(
    pictures: Annotated[Path, typer.Option(help="Folder with the pictures.")] = OUT,
    output: Annotated[Path, typer.Option(help="The sheet, a PNG file.")] = OUT / "sheet.png",
) -> None:
    """Compose the pictures that the demos wrote into one labelled sheet."""
    try:
        paths = find_pictures(pictures)
        sheet, file = fitting_sheet([read_picture(path) for path in paths], [label_of(path) for path in paths])
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(file)
    except (NoPictures, OSError) as error:
        typer.echo(f"sheet.py: {error}", err=True)
        raise typer.Exit(3) from None
    print(f"wrote {output}: {len(paths)} pictures, {sheet.width} x {sheet.height}, {len(file) / 1000:.0f} kB")


if __name__ == "__main__":
    typer.run(main)
