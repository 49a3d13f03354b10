"""python -m caffe64.perf"""

import os

# Before NumPy loads its BLAS: the kernels that are timed in this process run on one thread, so must NumPy.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from .app import app

if __name__ == "__main__":
    app(prog_name="python -m caffe64.perf")
