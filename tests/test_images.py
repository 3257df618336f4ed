"""Every source and every Pillow mode ends as the same upright RGB, in memory of its own."""

import struct
from io import BytesIO

import numpy as np
import pytest
from checks import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import assert_refused, encoded, png_bytes, random_picture
from PIL import Image

from minidpt.images import load_image

QUICK = settings(max_examples=60)


# Sources


def test_every_source_gives_the_same_picture(tmp_path):
    picture = random_picture()
    data = encoded(picture, "PNG")
    path = tmp_path / "a picture, naïve name\n.dat"  # the content decides, not the name
    path.write_bytes(data)
    read_before = BytesIO(data)
    read_before.read()
    with open(path, "rb") as file:
        sources = [path, str(path), data, bytearray(data), BytesIO(data), read_before, file, Image.open(BytesIO(data))]
        for source in [*sources, Image.fromarray(picture), picture]:
            loaded = load_image(source)
            assert_close(loaded, picture, name=type(source).__name__)
            assert loaded.dtype == np.uint8
            assert loaded.flags.c_contiguous
            assert loaded.flags.writeable
            assert not np.shares_memory(loaded, picture)


class PipeLike:
    """A stream that can only be read once, front to back."""

    def __init__(self, data):
        self.read = BytesIO(data).read


def test_stream_without_seek_is_read():
    assert_close(load_image(PipeLike(encoded(random_picture(), "PNG"))), random_picture())


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "GIF", "JPEG", "WEBP", "AVIF", "MPO"])
def test_format_is_read(form):
    picture = np.full((16, 24, 3), (200, 120, 40), np.uint8)
    tolerance = {"JPEG": 4, "MPO": 4, "AVIF": 6, "WEBP": 6}.get(form, 0)  # the codecs' own loss on a flat colour
    assert_close(load_image(encoded(picture, form)), picture, atol=tolerance, name=form)


