"""caffe64 mean: the mean picture of a database, for mean_file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from . import options

NAME = "mean"
EXAMPLES = ("caffe64 mean train_lmdb mean.binaryproto",)


def command(
    source: Annotated[
        Path, options.input_argument("DB", "LMDB or LevelDB, or other pictures as `convert` reads them.")
    ],
    target: Annotated[Path, options.output_argument("OUT", "File to write: .binaryproto or .npy.")],
) -> None:
    """Write the mean picture of a database, which a layer takes as mean_file.

    Prints the mean of each channel, in the order of the records (mostly blue, green, red), for mean_value.
    """
    from ..caffe.data.mean import mean_picture, write_mean
    from ..caffe.data.samples import open_samples
    from . import files
    from .output import Output
    from .progress import counting

    files.check_suffix(target, "OUT", (".binaryproto", ".npy"))
    files.check_inputs((source,))
    files.check_outputs((target,), (source,))
    output, samples = Output(), open_samples(source)
    with counting(output, "mean", samples.count, "pictures") as progress:
        mean = mean_picture(source, samples, progress)
    write_mean(target, mean)
    output.say(f"{target} is the mean of {samples.count} pictures [{', '.join(map(str, mean.shape))}]")
    for number, value in enumerate(mean.mean(axis=(1, 2), dtype="f8").tolist()):
        print(f"mean_value channel [{number}]: {value:g}")
