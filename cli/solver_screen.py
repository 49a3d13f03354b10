"""stderr of Caffe's forms of `train` and `test`: which form of log, notices, and streams that end before the work."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterable

from ..caffe.net import CaffeNet
from .output import Output


def form_of(output: Output, asked: str | None) -> str:
    """caffe or plain; "" for no log."""
    return "" if output.quiet else asked or ("plain" if output.can_draw else "caffe")


def notices(output: Output, gpu: str, nets: Iterable[CaffeNet]) -> None:
    """What the readers of the nets have noticed, each line once; `gpu` is what asks for one."""
    if gpu:
        output.say(f"{gpu} is not followed: caffe64 computes on the CPU")
    for notice in dict.fromkeys(notice for net in nets for notice in net.notices):
        output.say(notice)


class Screen:
    """What prints may be prevented by the end of its terminal, after which work goes on and stderr leads nowhere, or
    of the reader of its pipe, which is `gone` then."""

    def __init__(self):
        self.gone = False

    @staticmethod
    def print(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def run(self, prints: Callable[[], object]) -> None:
        if self.gone:
            return
        try:
            prints()
        except BrokenPipeError:
            self.gone = True
        except OSError as error:
            if error.errno != errno.EIO:  # not that of a terminal that was closed
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())

    def check(self) -> None:
        """Raises BrokenPipeError if the reader has gone."""
        if self.gone:
            raise BrokenPipeError
