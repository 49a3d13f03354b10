"""Where the compile cache lies, what it leaves alone, and what it forgets."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from reference.caching import RECTIFIED, RELU, kept, run
from reference.child import run_json, run_python

from caffe64.engine.compiler import cache

NOWHERE = {"XDG_CACHE_HOME": "/dev/null/x", "NUMBA_CACHE_DIR": None, "HOME": "/dev/null"}


WHERE = "from caffe64.engine.compiler import cache; import json; print(json.dumps(str(cache.cache_directory())))"


def test_the_folders_are_asked_in_their_documented_order(tmp_path):
    numba, xdg, home = (tmp_path / name for name in ("numba", "xdg", "home"))
    for settings, base in (
        ({"NUMBA_CACHE_DIR": numba, "XDG_CACHE_HOME": xdg, "HOME": home}, numba),
        ({"NUMBA_CACHE_DIR": None, "XDG_CACHE_HOME": xdg, "HOME": home}, xdg),
        ({"NUMBA_CACHE_DIR": None, "XDG_CACHE_HOME": None, "HOME": home}, home / ".cache"),
        ({"NUMBA_CACHE_DIR": "/dev/null/x", "XDG_CACHE_HOME": xdg, "HOME": home}, xdg),
        ({"NUMBA_CACHE_DIR": None, "XDG_CACHE_HOME": "relative", "HOME": home}, home / ".cache"),
    ):
        directory = Path(run_json(WHERE, **settings))
        assert directory.parent == base / "caffe64"
        assert directory.is_dir()


def test_numbas_folder_is_where_kernels_land(tmp_path):
    report = run(RELU, "/dev/null/x", NUMBA_CACHE_DIR=tmp_path)
    assert len(kept(tmp_path / "caffe64")) == report["used"] == 1


def test_another_cpu_has_another_directory(tmp_path):
    settings = {"XDG_CACHE_HOME": tmp_path, "NUMBA_CACHE_DIR": None, "NUMBA_CPU_FEATURES": ""}
    narrow, wide = (run_json(WHERE, NUMBA_CPU_NAME=name, **settings) for name in ("nehalem", "haswell"))
    assert narrow != wide


def test_with_nothing_writable_kernels_are_kept_in_a_private_temporary_folder(tmp_path):
    settings = {**NOWHERE, "TMPDIR": tmp_path}
    done = run_python(RELU, **settings)
    report = json.loads(done.stdout)
    private = tmp_path / f"caffe64-{os.getuid()}"
    assert report["result"] == RECTIFIED
    assert Path(report["directory"]).parent == private
    assert private.stat().st_mode & 0o777 == 0o700
    assert done.stderr.count("Warning") == 1
    assert f"compiled kernels are kept in {private}" in done.stderr
    assert "Set XDG_CACHE_HOME" in done.stderr
    assert run_json(RELU, **settings)["functions"] == 0


def spoil(folder: Path, how: str) -> Path:
    """Something at the place of the private temporary folder that must not be used."""
    place = folder / f"caffe64-{os.getuid()}"
    if how == "file":
        place.write_text("")
    elif how == "link":
        (folder / "elsewhere").mkdir(mode=0o700)
        place.symlink_to(folder / "elsewhere")
    else:
        place.mkdir()
        place.chmod(0o777 if how == "open" else 0o700)
        if how == "foreign":
            os.chown(place, 12345, 12345)
    return place


@pytest.mark.parametrize("how", ["file", "link", "open", "foreign"])
def test_a_temporary_folder_that_is_not_ours_alone_is_refused_and_nothing_kept(how, tmp_path):
    if how == "foreign" and os.getuid():
        pytest.skip("only root can give a folder away")
    place = spoil(tmp_path, how)
    done = run_python(RELU, **NOWHERE, TMPDIR=tmp_path)
    report = json.loads(done.stdout)
    assert (report["result"], report["directory"]) == (RECTIFIED, "None")
    assert done.stderr.count("Warning") == 1
    assert "kernels are compiled again in every run" in done.stderr
    assert not kept(tmp_path)
    assert place.is_file() or not any(place.iterdir())


# ---------------------------------------------------------------------------------------- other libraries
USERS_NUMBA = """
import json, sys
import numba
from numba.core import config

def settings():
    return {name: repr(value) for name, value in vars(config).items() if name.isupper()}

before = settings()
import caffe64
import caffe64.api, caffe64.kernels
caffe64.kernels.rel_forward
assert settings() == before
assert not config.CACHE_DIR
import users
print(json.dumps([users.twice(4), users.twice.stats.cache_path, sum(users.twice.stats.cache_hits.values()),
                  type(users.twice).__module__]))
"""


def test_numbas_settings_and_the_users_own_cached_functions_stay_as_they_were(tmp_path):
    (tmp_path / "users.py").write_text("import numba\n\n@numba.njit(cache=True)\ndef twice(x):\n    return 2 * x\n")
    settings = {"PYTHONPATH": tmp_path, "XDG_CACHE_HOME": tmp_path / "xdg", "NUMBA_CACHE_DIR": None}
    for hits in (0, 1):
        result, path, found, kind = run_json(USERS_NUMBA, **settings)
        assert (result, path, found) == (8, str(tmp_path / "__pycache__"), hits)
        assert kind.startswith("numba.")
    assert not kept(tmp_path)


# ------------------------------------------------------------------------------------------------ tidying
def test_old_directories_are_forgotten_and_recent_ones_kept(tmp_path):
    ages = {"current": 0, "hour": 3600, "day": 90_000, "week": 7 * 86_400, "month": 30 * 86_400, "year": 365 * 86_400}
    for name, age in ages.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "kernel.c64k").write_text("x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    cache.forget_old(tmp_path / "current", tmp_path.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"current", "hour", "day", "week"}


def test_directories_used_in_the_past_day_are_kept_however_many(tmp_path):
    for number in range(9):
        (tmp_path / str(number)).mkdir()
    cache.forget_old(tmp_path / "0", tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == 9


def test_clearing_removes_every_version_and_says_how_much(tmp_path, monkeypatch):
    for name in ("this", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kernel.c64k").write_bytes(b"x" * 100)
    monkeypatch.setattr(cache, "cache_directory", lambda: tmp_path / "this")
    assert cache.clear_cache() == 200
    assert not kept(tmp_path)


@pytest.mark.parametrize("why", ["nothing to free: .* holds no", "nothing freed: .* cannot be removed", "no cache dir"])
def test_clearing_that_frees_nothing_says_why(why, tmp_path, monkeypatch):
    (tmp_path / "this").mkdir()
    if "removed" in why:
        (tmp_path / "this" / "kernel.c64k").write_bytes(b"x" * 100)
        monkeypatch.setattr(cache.shutil, "rmtree", lambda path, ignore_errors: None)  # root may remove everything
    directory = None if "no cache" in why else tmp_path / "this"
    monkeypatch.setattr(cache, "cache_directory", lambda: directory)
    with pytest.raises(cache.NothingFreed, match=why) as raised:
        cache.clear_cache()
    assert raised.value.exit_code == 1


def test_a_filled_directory_that_cannot_be_written_still_serves(tmp_path, monkeypatch):
    monkeypatch.setattr(cache.os, "access", lambda path, mode: False)  # root may write everywhere
    warmed, empty = tmp_path / "warmed", tmp_path / "file" / "empty"
    warmed.mkdir()
    (warmed / "rel.rel_forward-0.c64k").write_bytes(b"")
    (tmp_path / "file").write_text("so that nothing can be made below it")
    assert cache._usable(warmed) == warmed
    assert cache._usable(empty) is None
