"""The config.ini of Caffe-Computation-Graph-Optimization: the same keys, defaults and meaning.

Its section is [DEFAULT]; the values are paths, yes or no, and numbers. pycaffe_path, H, W and C are not needed here.
A mean.npy gives the means of its channels, averaged over the picture; without one they are mean_B, mean_G, mean_R.
"""

from __future__ import annotations

import configparser
from pathlib import Path

import numpy as np

from ..errors import FileMissing, InputError
from .optimize import Request

PATHS = ("original_prototxt_path", "original_model_path", "optimized_prototxt_path", "optimized_model_path")
FLAGS = ("merge_bn_scale", "merge_input_scale", "merge_input_mean", "merge_dropout", "merge_inplace_memory")
UNUSED = ("pycaffe_path", "H", "W", "C")
OTHERS = ("input_scale", "mean_proto_path", "mean_R", "mean_G", "mean_B")
LARGEST = 1 << 20  # bytes of a config file


def read_config(path: Path) -> Request:
    """What a config.ini asks for; its paths are relative to where the command runs.

    Raises InputError for a missing or unknown key, or a value that it cannot have.
    """
    values = _read(path)
    flags = {name: _flag(path, values, name) for name in FLAGS}
    mean, notices = _mean(path, values) if flags["merge_input_mean"] else ((), ())
    return Request(
        *(Path(_text(path, values, name)) for name in PATHS),
        fold_bn=flags["merge_bn_scale"],
        drop_dropout=flags["merge_dropout"],
        in_place=flags["merge_inplace_memory"],
        mean=mean,
        scale=_number(path, values, "input_scale") if flags["merge_input_scale"] else 1.0,
        notices=notices,
    )


def _read(path: Path) -> configparser.SectionProxy:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(LARGEST)
    except FileNotFoundError:
        raise FileMissing(path) from None
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from None
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise InputError(path, " ".join(str(error).split()), "[DEFAULT] and lines of the form key = value") from None
    known = {name.lower() for name in (*PATHS, *FLAGS, *OTHERS, *UNUSED)}
    for name in parser["DEFAULT"]:
        if name not in known:
            raise InputError(path, f"the key {name!r}", f"one of {', '.join((*PATHS, *FLAGS, *OTHERS))}")
    return parser["DEFAULT"]


def _text(path: Path, values: configparser.SectionProxy, name: str) -> str:
    if not values.get(name):
        raise InputError(path, f"no {name}", "a value for it")
    return values[name].strip("\"'")


def _flag(path: Path, values: configparser.SectionProxy, name: str) -> bool:
    try:
        return values.getboolean(name, fallback=False)
    except ValueError:
        raise InputError(path, f"{name} = {values[name]}", "yes or no") from None


def _number(path: Path, values: configparser.SectionProxy, name: str) -> float:
    try:
        return float(_text(path, values, name))
    except ValueError:
        raise InputError(path, f"{name} = {values[name]}", "a number") from None


def _mean(path: Path, values: configparser.SectionProxy) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """The means of the channels, and what there is to say about where they come from."""
    file = Path(values.get("mean_proto_path", "").strip("\"'"))
    if file.suffix != ".npy" or not file.is_file():
        return tuple(_number(path, values, f"mean_{colour}") for colour in "BGR"), ()
    try:
        mean = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(file, f"is no .npy: {error}", "the mean picture [C, H, W]") from None
    if mean.ndim not in (1, 3) or mean.dtype.kind not in "iuf":
        raise InputError(file, f"holds {mean.dtype} {mean.shape}", "numbers [C, H, W] or [C]")
    pixels = mean.reshape(len(mean), -1)
    channels = pixels.mean(axis=1, dtype=np.float64)
    furthest = np.abs(pixels - channels[:, np.newaxis]).max()
    notice = f"{file} gives the mean, not mean_R, mean_G, mean_B"
    if furthest > 0:
        notice += f"; it varies over the picture, by up to {furthest:.3g}, and its average a channel is used"
    return tuple(map(float, channels)), (notice,)
