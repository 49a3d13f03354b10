import errno
import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from caffe64.errors import OutputError
from caffe64.formats.atomic import write_atomically


def put(path, data=b"new", mode="wb"):
    with write_atomically(path, mode) as file:
        file.write(data)


def test_a_file_is_written_and_nothing_else_stays_in_its_folder(tmp_path):
    put(tmp_path / "w.bin")
    assert (tmp_path / "w.bin").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["w.bin"]


def test_text_is_utf8_with_plain_newlines(tmp_path):
    put(tmp_path / "net.txt", "é\n", "w")
    assert (tmp_path / "net.txt").read_bytes() == b"\xc3\xa9\n"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    (tmp_path / "w.bin").write_bytes(b"old")

    def fail():
        with write_atomically(tmp_path / "w.bin") as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert (tmp_path / "w.bin").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["w.bin"]


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path):
    (tmp_path / "w.bin").write_bytes(b"old")
    with write_atomically(tmp_path / "w.bin") as file:
        file.write(b"new")
        file.flush()
        assert (tmp_path / "w.bin").read_bytes() == b"old"
    assert (tmp_path / "w.bin").read_bytes() == b"new"


def test_file_and_folder_are_synced_before_and_after_the_renaming(tmp_path, monkeypatch):
    calls = []
    kinds = {True: "folder", False: "file"}
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append(kinds[stat.S_ISDIR(os.fstat(fd).st_mode)]))
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: (calls.append("replace"), replace(*paths)))
    put(tmp_path / "w.bin")
    assert calls == ["file", "replace", "folder"]


def test_new_files_follow_the_umask_and_replaced_ones_keep_their_mode(tmp_path):
    path = tmp_path / "w.bin"
    old = os.umask(0o027)
    try:
        put(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o604)
        put(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o604
    finally:
        os.umask(old)


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "w.bin").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real" / "w.bin")
    put(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "w.bin").read_bytes() == b"new"


def test_a_relative_path_is_written_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put("w.bin")
    assert (tmp_path / "w.bin").read_bytes() == b"new"


def test_a_pipe_is_written_straight(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    put(pipe)
    reader.join()
    assert read == [b"new"]
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_device_is_written_straight():
    # A terminal of our own: run by root, a mistake here would replace /dev/null itself.
    terminal, device = os.openpty()
    try:
        put(os.ttyname(device))
        assert os.read(terminal, 10) == b"new"
    finally:
        os.close(terminal)
        os.close(device)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_stdout_is_continued_also_where_it_is_a_file(tmp_path, name):
    code = f"""
from caffe64.formats.atomic import write_atomically
print("before")
with write_atomically("{name}") as file:
    file.write(b"between\\n")
print("after")
"""
    (tmp_path / "out").write_text("old\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open(tmp_path / "out", "a") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True, env=environment)
    assert (tmp_path / "out").read_text() == "old\nbefore\nbetween\nafter\n"


def test_a_broken_pipe_is_not_an_output_error():
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        put(f"/dev/fd/{writer}")
    os.close(writer)


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing/w.bin", "No such file or directory"), ("", "it is a directory"), ("w" * 300, "File name too long")],
)
def test_what_cannot_be_written_is_an_output_error_naming_the_file(tmp_path, name, message):
    path = str(tmp_path / name)
    with pytest.raises(OutputError, match=message) as caught:
        put(path)
    assert str(caught.value).startswith(f"{path}: cannot be written: ")
    assert caught.value.exit_code == 3


def test_a_full_disk_is_an_output_error_and_leaves_the_old_file(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "w.bin").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="No space left"):
        put(tmp_path / "w.bin")
    assert (tmp_path / "w.bin").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["w.bin"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_write_protected_file_is_not_replaced(tmp_path):
    path = tmp_path / "w.bin"
    path.write_bytes(b"old")
    path.chmod(0o444)
    with pytest.raises(OutputError, match="write-protected"):
        put(path)
    assert path.read_bytes() == b"old"


def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path):
    code = """
import sys
from caffe64.formats.atomic import write_atomically
for turn in range(10**9):
    with write_atomically(sys.argv[1]) as file:
        for _ in range(16):
            file.write(bytes([97 + turn % 26]) * 65536)
    if turn == 0:
        print(flush=True)
"""
    path = tmp_path / "w.bin"
    for turn in range(5):
        with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(0.01 * turn)
            process.kill()
        data = path.read_bytes()
        assert len(data) == 1 << 20
        assert len(set(data)) == 1
