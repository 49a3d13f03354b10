"""Pictures as OpenCV gives them to Caffe's tools: decoded, gray, stretched."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from caffe64.errors import InputError
from caffe64.formats.pixels import read_pixels, resize_pixels

SIDES = st.integers(1, 40)


def png(array: np.ndarray) -> bytes:
    """By OpenCV: blue first."""
    return cv2.imencode(".png", array)[1].tobytes()


def read(data: bytes, color: bool | None):
    return read_pixels(io.BytesIO(data), "picture", color)


@settings(max_examples=300, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from([1, 3]), st.integers(0, 1000))
def test_a_resize_has_opencvs_bits(height, width, new_height, new_width, channels, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (channels, height, width), np.uint8)
    expected = cv2.resize(pixels.transpose(1, 2, 0), (new_width, new_height)).reshape(new_height, new_width, channels)
    np.testing.assert_array_equal(resize_pixels(pixels, new_height, new_width), expected.transpose(2, 0, 1))


def test_a_resize_keeps_a_picture_of_that_size():
    pixels = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    assert resize_pixels(pixels, 3, 4) is pixels


@pytest.mark.parametrize("color", [True, None])
def test_a_picture_in_colour_has_blue_first(color):
    array = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    np.testing.assert_array_equal(read(png(array), color), array.transpose(2, 0, 1))


def test_gray_of_a_png_is_weighed_as_libpng_does():
    """Which OpenCV lets do it: in whole numbers, cut off."""
    array = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    expected = cv2.imdecode(np.frombuffer(png(array), np.uint8), cv2.IMREAD_GRAYSCALE)
    found = read(png(array), False)
    np.testing.assert_array_equal(found, expected[np.newaxis])
    blue, green, red = array.astype(np.float64).transpose(2, 0, 1)
    exact = 0.299 * red + 0.587 * green + 0.114 * blue
    assert np.abs(found[0] - exact).max() < 1.02


def test_gray_of_a_jpeg_is_its_own():
    array = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 256, (32, 48, 3), np.uint8), (9, 9), 0)
    data = cv2.imencode(".jpg", array)[1]
    np.testing.assert_array_equal(read(data.tobytes(), False)[0], cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


def test_a_gray_picture_has_one_channel_or_three_equal_ones():
    array = np.random.default_rng(4).integers(0, 256, (5, 7), np.uint8)
    for color in (False, None):
        np.testing.assert_array_equal(read(png(array), color), array[np.newaxis])
    np.testing.assert_array_equal(read(png(array), True), np.stack([array] * 3))


@pytest.mark.parametrize("color", [True, False])
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3), (6, 5, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_deep_pictures_and_transparent_ones_are_read_as_by_imread(dtype, shape, color):
    array = np.random.default_rng(5).integers(0, np.iinfo(dtype).max + 1, shape, dtype)
    data = png(array)
    flag = cv2.IMREAD_COLOR if color else cv2.IMREAD_GRAYSCALE
    expected = np.atleast_3d(cv2.imdecode(np.frombuffer(data, np.uint8), flag)).transpose(2, 0, 1)
    deep = dtype == np.uint16 and len(shape) == 3 and not color  # libpng weighs 16 bits, and takes 8 of the sum
    np.testing.assert_allclose(read(data, color).astype(int), expected, rtol=0, atol=int(deep))


def test_damaged_pictures_are_refused():
    data = png(np.random.default_rng(6).integers(0, 256, (40, 40, 3), np.uint8))
    for broken in (b"", data[:20], data[:200], b"GIF89a", bytes(100)):
        with pytest.raises(InputError, match="picture"):
            read(broken, True)


def test_a_picture_of_many_pixels_in_few_bytes_is_refused():
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    assert len(buffer.getvalue()) < 100_000
    with pytest.raises(InputError, match="too large"):
        read(buffer.getvalue(), True)


def test_a_picture_of_floats_is_refused():
    buffer = io.BytesIO()
    Image.fromarray(np.ones((3, 3), np.float32)).save(buffer, "TIFF")
    with pytest.raises(InputError, match="more than 16 bits"):
        read(buffer.getvalue(), True)
