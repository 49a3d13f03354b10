"""The config.ini of Caffe-Computation-Graph-Optimization: the same keys and meaning.

original_, optimized_     the files; as every path in it, from the folder where the command runs
merge_...                 which passes run, yes or no
mean_proto_path           merge_input_mean: a mean picture, averaged over the picture, in the net's order of channels;
mean_B, mean_G, mean_R    the means, if there is no such file
input_scale               merge_input_scale: the factor after the mean. Where that stays outside, the mean is one of
                          values that are multiplied already
C, H, W                   the shape of a picture, where the net does not have it (`config_shapes.py`)
pycaffe_path              not needed here
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import FileMissing, InputError
from .config_file import ConfigFile
from .config_shapes import SIZES
from .optimize_run import OptimizeRequest

FILES = ("original_prototxt_path", "original_model_path", "optimized_prototxt_path", "optimized_model_path")
FLAGS = ("merge_bn_scale", "merge_input_scale", "merge_input_mean", "merge_dropout", "merge_inplace_memory")
MEANS = ("mean_B", "mean_G", "mean_R")
KEYS = ("pycaffe_path", *FILES, *FLAGS, "mean_proto_path", *MEANS, "input_scale", *SIZES)


def read_config(path: Path) -> OptimizeRequest:
    """The request of a config.ini. Raises InputError with the line for a wrong key or value, or naming a missing
    key."""
    config = ConfigFile(path, KEYS)
    files = [Path(config.text(key)) for key in FILES]
    for key, file in zip(FILES[:2], files, strict=False):
        if not file.exists():
            raise _elsewhere(config, key, file) or FileMissing(file)
    folds, scales, means, drops, in_place = (config.flag(key) for key in FLAGS)
    sizes = {key: config.size(key) for key in SIZES if key in config}
    scale = config.number("input_scale") if "input_scale" in config or scales else 1.0
    if not scale:
        raise config.error("input_scale", "input_scale = 0", "a number other than 0")
    mean, notices = _mean(config, sizes.get("C")) if means else ((), [])
    if means and not scales and scale != 1:
        mean = tuple(each * scale for each in mean)
        notices.append(f"merge_input_scale = no: inputs stay multiplied by input_scale = {scale:g}, and so is the mean")
    return OptimizeRequest(
        *files,
        fold_bn=folds,
        drop_dropout=drops,
        in_place=in_place,
        mean=mean,
        scale=(scale if scales else 1.0,),
        notices=tuple(notices),
        config=config,
    )


def _elsewhere(config: ConfigFile, key: str, file: Path) -> InputError | None:
    """An error for a file that is not here, but beside the config.ini."""
    if not (config.path.parent / file).exists():
        return None
    folder = config.path.parent
    hint = f"paths start from the current folder: run it in {folder}"
    return config.error(key, f"{key} = {file}: there is none here, but one in {folder}", "", hint)


def _mean(config: ConfigFile, channels: int | None) -> tuple[tuple[float, ...], list[str]]:
    """The means of the channels, and notices about their source."""
    file = Path(config.text("mean_proto_path")) if "mean_proto_path" in config else None
    if file and file.is_file():
        return _mean_of(config, file, channels)
    if file and (error := _elsewhere(config, "mean_proto_path", file)):
        raise error
    means = tuple(config.number(key) for key in MEANS)
    if channels == 1 and len(set(means)) == 1:
        means = means[:1]
    elif channels not in (None, 3):
        values = ", ".join(f"{mean:g}" for mean in means)
        raise config.error("C", f"C = {channels}, and mean_B, mean_G, mean_R are {values}", "C = 3, or a mean file")
    return means, [f"there is no {file}: mean_B, mean_G, mean_R are taken"] if file else []


def _mean_of(config: ConfigFile, file: Path, channels: int | None) -> tuple[tuple[float, ...], list[str]]:
    """The average of each channel of a mean picture."""
    from ..formats.caffe import read_binaryproto
    from ..formats.npy import read_npy

    mean = read_npy(file) if file.suffix.lower() == ".npy" else read_binaryproto(file)
    if mean.ndim not in (1, 3) or not mean.size or not np.isfinite(mean).all():
        raise InputError(file, f"holds {mean.dtype} {list(mean.shape)}", "finite numbers [C, H, W] or [C]")
    if channels not in (None, len(mean)):
        raise config.error("C", f"C = {channels}, and {file} has {len(mean)} channels", f"C = {len(mean)}")
    pixels = mean.reshape(len(mean), -1)
    averages = pixels.mean(axis=1, dtype=np.float64)
    furthest = np.abs(pixels - averages[:, np.newaxis]).max()
    notice = f"{file} gives the mean, not mean_R, mean_G, mean_B"
    if furthest > 0:
        notice += f"; it varies over the picture, by up to {furthest:.3g}, and the average of each channel is used"
    return tuple(map(float, averages)), [notice]
