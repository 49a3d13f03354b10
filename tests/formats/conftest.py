"""What the tests of all readers share: every cut of a good file, and hostile files that must cost no memory."""

from __future__ import annotations

import tracemalloc

import pytest

from caffe64.errors import InputError


@pytest.fixture
def write(tmp_path):
    """write(data) -> the path of a file that holds these bytes or this text."""

    def write(data: bytes | str, name: str = "file"):
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


@pytest.fixture
def error_of(write):
    """error_of(read, data) -> the message of the InputError, without the path; the read must raise it cheaply."""

    def error_of(read, data: bytes | str, name: str = "file", memory: int = 1 << 20) -> str:
        path = write(data, name)
        tracemalloc.start()
        try:
            with pytest.raises(InputError) as caught:
                read(path)
            assert tracemalloc.get_traced_memory()[1] < memory, "memory was allocated before the sizes were checked"
        finally:
            tracemalloc.stop()
        message = str(caught.value)
        assert message.startswith(str(path))
        assert "\n" not in message
        return message.removeprefix(str(path)).removeprefix(":").strip()

    return error_of


@pytest.fixture
def assert_refuses_every_cut(write):
    """assert_refuses_every_cut(read, data): `data` reads, and none of its proper beginnings does."""

    def check(read, data: bytes):
        read(write(data))
        for size in range(len(data)):
            path = write(data[:size])
            with pytest.raises(InputError):
                read(path)

    return check
