"""python -m caffe64, and the console script."""

from .cli.early import leave_on_signals


def main() -> None:
    """Ends the process with one of the exit codes of `errors.py`."""
    leave_on_signals()
    from .cli.app import main as run

    run()


if __name__ == "__main__":
    main()
