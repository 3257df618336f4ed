"""Small pictures for tests: arrays, files made in memory, and how a refusal must look."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from minidpt.errors import ImageError
from minidpt.images import load_image


def random_picture(height=5, width=7, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(picture, form, **options):
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    file = BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def png_bytes(width, height, bits, colour_type, rows, chunks=()):
    """A PNG by hand.   rows: the raw bytes of every row"""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    body = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))
    body += b"".join(chunk(kind, data) for kind, data in chunks)
    body += chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def assert_refused(source, *words, load=load_image, **options):
    with pytest.raises(ImageError) as caught:
        load(source, **options)
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line, line


def outcome(data, load=load_image):
    """The picture and no line, or no picture and the line of its ImageError; any other exception passes through."""
    try:
        return load(data, max_pixels=10_000), ""
    except ImageError as error:
        return None, str(error)