@pytest.mark.parametrize("form", ["ICNS", "ICO", "TGA", "SGI", "EPS", "PDF", "JPEG2000", "DDS", "PCX"])
def test_format_outside_the_list_is_refused(form):
    assert_refused(encoded(random_picture(32, 32), form), "PNG, JPEG", "convert")


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animation_gives_its_first_frame(form):
    first, second = (Image.new("RGB", (8, 6), colour) for colour in ("red", "blue"))
    options = {"lossless": True} if form == "WEBP" else {}
    data = encoded(first, form, save_all=True, append_images=[second], **options)
    assert_close(load_image(data), np.asarray(first), name=form)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(form, orientation):
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:8, :16] = 255  # the white quarter is stored at the top left
    exif = Image.Exif()
    exif[0x0112] = orientation
    loaded = load_image(encoded(stored, form, exif=exif))
    assert loaded.shape == ((16, 32, 3) if orientation <= 4 else (32, 16, 3))
    # where the EXIF standard says that the stored row 0 and column 0 are seen
    down = {1: 0, 2: 0, 3: 1, 4: 1, 5: 0, 6: 0, 7: 1, 8: 1}[orientation]
    right = {1: 0, 2: 1, 3: 1, 4: 0, 5: 0, 6: 1, 7: 1, 8: 0}[orientation]
    height, width = loaded.shape[:2]
    centre = loaded[height // 4 + down * height // 2, width // 4 + right * width // 2]
    assert centre.min() > 250
    assert loaded.mean() < 80  # and one quarter only


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_unknown_orientation_is_ignored(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_close(load_image(encoded(random_picture(), "PNG", exif=exif)), random_picture())


def test_broken_exif_is_ignored():
    data = encoded(random_picture(), "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffnothing here")
    assert_close(load_image(data), random_picture())


# Colours


def test_transparency_goes_onto_white():
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 3] = 0, 128, 255  # black: invisible, half, opaque
    expected = np.repeat(np.array([[255, 127, 0]], np.uint8)[..., None], 3, axis=2)
    la = Image.fromarray(rgba).convert("LA")
    sources = {"array": rgba, "RGBA": Image.fromarray(rgba), "LA": la, "PNG": encoded(rgba, "PNG"), "float": rgba / 255}
    sources["uint16"] = rgba.astype(np.uint16) * 257
    sources["RGBa"] = Image.fromarray(rgba).convert("RGBa")
    for name, source in sources.items():
        assert_close(load_image(source), expected, name=name)


def test_palette_transparency_is_honoured():
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((1, 0), 1)
    assert load_image(picture).tolist() == [[[10, 20, 30], [40, 50, 60]]]
    for form, transparency in (("PNG", b"\x00\xff"), ("PNG", 0), ("GIF", 0)):
        data = encoded(picture, form, transparency=transparency)
        assert load_image(data).tolist() == [[[255, 255, 255], [40, 50, 60]]], form


def test_transparent_grey_level_is_honoured():
    eight = png_bytes(2, 1, 8, 0, [bytes([7, 9])], [(b"tRNS", struct.pack(">H", 7))])
    assert load_image(eight)[0, :, 0].tolist() == [255, 9]
    sixteen = png_bytes(2, 1, 16, 0, [struct.pack(">HH", 7 * 257, 9 * 257)], [(b"tRNS", struct.pack(">H", 7 * 257))])
    assert load_image(sixteen)[0, :, 0].tolist() == [255, 9]


@pytest.mark.parametrize(
    ("mode", "pixel", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 90, (90, 90, 90)),
        ("LA", (90, 255), (90, 90, 90)),
        ("La", (90, 255), (90, 90, 90)),
        ("PA", (90, 255), (91, 92, 93)),
        ("P", 90, (91, 92, 93)),
        ("RGB", (1, 2, 3), (1, 2, 3)),
        ("RGBX", (1, 2, 3, 0), (1, 2, 3)),
        ("RGBA", (1, 2, 3, 255), (1, 2, 3)),
        ("RGBa", (1, 2, 3, 255), (1, 2, 3)),
        ("CMYK", (255, 0, 0, 0), (0, 255, 255)),
        ("YCbCr", (76, 85, 255), (254, 0, 0)),
        ("HSV", (0, 255, 255), (255, 0, 0)),
        ("LAB", (255, 128, 128), (255, 255, 255)),
        ("I;16", 257 * 90, (90, 90, 90)),
        ("I;16L", 257 * 90, (90, 90, 90)),
        ("I;16B", 257 * 90, (90, 90, 90)),
        ("I;16N", 257 * 90, (90, 90, 90)),
        ("F", 0.4, (102, 102, 102)),
    ],
)
def test_picture_mode_has_its_defined_colour(mode, pixel, expected):
    if mode in ("I;16L", "I;16N", "La", "RGBa", "RGBX", "PA", "LAB"):  # modes without a full drawing interface
        picture = Image.new(mode, (3, 2))
        kind = np.uint16 if mode.startswith("I") else np.uint8
        raw = np.full((2, 3, np.size(pixel)), pixel).astype(kind)
        if mode == "LAB":
            raw = raw + np.array([0, 128, 128], np.uint8)  # in memory a and b are signed
        picture.frombytes(raw.astype("<u2" if kind is np.uint16 else "u1").tobytes())
    else:
        picture = Image.new(mode, (3, 2), pixel)
    if mode in ("P", "PA"):
        picture.putpalette([0, 0, 0] * 90 + [91, 92, 93], "RGB")
    tolerance = 1 if mode in ("YCbCr", "LAB") else 0  # conversion tables of whole numbers
    assert_close(load_image(picture), np.broadcast_to(expected, (2, 3, 3)), atol=tolerance, name=mode)


def test_adobe_cmyk_jpeg_is_not_a_negative():
    data = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    assert b"Adobe" in data
    assert_close(load_image(data), np.broadcast_to((255, 0, 0), (16, 16, 3)), atol=4)  # JPEG's loss on a flat colour


def test_16_bit_grey_does_not_clip():
    ramp = np.arange(0, 65536, 64, dtype=np.uint16).reshape(16, 64)
    expected = np.rint(ramp / 257).astype(np.uint8)[..., None].repeat(3, axis=2)
    assert len(np.unique(expected)) == 256
    pgm = b"P5\n64 16\n65535\n" + ramp.astype(">u2").tobytes()
    sources = {"array": ramp, "PIL": Image.fromarray(ramp), "PNG": encoded(ramp, "PNG"), "TIFF": encoded(ramp, "TIFF")}
    for name, source in {**sources, "PGM": pgm}.items():
        assert_close(load_image(source), expected, name=name)


def test_modes_without_a_white_are_refused():
    assert_refused(Image.new("I", (3, 2), 70000), "mode I", "16-bit")
    assert_refused(Image.new("I", (3, 2), 200), "mode I")
    assert_refused(Image.new("F", (3, 2), 1.5), "0..1")
    assert_refused(Image.new("F", (3, 2), float("nan")), "NaN")


# Arrays


