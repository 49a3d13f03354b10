"""blobFromImage and its kin against OpenCV's, bit for bit; Intel's library, which OpenCV may use, rounds otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import SHARED, needs_shared

from caffe64 import dnn
from caffe64.errors import UsageError

cv2 = pytest.importorskip("cv2")
sizes = st.integers(1, 90)
images = st.builds(
    lambda seed, height, width, channels, kind: picture((height, width, *channels), kind, seed),
    st.integers(0, 1 << 30),
    sizes,
    sizes,
    st.sampled_from([(), (1,), (3,), (4,)]),
    st.sampled_from(["u1", "f4", "f8", "u2", "i2"]),
)


def picture(shape, kind: str = "u1", seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) * 255).astype(kind)


@pytest.fixture(autouse=True)
def _own_kernels():
    """OpenCV's own kernels, whatever the CPU."""
    used = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(False)
    yield
    cv2.ipp.setUseIPP(used)


def assert_same(image: np.ndarray, tolerance: float = 0, **options) -> None:
    ours, theirs = (module.blobFromImage(image, **options) for module in (dnn, cv2.dnn))
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    assert ours.flags.c_contiguous
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


def is_half(image: np.ndarray, width: int, height: int) -> bool:
    return image.shape[:2] == (2 * height, 2 * width)


@settings(max_examples=300, deadline=None)
@given(images, sizes, sizes, st.booleans(), st.booleans(), st.sampled_from([1.0, 1 / 255, 0.017]), st.integers(0, 2))
def test_any_picture_and_size(image, width, height, swap, crop, factor, means):
    mean = [(0, 0, 0), (104.1, 117.3, 123.7), (1.5, 2.5, 3.5, 4.5)][means]
    # Of float pictures that become half as large, OpenCV adds the four pixels in an order that depends on the CPU.
    tolerance = 4 * 2.0**-16 if is_half(image, width, height) and image.dtype == np.float32 else 0
    assert_same(
        image, tolerance, scalefactor=factor, size=(width, height), mean=mean, swapRB=swap, crop=crop
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["u1", "u2", "i2", "f8"])
@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_exactly_half_is_the_mean_of_four_pixels(kind, channels):
    assert_same(picture((44, 62, *channels), kind), size=(31, 22))


@pytest.mark.parametrize("size", [(300, 300), (224, 224), (1, 1), (1919, 1081), (960, 540), (4000, 3)])
def test_sizes_of_real_programs(size):
    assert_same(picture((1080, 1920, 3)), size=size, mean=(104, 177, 123))
    assert_same(picture((1080, 1920, 3)), size=size, crop=True)


@needs_shared
@pytest.mark.parametrize("name", ["caffe/face68/10.jpg", "caffe64/facades/000048.png", "caffe64/image_reco/df.jpg"])
def test_real_pictures(name):
    image = cv2.imread(str(SHARED / name))
    for options in ({}, {"size": (227, 227)}, {"size": (224, 224), "crop": True, "swapRB": True, "scalefactor": 0.017}):
        assert_same(image, mean=(104, 117, 123), **options)


def test_with_intels_library_floats_differ_in_their_last_digits():
    cv2.ipp.setUseIPP(True)
    assert_same(picture((70, 50, 3), "f4"), 255 * 1e-5, size=(33, 48))
    assert_same(picture((70, 50, 3)), size=(33, 48))


@pytest.mark.parametrize(
    "options",
    [
        {"ddepth": 0, "size": (20, 30)},
        {"ddepth": 0, "size": (20, 30), "swapRB": True, "crop": True},
        {"size": (0, 0)},
        {"size": None, "mean": None},
        {"mean": 127.5},
        {"mean": (1,)},
        {"mean": np.array([1.0, 2.0, 3.0])},
        {"swapRB": 1},
    ],
)
def test_arguments(options):
    assert_same(picture((37, 41, 3)), **options)
    assert_same(picture((37, 41, 3))[:, ::-1], **options)  # not contiguous


def test_the_mean_of_a_grey_picture_is_the_first():
    assert_same(picture((9, 9)), mean=(1, 2, 3, 4), swapRB=True)


def test_several_pictures_take_the_size_of_the_first():
    pictures = [picture((20, 30, 3)), picture((31, 17, 3), seed=1)]
    for given_ in (pictures, tuple(pictures), np.stack([pictures[0]] * 2)):
        ours, theirs = (module.blobFromImages(given_, 0.5, mean=(1, 2, 3)) for module in (dnn, cv2.dnn))
        np.testing.assert_array_equal(ours, theirs)


def test_pictures_of_a_blob():
    for channels in (1, 3):
        blob = picture((2, channels, 4, 5), "f4")
        ours, theirs = (module.imagesFromBlob(blob) for module in (dnn, cv2.dnn))
        assert type(ours) is type(theirs) is tuple
        for each, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(each, other)


@pytest.mark.parametrize(
    "arguments",
    [
        (None,),
        ("a.png",),
        ([[1, 2]],),
        (picture((4, 4, 2)),),
        (picture((4, 4, 5)),),
        (picture((0, 4, 3)),),
        (picture((4, 4, 3)) > 3,),
        (picture((4, 4, 3)).astype(complex),),
        (picture((4, 4, 3)), 1.0, 4),
        (picture((4, 4, 3)), 1.0, (4.5, 4)),
        (picture((4, 4, 3)), 1.0, (-1, 3)),
        (picture((4, 4, 3)), 1.0, (0, 3)),
        (picture((4, 4, 3)), 1.0, (4, 4), (1, 2, 3, 4, 5)),
        (picture((4, 4, 3)), 1.0, (4, 4), "123"),
        (picture((4, 4, 3)), (1, 2, 3)),
        (picture((4, 4, 3)), float("nan")),
        (picture((4, 4, 3)), 1.0, None, None, False, False, 3),
        (picture((4, 4, 3)), 2.0, None, None, False, False, 0),
        (picture((4, 4, 3)), 1.0, None, (1, 2, 3), False, False, 0),
        (picture((4, 4, 3), "f4"), 1.0, None, None, False, False, 0),
        (picture((4, 4, 3), "i4"), 1.0, (2, 3)),
    ],
)
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(UsageError):
        dnn.blobFromImage(*arguments)


def test_no_pictures_and_different_channels_are_refused():
    for wrong in ([], [picture((4, 4, 3)), picture((4, 4))]):
        with pytest.raises(UsageError):
            dnn.blobFromImages(wrong)
    with pytest.raises(UsageError):
        dnn.imagesFromBlob(np.zeros((2, 3, 4), np.float32))
    with pytest.raises(UsageError):
        dnn.imagesFromBlob(np.zeros((2, 3, 4, 5)))


def test_a_picture_is_not_changed():
    image = picture((8, 8, 3), "f4")
    before = image.copy()
    dnn.blobFromImage(image, 0.5, mean=(1, 2, 3))
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("options", [{}, {"crop": True}])
@pytest.mark.parametrize("size", [(10**6, 10**6), (1, 2**62), (2**70, 1)])
def test_a_blob_larger_than_the_memory(size, options):
    with pytest.raises(UsageError, match=rf"the blob of size \({size[0]}, {size[1]}\) would be \[1, 3, .* at most"):
        dnn.blobFromImage(picture((5, 4, 3)), size=size, **options)


def test_a_picture_that_becomes_larger_than_the_memory_before_it_is_cut():
    with pytest.raises(UsageError, match=r"the picture \[1, 60000\], enlarged to cover the size \(9, 9000\), would be"):
        dnn.blobFromImage(picture((1, 60000, 3)), size=(9, 9000), crop=True)
