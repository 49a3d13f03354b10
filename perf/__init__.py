"""Benchmarks: verified first, then timed, beside the machine's measured peak and the peers that are installed."""
