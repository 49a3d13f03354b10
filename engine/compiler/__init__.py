"""Compiling kernels: decorators, signatures, Numba's side, machine code, the compile cache. Knows no arithmetic."""
