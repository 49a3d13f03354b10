"""The pictures of image_reco: original beside reconstruction, and an animation of the picture forming."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from common.pictures import save_figure
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

STRIP = 22  # pixels below a frame, for its caption
FRAME_MS, LAST_MS = 120, 3000


def save_comparison(path: Path, original: np.ndarray, drawn: np.ndarray, title: str, captions: tuple[str, str]) -> None:
    """Write uint8 [h, w, 3] twice side by side, a caption above each."""
    height, width = original.shape[:2]
    figure = Figure(figsize=(10, 5 * height / width + 0.6), layout="constrained")
    for axes, pixels, caption in zip(figure.subplots(1, 2), (original, drawn), captions, strict=True):
        axes.imshow(pixels)
        axes.set_title(caption, fontsize=11)
        axes.set_axis_off()
    figure.suptitle(title, fontsize=13, fontweight="bold")
    save_figure(figure, path)


def save_animation(path: Path, original: np.ndarray, frames: np.ndarray, captions: list[str]) -> None:
    """Write a GIF: the original, and beside it each of the frames uint8 [N, h, w, 3] with its caption."""
    original = Image.fromarray(original).resize(frames.shape[2:0:-1], Image.Resampling.BICUBIC)
    font = ImageFont.load_default(13)
    images = [_frame(original, pixels, caption, font) for pixels, caption in zip(frames, captions, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    durations = [FRAME_MS] * (len(images) - 1) + [LAST_MS]
    images[0].save(path, save_all=True, append_images=images[1:], duration=durations, loop=0)
    print(f"wrote {path}")


def _frame(original: Image.Image, pixels: np.ndarray, caption: str, font) -> Image.Image:
    height, width = pixels.shape[:2]
    canvas = Image.new("RGB", (2 * width + 4, height + STRIP), "white")
    canvas.paste(original, (0, 0))
    canvas.paste(Image.fromarray(pixels), (width + 4, 0))
    pen = ImageDraw.Draw(canvas)
    pen.text((4, height + STRIP // 2), "original", "black", font, "lm")
    pen.text((width + 8, height + STRIP // 2), caption, "black", font, "lm")
    return canvas.quantize(method=Image.Quantize.FASTOCTREE)  # 6 ms per frame, the default method 250
