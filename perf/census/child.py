"""A process that takes nets through the stages, one after another, within bounds of time and memory:

    python -m caffe64.perf.census.child SECONDS BYTES

Each line read is a request, {"path", "guesses"}. Replies are JSON lines: {"stage", "deploy", "guessed"} for each stage
that the net has got through, at once, so that it is known where the process ended; then {"reasons"}, none if it has got
through all. A net that takes longer than SECONDS ends the process by SIGALRM, which no native code holds up.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path

from .reasons import Ended
from .stages import get_through


def main() -> None:
    seconds, memory = map(int, sys.argv[1:])
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of libraries must not mix with the replies
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))

    def reply(**fields) -> None:
        print(json.dumps(fields), file=replies, flush=True)

    for line in sys.stdin:
        request = json.loads(line)
        guesses = {name: tuple(shape) for name, shape in request["guesses"].items()}
        reasons = []
        signal.alarm(seconds)
        try:
            for stage, reading in get_through(Path(request["path"]), guesses):
                reply(stage=stage, deploy=reading.deploy, guessed=reading.guessed)
        except Ended as ended:
            reasons = ended.reasons
        signal.alarm(0)
        reply(reasons=reasons)


if __name__ == "__main__":
    main()