@pytest.mark.parametrize(
    ("shape", "upright"),
    [
        ((5, 7), (5, 7)),
        ((5, 7, 1), (5, 7)),
        ((5, 7, 3), (5, 7)),
        ((5, 7, 4), (5, 7)),
        ((1, 5, 7), (5, 7)),
        ((3, 5, 7), (5, 7)),
        ((4, 5, 7), (5, 7)),
        ((3, 7, 3), (3, 7)),  # both ends could be channels: the last wins
        ((1, 1, 3), (1, 1)),
        ((1, 1), (1, 1)),
    ],
)
def test_array_layout_is_understood(shape, upright):
    assert load_image(np.zeros(shape, np.uint8)).shape == (*upright, 3)


def test_channels_first_equals_channels_last():
    picture = random_picture()
    assert_close(load_image(picture.transpose(2, 0, 1)), picture)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.uint8([0, 128, 255]), [0, 128, 255]),
        (np.uint16([0, 128, 129, 65535]), [0, 0, 1, 255]),
        (np.int64([0, 128, 255]), [0, 128, 255]),
        (np.int8([0, 127]), [0, 127]),
        (np.float64([0, 0.25, 1]), [0, 64, 255]),
        (np.float32([0, 0.5, 1]), [0, 128, 255]),
        (np.float16([0, 1]), [0, 255]),
        (np.bool_([False, True]), [0, 255]),
    ],
)
def test_array_dtype_decides_what_is_white(values, expected):
    assert load_image(values[None])[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("array", "word"),
    [
        (np.zeros((0, 5, 3), np.uint8), "empty"),
        (np.zeros((5, 0), np.uint8), "empty"),
        (np.zeros((0, 0, 3)), "empty"),
        (np.zeros(5, np.uint8), "(5,)"),
        (np.zeros((), np.uint8), "()"),
        (np.zeros((5, 7, 2), np.uint8), "(5, 7, 2)"),
        (np.zeros((2, 5, 7, 3), np.uint8), "(2, 5, 7, 3)"),
        (np.full((2, 2), np.nan), "NaN"),
        (np.full((2, 2), np.inf), "infinite"),
        (np.full((2, 2), -0.1), "0..1"),
        (np.full((2, 2), 200.0), "0..1"),
        (np.full((2, 2), 256), "0..255"),
        (np.full((2, 2), -1), "0..255"),
        (np.zeros((2, 2), complex), "complex128"),
        (np.zeros((2, 2), object), "object"),
        (np.array([["a", "b"]]), "<U1"),
        (np.zeros((2, 2), "datetime64[s]"), "datetime64"),
    ],
)
def test_array_that_is_no_picture_is_refused(array, word):
    assert_refused(array, word)


class TensorLike:
    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        if self.array is None:
            raise TypeError("this one lives on a GPU")
        return self.array


def test_array_protocol_is_used():
    assert_close(load_image(TensorLike(random_picture())), random_picture())
    assert_refused(TensorLike(None), "GPU", "NumPy")


@QUICK
@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.sampled_from([None, 1, 3, 4]),
    st.sampled_from(["u1", "u2", "f4", "f8", "f2", "i4", "?"]),
    st.integers(0, 99),
)
def test_array_result_ignores_strides_order_and_endianness(height, width, channels, dtype, seed):
    shape = (height, width) if channels is None else (height, width, channels)
    values = np.random.default_rng(seed).random(shape)
    top = {"u1": 255, "u2": 65535, "i4": 255}.get(dtype, 1)
    array = np.ascontiguousarray((values * top).astype(dtype))
    read_only = array.copy()
    read_only.flags.writeable = False
    big = np.zeros((height, width * 2, *shape[2:]), dtype)
    big[:, ::2] = array
    variants = {
        "big-endian": array.astype(array.dtype.newbyteorder(">")),
        "Fortran": np.asfortranarray(array),
        "read-only": read_only,
        "strided": big[:, ::2],
        "negative strides": np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1],
    }
    expected = load_image(array)
    assert expected.shape == (height, width, 3)
    for name, variant in variants.items():
        before = variant.copy()
        assert_close(load_image(variant), expected, name=name)
        assert np.array_equal(variant, before)
        assert variant.dtype == before.dtype


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_callers_picture_is_unchanged(mode):
    picture = Image.new(mode, (5, 4))
    picture.info["note"] = "mine"
    picture.getexif()[0x0112] = 6
    before = (picture.mode, picture.size, picture.tobytes(), dict(picture.info), dict(picture.getexif()))
    load_image(picture)[...] = 77
    assert (picture.mode, picture.size, picture.tobytes(), dict(picture.info), dict(picture.getexif())) == before
