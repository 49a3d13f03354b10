"""A process that repeats one job on request:   python -m caffe64.perf.worker '{"job": ...}'

The request names a class (`"module:Class"`), its arguments and the number of CPUs. CPUs are confined and the thread
variables are set (by the parent) before anything is imported, so every library sees only the CPUs it may use.
Replies are JSON lines: {"facts", "memory"} when the job is ready, then {"wall", "cpu", "memory"} (seconds)
for each line read; {"error"} when it fails.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time

from .machine import confine, peak_memory


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent, which closes stdin
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of libraries must not mix with the replies

    def reply(**fields) -> None:
        replies.write(json.dumps({**fields, "memory": peak_memory()}) + "\n")
        replies.flush()

    try:
        request = json.loads(sys.argv[1])
        confine(request["threads"])
        module, _, name = request["job"].partition(":")
        job = getattr(importlib.import_module(module), name)(**request["arguments"])
        reply(facts=job.facts)
        for _ in sys.stdin:
            wall, cpu = time.perf_counter(), time.process_time()
            job.run()
            reply(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)
    except Exception as error:
        reply(error=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
