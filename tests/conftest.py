"""Random tests take the same examples in every run. The sdist and the wheel, for tests of what is installed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

settings.register_profile("fixed", deadline=None, derandomize=True, database=None)
settings.load_profile("fixed")


class Collection:
    """The checkout is a folder of tests, not a package of them, which pytest would import once more under the folder's
    name; one with dots, an unpacked sdist's, cannot be."""

    @staticmethod
    def pytest_collect_directory(path, parent):
        return pytest.Dir.from_parent(parent, path=path) if path == ROOT else None


def pytest_configure(config):
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # started in the background: then all programs would ignore it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(Collection())  # hooks of this file are not asked about the folders above it


@pytest.fixture(scope="session")
def sdist(tmp_path_factory) -> Path:
    """An sdist of this checkout, with the wheel that is built from it beside it."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT]
    subprocess.run(command, cwd=out, check=True, capture_output=True)
    (made,) = out.glob("caffe64-*.tar.gz")
    return made


@pytest.fixture(scope="session")
def wheel(sdist) -> Path:
    (made,) = sdist.parent.glob("caffe64-*.whl")
    return made
