"""Runs one command and reports its wall clock, exit code and peak of resident memory as JSON on stdout.

Started as a script by a bare `python -I -S`, because a child's reported peak includes that of the process that
started it, up to its exec: this one is small.  launcher.py '["command", "argument"]'
"""

import json
import os
import subprocess
import sys
import time

started = time.perf_counter()
process = subprocess.Popen(json.loads(sys.argv[1]), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds, "code": os.waitstatus_to_exitcode(status), "memory": usage.ru_maxrss << 10}))
