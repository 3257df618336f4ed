"""Whatever is wrong with a picture ends as one ImageError line; label maps keep their numbers."""

import os
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from checks import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import assert_refused, encoded, outcome, png_bytes, random_picture
from PIL import Image, ImageFile

from minidpt.errors import ImageError
from minidpt.images import load_image, load_label_map

QUICK = settings(max_examples=60)


# Refusals


def test_path_without_a_picture_is_refused(tmp_path):
    (tmp_path / "empty.png").touch()
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    cases = [
        (tmp_path / "missing.jpg", ["missing.jpg", "does not exist"]),
        (tmp_path, ["directory"]),
        (tmp_path / "empty.png", ["empty.png", "0 bytes"]),
        (loop, ["loop"]),
        ("", ["does not exist"]),
        ("a\0b", ["cannot be read"]),
        ("x" * 5000, ["cannot be read"]),
        ("https://example.org/cat.jpg", ["URL", "download it first"]),
        ("data:image/png;base64,AAAA", ["URL"]),
        ("file:///tmp/cat.jpg", ["URL"]),
    ]
    for path, words in cases:
        assert_refused(path, *words)


def test_unreadable_file_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(random_picture(), "PNG"))

    def denied(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", denied)
    assert_refused(path, "secret.png", "Permission denied")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_pipe_and_device_are_refused_without_blocking(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    caught = []

    def attempt():
        for path in (tmp_path / "pipe", "/dev/zero"):
            try:
                load_image(path)
            except ImageError as error:
                caught.append(str(error))

    worker = threading.Thread(target=attempt, daemon=True)
    worker.start()
    worker.join(timeout=10)  # seconds; it takes microseconds unless it blocks
    assert [("pipe" in line) for line in caught] == [True, True]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "0 bytes"),
        (b"hello", "not a picture"),
        (b"\n<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"%PDF-1.7", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"8BPS\0\1", "Photoshop"),
        (b"SIMPLE  =                    T", "FITS"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
    ],
)
def test_lookalike_is_refused_by_name(data, word, tmp_path):
    assert_refused(data, word)
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    assert_refused(path, "photo.jpg", word)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF", "GIF", "PPM", "WEBP"])
def test_truncated_file_is_refused(form):
    data = encoded(random_picture(40, 40), form)
    assert_refused(data[: len(data) // 2])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_too_many_pixels_are_refused_before_decoding():
    bomb = png_bytes(9000, 9000, 8, 0, [b""])  # the header promises 81 million pixels, the body has none
    assert_refused(bomb, "9000 x 9000")
    assert_refused(png_bytes(12000, 10000, 8, 0, [b""]), "cannot be read")
    assert_refused(png_bytes(60000, 60000, 8, 0, [b""]), "cannot be read")
    assert_refused(encoded(random_picture(10, 10), "PNG"), "10 x 10", "max_pixels = 99", max_pixels=99)
    assert_refused(Image.new("L", (10, 10)), "max_pixels = 99", max_pixels=99)
    assert load_image(Image.new("L", (10, 10)), max_pixels=100).shape == (10, 10, 3)
    assert load_image(random_picture(10, 10), max_pixels=99).shape == (10, 10, 3)  # an array is decoded already


def test_pillows_bomb_warning_is_an_error():
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    assert_refused(png_bytes(12000, 10000, 8, 0, [b""]), "decompression bomb", max_pixels=10**10)
    assert limit == Image.MAX_IMAGE_PIXELS
    assert warnings.filters == filters


def test_text_bomb_is_refused():
    text = b"comment\0\0" + zlib.compress(b"x" * (2 << 20))  # 2 MB of text in 2 kB
    assert_refused(png_bytes(1, 1, 8, 0, [b"\0"], [(b"zTXt", text)]), "too large")


class BrokenStream:
    def read(self, size=-1):
        raise ConnectionResetError("the other side hung up")


def test_odd_objects_are_refused(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(random_picture(), "PNG"))
    with open(path, encoding="latin-1") as text:
        assert_refused(text, "binary mode")
    assert_refused(BrokenStream(), "hung up")
    closed = Image.open(path)
    closed.close()
    assert_refused(closed, "picture.png")
    for source in (None, 7, [1, 2], object()):
        assert_refused(source, type(source).__name__, "expected a path")


@QUICK
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"P6 ", b"II*\0"]),
)
def test_garbage_raises_nothing_but_image_error(data, magic):
    for load in (load_image, load_label_map):
        assert "\n" not in outcome(magic + data, load)[1]


SEEDS = [encoded(random_picture(9, 11), form) for form in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", "WEBP")]


@QUICK
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8),
    st.integers(0, 300),
)
def test_damaged_file_gives_a_picture_or_image_error(data, changes, cut):
    damaged = bytearray(data)
    for position, value in changes:
        damaged[position % len(damaged)] = value
    loaded, line = outcome(bytes(damaged[: len(damaged) - cut]))
    assert "\n" not in line
    assert line or (loaded.dtype == np.uint8 and loaded.ndim == 3)


def test_threads_load_alike_and_leave_the_warning_filters():
    data, filters = encoded(random_picture(64, 64), "PNG"), list(warnings.filters)
    results = []
    workers = [threading.Thread(target=lambda: results.append(load_image(data))) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 8
    assert all(np.array_equal(result, results[0]) for result in results)
    assert warnings.filters == filters


# Label maps


def test_label_map_keeps_its_numbers(tmp_path):
    ids = np.array([[0, 1, 2], [150, 254, 255]], np.uint8)
    palette = Image.fromarray(ids)
    palette.putpalette(list(range(255, -1, -1)) * 3)
    path = tmp_path / "labels.png"
    path.write_bytes(encoded(ids, "PNG"))
    large = Image.fromarray(ids.astype(np.int32))
    for source in (ids, ids.astype(np.int64), ids.astype(">u2"), palette, encoded(palette, "PNG"), path, large):
        labels = load_label_map(source)
        assert_close(labels, ids)
        assert labels.dtype == np.int32
    assert load_label_map(Image.fromarray(ids.astype(np.uint16) * 257))[1, 2] == 65535
    assert load_label_map(ids > 1).tolist() == [[0, 0, 1], [1, 1, 1]]
    assert load_label_map(Image.new("1", (2, 1), 1)).tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("source", "word"),
    [
        (Image.new("RGB", (2, 2)), "mode RGB"),
        (np.zeros((2, 2, 3), np.uint8), "(2, 2, 3)"),
        (np.zeros((2, 2)), "float64"),
        (np.zeros((0, 2), np.uint8), "(0, 2)"),
        (np.full((2, 2), 2**40), "32 bits"),
        (Path("missing.png"), "missing.png"),
        ("http://example.org/labels.png", "URL"),
    ],
)
def test_label_map_with_anything_else_is_refused(source, word):
    assert_refused(source, word, load=load_label_map)
