"""Benchmarks: verified first, then timed, as ratios within one run."""
