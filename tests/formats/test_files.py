import gzip
import os
import threading

import pytest

from caffe64.errors import FileMissing, InputError
from caffe64.formats.files import check_memory, open_data, open_input
from caffe64.formats.text import plain_decimal, quote, read_text


def read_all(path):
    with open_input(path) as file:
        return file.read()


def test_a_missing_file_is_reported_in_the_words_of_the_original(tmp_path):
    with pytest.raises(FileMissing) as caught:
        read_all(tmp_path / "X.txt")
    assert str(caught.value) == f"Couldn't find file {tmp_path / 'X.txt'}"
    assert caught.value.exit_code == 3


def test_a_directory_and_a_device_are_refused(tmp_path):
    with pytest.raises(InputError, match="is a directory, expected a file"):
        read_all(tmp_path)
    with pytest.raises(InputError, match="is a device"):
        read_all("/dev/null")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(write):
    path = write("1")
    path.chmod(0)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        read_all(path)


def test_a_pipe_can_be_read_like_a_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(gzip.compress(b"1 2 3"),))
    writer.start()
    with open_data(pipe) as source:
        assert source.zipped
        assert source.head(2) == b"1 "
        assert source.stream.read() == b"1 2 3"
    writer.join()


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:12] + b"\xff\xff" + data[14:]])
def test_a_damaged_gz_is_refused(write, damage):
    path = write(damage(gzip.compress(b"1 2 3 4 5 6 7 8 9")))
    with pytest.raises(InputError, match=r"is a damaged \.gz"), open_data(path) as source:
        source.stream.read()


def test_an_empty_file_is_refused_as_data(write):
    with pytest.raises(InputError, match="is empty"), open_data(write("")):
        pass


def test_text_larger_than_1_mib_is_refused(write):
    assert len(read_text(write(b"#" * (1 << 20)), "a text")) == 1 << 20
    with pytest.raises(InputError, match="is larger than 1 MiB"):
        read_text(write(b"#" * ((1 << 20) + 1)), "a text")


@pytest.mark.parametrize(
    ("data", "place"), [(b"1\n\0", ":2:1: found the byte 0x00"), (b"\n\n12\xff", ":3:3: found the byte 0xff")]
)
def test_binary_junk_is_refused_as_text_with_its_position(write, data, place):
    with pytest.raises(InputError, match="expected text") as caught:
        read_text(write(data), "a text")
    assert place in str(caught.value)


def test_a_byte_order_mark_is_not_part_of_the_text(write):
    assert read_text(write(b"\xef\xbb\xbf7\n"), "a text") == "7\n"


def test_more_memory_than_the_machine_has_is_refused():
    check_memory("X.txt", 1)
    with pytest.raises(InputError, match=r"X\.txt: needs 1152921\d+\.\d GB of memory, expected at most"):
        check_memory("X.txt", 1 << 60)


@pytest.mark.parametrize(
    ("value", "text"), [(1e-5, "0.00001"), (5, "5"), (-2.0, "-2"), (0.1, "0.1"), (1e22, "1" + "0" * 22)]
)
def test_plain_decimals_have_no_exponent(value, text):
    assert plain_decimal(value) == text


def test_quotes_are_short_and_escaped():
    assert quote("a\nb") == r"'a\nb'"
    assert quote("x" * 100) == repr("x" * 40 + "...")
