"""A small net with all that shards could get wrong, trained by a solver file; ranks are threads of one process."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from reference.data_nets import datum, write_lmdb
from reference.thread_group import run_ranks

from caffe64.caffe.solver.glog import CaffeLog
from caffe64.caffe.solver.loop import TrainingLoop
from caffe64.caffe.solver.solver import CaffeTraining

BATCH = 16
RECORDS, TESTED = 44, 12  # epochs end within batches
NET = """
layer {{ name: "data" type: "Data" top: "data" top: "label" include {{ phase: TRAIN }}
  transform_param {{ mirror: true crop_size: 10 scale: 0.01 }}
  data_param {{ source: "{folder}/train_db" batch_size: {batch} backend: LMDB }} }}
layer {{ name: "data" type: "Data" top: "data" top: "label" include {{ phase: TEST }}
  transform_param {{ crop_size: 10 scale: 0.01 }}
  data_param {{ source: "{folder}/test_db" batch_size: 6 backend: LMDB }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param {{ num_output: 8 kernel_size: 3 weight_filler {{ type: "xavier" }} }} }}
{norm}
layer {{ name: "relu" type: "ReLU" bottom: "conv" top: "conv" }}
layer {{ name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param {{ pool: MAX kernel_size: 2 stride: 2 }} }}
{more}
layer {{ name: "ip" type: "InnerProduct" bottom: "{last}" top: "ip"
  param {{ lr_mult: 1 }} param {{ lr_mult: 2 decay_mult: 0 }}
  inner_product_param {{ num_output: 5 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }}
layer {{ name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" }}
"""
NORM = """
layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "conv"
  param { lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 } batch_norm_param { moving_average_fraction: 0.9 } }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
"""
DROPOUT = 'layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" dropout_param { dropout_ratio: 0.4 } }'
OWN_CODE = 'layer { name: "mvn" type: "MVN" bottom: "pool" top: "mvn" }'  # no compiled steps: an iteration in pieces
SETTINGS = """
base_lr: 0.05 momentum: 0.9 weight_decay: 0.01 lr_policy: "step" gamma: 0.5 stepsize: 4
max_iter: 8 display: 2 test_iter: 2 test_interval: 4 average_loss: 3 random_seed: 5
"""


def write_training(
    folder: Path, settings: str = "", *, batch: int = BATCH, norm: str = NORM, more: str = DROPOUT, last: str = "pool"
) -> Path:
    """The solver file, with its net and data beside it; `settings` overwrite those above."""
    draws = np.random.default_rng(7)
    for name, count in (("train_db", RECORDS), ("test_db", TESTED)):
        if not (folder / name).exists():
            labels = draws.integers(0, 5, count)
            pictures = draws.integers(0, 200, (count, 1, 12, 12)) + 10 * labels[:, None, None, None]
            write_lmdb(
                folder / name, [datum(x.astype(np.uint8), int(y)) for x, y in zip(pictures, labels, strict=True)]
            )
    net = NET.format(folder=folder, batch=batch, norm=norm, more=more, last=last)
    (folder / "net.prototxt").write_text(net)
    own = dict(re.findall(r'(\w+): ("[^"]*"|\S+)', SETTINGS)) | dict(re.findall(r'(\w+): ("[^"]*"|\S+)', settings))
    own = {"net": f'"{folder}/net.prototxt"', "snapshot_prefix": f'"{folder}/snap"'} | own
    path = folder / "solver.prototxt"
    path.write_text("\n".join(f"{name}: {value}" for name, value in own.items()))
    return path


class Trained:
    """What a training has left: `weights`, `gradient` (what was subtracted last), `histories`, `losses` and `log`, that
    of rank 0 without times."""

    def __init__(self, loop: TrainingLoop, losses: Sequence[float], log: Sequence[str]):
        trainer = loop.solver.trainer
        self.weights, self.histories = trainer.owner.vector.copy(), [each.copy() for each in trainer.histories]
        self.gradient, self.losses, self.log, self.saved = trainer.gradient.copy(), [*losses], [*log], loop.saved
        self.place = trainer.fed.place
        blobs = loop.solver.net.params.items()
        self.named = {name: np.concatenate([blob.data.ravel() for blob in each]) for name, each in blobs}

    def same(self, other: Trained) -> None:
        """Asserts that all bits are."""
        assert self.losses == other.losses
        assert self.weights.tobytes() == other.weights.tobytes()
        assert [each.tobytes() for each in self.histories] == [each.tobytes() for each in other.histories]
        assert self.log == other.log
        assert self.place == other.place


def train(path: Path, shards: int = 1, ranks: int = 1, threads: int = 1, *, state: str | None = None, poll=None):
    """By the loop, from the snapshot `state` perhaps. `poll(rank, iteration)` asks, as signals do."""

    def work(group):
        lines: list[str] = []
        losses: list[float] = []
        solver = CaffeTraining(path, threads=threads, shards=shards, group=group)
        log = CaffeLog(lambda line: lines.append(re.sub(r"^.*?\] ", "", line)), solver)
        log.begin([])

        def tell(event):
            log(event)
            if type(event).__name__ == "Stepped":
                losses.append(float(event.step.loss))

        if state:
            solver.restore(state)
        ask = (lambda: poll(group.rank, solver.iter)) if poll else lambda: None
        loop = TrainingLoop(solver, tell, ask)
        loop.solve()
        solver.trainer.gather()
        solver.trainer.fed.close()
        return Trained(loop, losses, [re.sub(r"\(.* iter/s, .*\)", "", line) for line in lines])

    return run_ranks(ranks, work)
