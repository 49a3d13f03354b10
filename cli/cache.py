"""caffe64 cache path | clear: where compiled kernels are kept, and a way to remove them."""

from __future__ import annotations

PATH_EXAMPLES = ("du -sh $(caffe64 cache path)",)
CLEAR_EXAMPLES = ("caffe64 cache clear",)


def path() -> None:
    """Print the directory of this version's compiled kernels."""
    from ..engine.compiler.cache import cache_directory
    from ..errors import CheckFailed

    directory = cache_directory()
    if directory is None:
        raise CheckFailed("no cache directory is writable: kernels are compiled again in every run")
    print(directory)


def clear() -> None:
    """Remove the compiled kernels of every version."""
    from ..engine.compiler.cache import clear_cache

    print(f"freed {clear_cache() / 1e6:.1f} MB")
