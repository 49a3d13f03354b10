"""caffe64.io: pictures from files, what a Transformer makes of them, and Caffe's messages of arrays."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import caffe64
from caffe64 import InputError, UsageError, io

RGB = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)


def values(shape, seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


# ------------------------------------------------------------------------------------------------------ load_image
def stored(path, pixels, mode=None):
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


def test_a_picture_is_rgb_from_0_to_1(tmp_path):
    found = io.load_image(stored(tmp_path / "a.png", RGB))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, (RGB / 255.0).astype(np.float32))
    found = io.load_image(str(tmp_path / "a.png"), color=False)
    np.testing.assert_allclose(found[..., 0], RGB / 255.0 @ [0.2125, 0.7154, 0.0721], atol=1e-6)
    assert found.shape == (9, 7, 1)


def test_transparency_and_palettes_do_not_change_the_values(tmp_path):
    clear = np.dstack([RGB, np.full((9, 7), 3, np.uint8)])
    np.testing.assert_array_equal(io.load_image(stored(tmp_path / "a.png", clear)), np.float32(RGB / 255.0))
    palette = np.where(RGB > 127, 255, 0).astype(np.uint8)
    found = io.load_image(stored(tmp_path / "p.png", palette, "P"))
    np.testing.assert_array_equal(found, palette / 255)


@pytest.mark.parametrize("color", [True, False])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_pictures_of_8_and_16_bits(tmp_path, dtype, color):
    grey = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (5, 4), dtype)
    found = io.load_image(stored(tmp_path / "g.png", grey), color)
    expected = np.float32(grey / np.iinfo(dtype).max)[..., np.newaxis]
    np.testing.assert_allclose(found, np.repeat(expected, 3 if color else 1, axis=2), atol=1e-7)


def test_a_picture_is_not_turned_by_its_cameras_notice(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.fromarray(RGB).save(tmp_path / "t.png", exif=exif)
    assert io.load_image(tmp_path / "t.png").shape == (9, 7, 3)


def test_a_file_that_is_not_a_picture_is_an_input_error(tmp_path):
    (tmp_path / "x.jpg").write_text("no picture")
    with pytest.raises(InputError, match=r"x.jpg: is not a picture that can be read"):
        io.load_image(tmp_path / "x.jpg")


# ---------------------------------------------------------------------------------------------------- resize_image
def at(old, new):
    return (np.arange(new) + 0.5) * old / new - 0.5


@pytest.mark.parametrize("size", [(5, 4), (20, 31), (9, 7), (1, 1), (3, 40)])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_interpolated_at_the_centres_of_pixels(size, channels):
    picture = values((9, 7, channels)) - 0.3
    places = np.meshgrid(at(9, size[0]), at(7, size[1]), indexing="ij")
    lowest = picture.min()
    expected = [
        ndimage.map_coordinates(picture[..., c], places, order=1, mode="grid-constant", cval=lowest)
        for c in range(channels)
    ]
    found = io.resize_image(picture, size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.stack(expected, axis=2), atol=1e-6)


@pytest.mark.parametrize("size", [(5, 4), (20, 31), (9, 7), (1, 2)])
def test_other_numbers_of_channels_keep_their_corners(size):
    picture = values((9, 7, 2))
    expected = ndimage.zoom(picture, (size[0] / 9, size[1] / 7, 1), order=1)
    np.testing.assert_allclose(io.resize_image(picture, size), expected, atol=1e-6)


def test_what_cannot_be_resized_is_refused():
    for call in (
        lambda: io.resize_image(RGB, (3, 3), interp_order=3),
        lambda: io.resize_image(RGB[..., 0], (3, 3)),
        lambda: io.resize_image(RGB, (0, 3)),
        lambda: io.resize_image(RGB, (3,)),
    ):
        with pytest.raises(UsageError):
            call()


def test_oversampling_gives_corners_and_centre_and_their_mirrors():
    picture = values((9, 8, 3))
    crops = io.oversample([picture, picture + 1], (4, 3))
    assert crops.shape == (20, 4, 3, 3)
    expected = [picture[y : y + 4, x : x + 3] for y, x in ((0, 0), (0, 5), (5, 0), (5, 5), (2, 2))]
    np.testing.assert_array_equal(crops[:5], expected)
    np.testing.assert_array_equal(crops[5:10], np.array(expected)[:, :, ::-1])
    np.testing.assert_array_equal(crops[10:15], np.array(expected) + 1)
    with pytest.raises(UsageError, match="cannot cut"):
        io.oversample([picture], (10, 3))


# ----------------------------------------------------------------------------------------------------- Transformer
@pytest.fixture
def transformer():
    made = io.Transformer({"data": (10, 3, 6, 5)})
    made.set_transpose("data", (2, 0, 1))
    made.set_channel_swap("data", (2, 1, 0))
    made.set_raw_scale("data", 255)
    made.set_mean("data", np.float32([104, 117, 123]))
    made.set_input_scale("data", 0.017)
    return made


def test_the_steps_of_a_transformer_come_in_its_order(transformer):
    picture = values((6, 5, 3))
    before = picture.copy()
    found = transformer.preprocess("data", picture)
    bgr = picture[:, :, ::-1].transpose(2, 0, 1)
    expected = (bgr * 255 - np.float32([104, 117, 123])[:, None, None]) * 0.017
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(picture, before)
    assert found.dtype == np.float32
    np.testing.assert_allclose(transformer.deprocess("data", found[np.newaxis]), picture, atol=1e-5)


def test_a_picture_of_another_size_is_resized_first(transformer):
    picture = values((12, 11, 3))
    expected = transformer.preprocess("data", io.resize_image(picture, (6, 5)))
    np.testing.assert_array_equal(transformer.preprocess("data", picture), expected)


def test_a_transformer_without_settings_only_resizes():
    picture = values((6, 5, 3))
    found = io.Transformer({"data": (1, 3, 6, 5)}).preprocess("data", picture)
    np.testing.assert_array_equal(found, picture)
    assert found is not picture


def test_means_are_numbers_of_channels_or_pictures(transformer):
    zeros = np.zeros((6, 5, 3), np.float32)
    mean = values((3, 6, 5)) * 100
    for given, expected in (
        (mean, mean),
        (mean[0], np.stack([mean[0]] * 3)),
        ([1, 2, 3], np.float32([1, 2, 3])[:, None, None] * np.ones((3, 6, 5))),
        (values((3, 12, 10)), io.resize_image(values((3, 12, 10)).transpose(1, 2, 0), (6, 5)).transpose(2, 0, 1)),
    ):
        transformer.set_mean("data", given)
        np.testing.assert_allclose(transformer.preprocess("data", zeros), -0.017 * expected, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t.set_mean("data", np.zeros(4)), r"a mean of the shape \[4\] for 'data', \[3, 6, 5\]"),
        (lambda t: t.set_mean("data", np.zeros((2, 6, 5))), "a mean of the shape"),
        (lambda t: t.set_transpose("data", (2, 0)), r"\(2, 0\) is not an order of the 3 axes"),
        (lambda t: t.set_channel_swap("data", (0, 0, 1)), r"\(0, 0, 1\) is not an order of the 3 axes or channels"),
        (lambda t: t.set_raw_scale("data", (1, 2, 3)), "expected a number other than 0"),
        (lambda t: t.set_input_scale("data", 0), "expected a number other than 0"),
        (lambda t: t.preprocess("image", RGB), r"'image' is not one of the inputs of this Transformer, \['data'\]"),
        (lambda t: t.set_raw_scale("image", 1), "'image' is not one of the inputs"),
    ],
)
def test_settings_that_do_not_fit_are_usage_errors(transformer, call, message):
    with pytest.raises(UsageError, match=message):
        call(transformer)


# -------------------------------------------------------------------------------------------------------- messages
def test_arrays_as_blobs_and_back():
    pb2 = caffe64.proto.caffe_pb2
    array = values((2, 3, 4))
    blob = pb2.BlobProto()
    blob.ParseFromString(io.array_to_blobproto(array, diff=array + 1).SerializeToString())
    np.testing.assert_array_equal(io.blobproto_to_array(blob), array)
    np.testing.assert_array_equal(io.blobproto_to_array(blob, return_diff=True), array + 1)
    old = pb2.BlobProto(num=1, channels=3, height=2, width=2, data=range(12))
    assert io.blobproto_to_array(old).shape == (1, 3, 2, 2)
    with pytest.raises(UsageError, match="the diff has the shape"):
        io.array_to_blobproto(array, diff=array[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_pictures_as_datums_and_back(dtype):
    picture = (values((3, 4, 5)) * 255).astype(dtype)
    datum = caffe64.proto.caffe_pb2.Datum()
    datum.ParseFromString(io.array_to_datum(picture, 7).SerializeToString())
    np.testing.assert_array_equal(io.datum_to_array(datum), picture)
    assert datum.label == 7
    with pytest.raises(UsageError, match="channels, height, width"):
        io.array_to_datum(picture[0])
    with pytest.raises(UsageError, match="encoded"):
        io.datum_to_array(caffe64.proto.caffe_pb2.Datum(encoded=True))


def test_the_modules_can_be_imported_by_name():
    from caffe64.io import Transformer
    from caffe64.proto import caffe_pb2

    assert Transformer is caffe64.io.Transformer
    assert (caffe_pb2.TRAIN, caffe_pb2.TEST) == (caffe64.TRAIN, caffe64.TEST)
    assert caffe_pb2.NetParameter(name="n").name == "n"
