"""Pictures as arrays: order of channels, mean, scale, sizes; files that are not pictures, damaged, or too large."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from caffe64.errors import FileMissing, InputError
from caffe64.formats.image import Recipe, read_image

RGB = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) * 3


@pytest.fixture
def picture(tmp_path):
    """6 x 4 pixels of known values."""
    path = tmp_path / "picture.png"
    Image.fromarray(RGB).save(path)
    return path


def test_channels_are_bgr_as_caffe_has_them(picture):
    found = read_image(picture, 3, (6, 4), Recipe())
    assert (found.dtype, found.flags.c_contiguous) == (np.float32, True)
    np.testing.assert_array_equal(found, RGB[:, :, ::-1].transpose(2, 0, 1))


def test_rgb_mean_and_scale(picture):
    found = read_image(picture, 3, (6, 4), Recipe((10, 20, 30), (0.5,), "rgb"))
    np.testing.assert_array_equal(found, (RGB.transpose(2, 0, 1) - np.array([[[10]], [[20]], [[30]]])) * 0.5)


def test_the_mean_has_the_nets_order_of_channels(picture):
    found = read_image(picture, 3, (6, 4), Recipe((10, 20, 30)))
    np.testing.assert_array_equal(found[0], RGB[:, :, 2] - 10.0)
    np.testing.assert_array_equal(found[2], RGB[:, :, 0] - 30.0)


def test_a_net_with_one_channel_sees_grey(picture):
    found = read_image(picture, 1, (6, 4), Recipe((1,)))
    assert found.shape == (1, 4, 6)
    assert np.abs(found[0] + 1 - RGB @ [0.299, 0.587, 0.114]).max() <= 0.51


def test_a_picture_is_stretched_to_the_input_unless_the_recipe_says_more(picture):
    assert read_image(picture, 3, (9, 5), Recipe()).shape == (3, 5, 9)
    assert read_image(picture, 3, (9, 5), Recipe(resize=(8, 7))).shape == (3, 7, 8)
    cropped = read_image(picture, 3, (9, 5), Recipe(crop=(2, 4), channels="rgb"))
    np.testing.assert_array_equal(cropped, RGB[:, 2:4].transpose(2, 0, 1))
    assert read_image(picture, 3, (9, 5), Recipe(resize=(20, 10), crop=(3, 2))).shape == (3, 2, 3)


def test_the_middle_of_an_odd_rest_is_caffes(tmp_path):
    """(size - crop) / 2 rounded down, here from 1."""
    Image.fromarray(np.arange(7, dtype=np.uint8)[None]).save(tmp_path / "line.png")
    assert read_image(tmp_path / "line.png", 1, (9, 9), Recipe(crop=(4, 1))).ravel().tolist() == [1, 2, 3, 4]


def test_a_camera_held_upright_is_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise
    Image.fromarray(RGB).save(tmp_path / "p.png", exif=exif)
    found = read_image(tmp_path / "p.png", 3, (4, 6), Recipe(channels="rgb"))
    np.testing.assert_array_equal(found, np.rot90(RGB, -1).transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["RGBA", "P", "1", "CMYK", "LA"])
def test_other_modes_become_rgb(tmp_path, mode):
    image = Image.fromarray(RGB).convert(mode)
    image.save(tmp_path / ("p.tiff" if mode == "CMYK" else "p.png"))
    found = read_image(next(tmp_path.iterdir()), 3, (6, 4), Recipe(channels="rgb"))
    np.testing.assert_array_equal(found, np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def bomb(side):
    """The beginning of a PNG that announces side x side pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    length, check = struct.pack(">I", 13), struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + length + header + check + b"\0\0\1\0IDAT"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no picture", "is not a picture that can be read, expected BMP"),
        (bomb(10_000), "is too large: Image size (100000000 pixels) exceeds limit"),
        (bomb(2**31 - 1), "is too large: Image size"),
    ],
)
def test_a_file_that_is_not_a_picture_or_too_large_is_refused_unread(tmp_path, content, message):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_image(tmp_path / "x.png", 3, (6, 4), Recipe())
    assert message in str(caught.value)


def test_a_damaged_picture_is_an_error_at_every_length(picture, tmp_path):
    data = picture.read_bytes()
    end = data.index(b"IEND") - 12  # what follows are check sums, and no pixels
    for length in range(1, end - 4, 3):
        (tmp_path / "cut.png").write_bytes(data[:length])
        with pytest.raises(InputError):
            read_image(tmp_path / "cut.png", 3, (6, 4), Recipe())


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "bmp", "tiff", "webp", "ppm"])
def test_flipped_bits_give_a_picture_or_an_error(tmp_path, kind):
    path, source = tmp_path / f"p.{kind}", np.random.default_rng(0)
    Image.fromarray(source.integers(0, 256, (16, 16, 3), np.uint8)).save(path)
    data, refused = np.frombuffer(path.read_bytes(), np.uint8), 0
    for _ in range(150):
        damaged = data.copy()
        places = source.integers(0, min(len(data), 200), 3)
        damaged[places] ^= np.uint8(1) << source.integers(0, 8, 3, np.uint8)
        path.write_bytes(damaged.tobytes())
        try:
            assert read_image(path, 3, (4, 4), Recipe()).shape == (3, 4, 4)
        except InputError:
            refused += 1
    assert refused > 5


def test_sixteen_bits_are_refused(tmp_path):
    Image.fromarray(np.zeros((4, 6), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(InputError, match="has more than 8 bits per channel"):
        read_image(tmp_path / "deep.png", 1, (6, 4), Recipe())


def test_a_picture_smaller_than_the_crop_is_refused(picture):
    with pytest.raises(InputError, match="is 6x4 pixels large, expected at least the crop, 7x4"):
        read_image(picture, 3, (6, 4), Recipe(crop=(7, 4)))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileMissing, match="nowhere"):
        read_image(tmp_path / "nowhere.png", 3, (6, 4), Recipe())
