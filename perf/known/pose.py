"""OpenPose: maps of joints and of limbs."""

from __future__ import annotations

from ..suites.caffe_nets import convolution, layer, pooling
from .text import MAX2, conv_relu, title

MAPS = {"L1": 38, "L2": 19}  # of the 19 limbs, two coordinates each; of 18 joints and the background
STAGES = 6


def openpose() -> str:
    """Cao and others 2017, COCO: ten convolutions of VGG-19, then six stages of two branches. Its input is 1 x 1, to be
    set by the caller."""
    net, bottom = title("openpose-coco", 1, 3, 1, 1, blob="image"), "image"
    names = ("1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "3_4", "4_1", "4_2", "4_3_CPM", "4_4_CPM")
    for name, outputs in zip(names, (64, 64, 128, 128, *[256] * 4, 512, 512, 256, 128), strict=True):
        net += conv_relu(f"conv{name}", bottom, outputs, 3, "pad: 1")
        bottom = f"conv{name}"
        if name in ("1_2", "2_2", "3_4"):
            net += pooling(f"pool{name[0]}_stage1", bottom, MAX2)
            bottom = f"pool{name[0]}_stage1"
    features, bottom = bottom, bottom
    for stage in range(1, STAGES + 1):
        made = {branch: _branch(branch, stage, bottom, outputs) for branch, outputs in MAPS.items()}
        net += "".join(text for text, _ in made.values())
        ends = [end for _, end in made.values()]
        last = stage == STAGES
        bottom = "net_output" if last else f"concat_stage{stage + 1}"
        net += layer("Concat", bottom, " ".join(reversed(ends) if last else [*ends, features]))
    return net


def _branch(branch: str, stage: int, bottom: str, outputs: int) -> tuple[str, str]:
    """Text, and the blob in which it ends."""
    net, first = "", stage == 1
    prefix, kernel, depth = ("conv5", 3, 3) if first else ("Mconv", 7, 5)
    for number in range(1, depth + 1):
        name = f"{prefix}_{number}_CPM_{branch}" if first else f"{prefix}{number}_stage{stage}_{branch}"
        net += conv_relu(name, bottom, 128, kernel, f"pad: {kernel // 2}")
        bottom = name
    wide, end = (
        f"conv5_{n}_CPM_{branch}" if first else f"Mconv{n}_stage{stage}_{branch}" for n in (depth + 1, depth + 2)
    )
    net += conv_relu(wide, bottom, 512 if first else 128, 1) + convolution(end, wide, outputs, 1, "")
    return net, end
