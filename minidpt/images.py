"""Any picture a caller may hold -> one form: (H, W, 3) uint8 RGB, upright as viewed.

Everything past this file relies on that form, so bad input stops here: whatever is wrong with a picture, the caller
gets an ImageError of one line that names the picture and the fix, and never a half-read result.
"""

import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from importlib.resources.abc import Traversable
from io import BytesIO
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from .errors import ImageError

ImageSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray

MAX_PIXELS = 64_000_000  # above any camera in common use; 192 MB as RGB
MAX_FILE_BYTES = 1 << 30
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "AVIF")  # MPO, the phones' JPEG pair, opens as JPEG
BACKGROUND = (255, 255, 255)  # behind transparent pixels; white, as transformers' convert_to_rgb
WHITE_16 = 65535

_LOOKALIKES = (  # what often stands where a picture was meant: the first bytes tell
    (b"<", "a web page or SVG"),
    (b"version https://git-lfs", "a Git LFS pointer, not yet downloaded"),
    (b"%PDF", "a PDF"),
    (b"%!PS", "PostScript"),
    (b"8BPS", "a Photoshop file"),
    (b"SIMPLE", "a FITS file"),
    (b"icns", "an icon file"),
)

_UPRIGHT = {  # EXIF orientation -> how to turn the stored rows and columns into the viewed ones
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x.swapaxes(0, 1)[:, ::-1],
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: x.swapaxes(0, 1)[::-1],
}

_decoding = threading.Lock()  # Python's warning filters are shared by all threads: one picture at a time changes them


def embedded_picture() -> Traversable:
    """The picture that comes with the package, a rendered street."""
    return resources.files("minidpt") / "assets" / "example.jpg"


def load_image(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read one picture.   -> (H, W, 3) uint8 RGB, C-contiguous, memory of its own

    source: a path, the bytes of a file, a binary file object, a PIL image (its current frame) or an array: (H, W),
    (H, W, 1|3|4), or (1|3|4, H, W) where the last axis cannot be channels. Array values: uint8; other integers within
    0..255; uint16 within 0..65535; floats within 0..1; bool. URLs are refused.
    max_pixels limits what has to be decoded and is checked on the header, before that; an array is not limited.

    EXIF orientation is applied, transparency goes onto white, 16-bit grey is divided by 257 and rounded, an animation
    gives its first frame, colour profiles are ignored. Mode I is read only from 16-bit PGM, mode F only within 0..1.
    Errors: ImageError.   [transformers: do_convert_rgb]
    """
    name = _name_of(source)
    array = _as_array(source)
    if array is not None:
        return _array_to_rgb(array, name)
    with _opened(source, name, max_pixels) as picture:
        return _upright(_picture_to_rgb(picture, name), picture)


def load_label_map(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read one map of class ids.   -> (H, W) int32

    source: as for load_image, but with one number per pixel: picture modes 1, L, P (the index, not the colour), I;16
    and I, or an integer array (H, W). Numbers are kept as they are. Errors: ImageError.
    """
    name = _name_of(source)
    array = _as_array(source)
    if array is None:
        with _opened(source, name, max_pixels) as picture:
            if picture.mode not in ("1", "L", "P", "I") and not picture.mode.startswith("I;16"):
                raise ImageError(
                    f"{name}: expected a label map with one class id per pixel, got mode {picture.mode}; "
                    "turn its colours into ids first"
                )
            array = _upright(np.asarray(picture), picture)
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "biu":
        raise ImageError(
            f"{name}: expected a label map of whole numbers, shape (H, W), got {array.dtype} of shape {array.shape}"
        )
    limits = np.iinfo(np.int32)
    if int(array.min()) < limits.min or int(array.max()) > limits.max:
        raise ImageError(f"{name}: expected class ids that fit 32 bits, got {array.min()}..{array.max()}")
    return array.astype(np.int32, order="C")


# What the caller gave


def _name_of(source: Any) -> str:
    """What to call the picture in an error line; repr keeps odd file names on one line."""
    if isinstance(source, str | os.PathLike):
        return repr(os.fspath(source))
    if isinstance(source, Image.Image):
        return repr(getattr(source, "filename", "") or "PIL image")
    if hasattr(source, "read"):
        return repr(getattr(source, "name", "file object"))
    return type(source).__name__


def _as_array(source: Any) -> np.ndarray | None:
    """The source as a NumPy array if it is one or offers one (a CPU tensor), else None."""
    if isinstance(source, np.ndarray):
        return np.asarray(source)
    if isinstance(source, Image.Image) or not hasattr(source, "__array__"):
        return None
    try:
        return np.asarray(source)
    except Exception as error:  # tensors on a GPU or with gradients refuse in their own words
        raise _unreadable(_name_of(source), error, "pass a NumPy array") from error


def _read(source: Any, name: str) -> bytes:
    """The bytes of a picture file, from wherever they are."""
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
    elif isinstance(source, str | os.PathLike):
        data = _read_path(os.fsdecode(source), name)
    elif hasattr(source, "read"):
        data = _read_stream(source, name)
    else:
        raise ImageError(
            f"expected a path, bytes, a binary file, a PIL image or an array, got {name}; convert it first"
        )
    if not data:
        raise ImageError(f"{name} is empty (0 bytes); download or export it again")
    return data


def _read_path(path: str, name: str) -> bytes:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://|data:", path):
        raise ImageError(f"{name[:200]} is a URL; download it first and pass the file")
    try:
        status = os.stat(path)  # before opening: opening a named pipe would wait for a writer
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{name} is a directory; pass a picture in it")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(f"{name} is a pipe or a device, not a file; save the picture to a file first")
        if status.st_size > MAX_FILE_BYTES:
            raise ImageError(f"{name} has {status.st_size} bytes, more than {MAX_FILE_BYTES}; export a smaller picture")
        with open(path, "rb") as file:
            return file.read(MAX_FILE_BYTES)
    except FileNotFoundError:
        raise ImageError(f"{name} does not exist; check the path") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte or an unencodable name
        raise _unreadable(name, error, "check the path and its permissions") from error


def _read_stream(stream: Any, name: str) -> bytes:
    try:
        if hasattr(stream, "seekable") and stream.seekable():
            stream.seek(0)  # as Pillow does, so that one stream can be read twice
        data = stream.read(MAX_FILE_BYTES + 1)
    except Exception as error:  # a stream is the caller's code
        raise _unreadable(name, error, "check the file object") from error
    if not isinstance(data, bytes | bytearray):
        raise ImageError(f"{name} gives {type(data).__name__}, expected bytes; open the file in binary mode")
    if len(data) > MAX_FILE_BYTES:
        raise ImageError(f"{name} has more than {MAX_FILE_BYTES} bytes; export a smaller picture")
    return bytes(data)


# Decoding


@contextmanager
def _opened(source: Any, name: str, max_pixels: int) -> Iterator[Image.Image]:
    """A decoded picture within the limits; whatever goes wrong while decoding or converting becomes an ImageError."""
    data = b"" if isinstance(source, Image.Image) else _read(source, name)
    try:
        with _decoding, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata does not spoil a picture
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(BytesIO(data), formats=FORMATS) if data else source
            _check_size(picture.size, name, max_pixels)
            picture.load()
            yield picture
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise _not_a_picture(name, data) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise _unreadable(name, error, "shrink the picture or raise PIL.Image.MAX_IMAGE_PIXELS") from error
    except Exception as error:  # on broken files Pillow's parsers raise almost anything
        raise _unreadable(name, error, "the file is damaged or incomplete: download or export it again") from error


def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"{name} is empty: {width} x {height} pixels; pass a picture with at least one pixel")
    if width * height > max_pixels:
        raise ImageError(
            f"{name} has {width} x {height} pixels, more than max_pixels = {max_pixels}; "
            "shrink it, or pass a larger max_pixels"
        )


def _not_a_picture(name: str, data: bytes) -> ImageError:
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    kind = next((kind for magic, kind in _LOOKALIKES if start.startswith(magic)), "")
    if data[4:8] == b"ftyp":
        kind = "HEIC or a video"
    looks = f" (it looks like {kind})" if kind else ""
    return ImageError(
        f"{name} is not a picture that can be read{looks}; expected {', '.join(FORMATS)}: convert it to one of them"
    )


def _unreadable(name: str, error: Exception, fix: str) -> ImageError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return ImageError(f"{name} cannot be read ({reason}); {fix}")


def _upright(pixels: np.ndarray, picture: Image.Image) -> np.ndarray:
    """Turn or mirror the pixels as the picture's EXIF (or XMP) asks.   pixels: (H, W, ...)"""
    try:
        turn = _UPRIGHT.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken EXIF: show the picture as it is stored
        turn = None
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))


# Colours


def _picture_to_rgb(picture: Image.Image, name: str) -> np.ndarray:
    """-> (H, W, 3) uint8, every Pillow mode with its defined meaning"""
    mode = picture.mode
    if mode.startswith("I;16"):  # Pillow's own conversion to RGB would clip at 255
        grey = np.asarray(picture).astype(np.uint16)
        if "transparency" in picture.info:
            grey = np.where(grey == picture.info["transparency"], np.uint16(WHITE_16), grey)
        return _array_to_rgb(grey, name)
    if mode == "F":
        return _array_to_rgb(np.asarray(picture), name)
    if mode == "I":
        if picture.format != "PPM":  # there Pillow scales to 0..65535; elsewhere any range may be meant
            raise ImageError(
                f"{name} holds 32-bit integers (mode I), whose white is not defined; save it as 8-bit or 16-bit grey"
            )
        return _array_to_rgb(np.asarray(picture).astype(np.uint16), name)
    if picture.has_transparency_data:
        layer = picture.convert("LA") if mode == "La" else picture
        layer = layer.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, (*BACKGROUND, 255)), layer)
    return np.array(picture.convert("RGB"))


def _array_to_rgb(array: np.ndarray, name: str) -> np.ndarray:
    """Channels to the end, values to 8 bits, then 1 | 3 | 4 channels to RGB."""
    if array.ndim == 2:
        array = array[..., None]
    elif array.ndim == 3 and array.shape[-1] not in (1, 3, 4) and array.shape[0] in (1, 3, 4):
        array = array.transpose(1, 2, 0)  # (C, H, W): only where the last axis cannot be channels
    if array.ndim != 3 or array.shape[-1] not in (1, 3, 4):
        raise ImageError(
            f"{name}: expected one picture of shape (H, W), (H, W, 1|3|4) or (1|3|4, H, W), got {array.shape}"
        )
    if array.size == 0:
        raise ImageError(f"{name} is empty: shape {array.shape}; pass a picture with at least one pixel")
    array = _to_8_bits(array, name)
    if array.shape[-1] == 4:
        return _picture_to_rgb(Image.fromarray(np.ascontiguousarray(array)), name)
    rgb = np.empty((*array.shape[:2], 3), np.uint8)
    rgb[...] = array  # also repeats a single channel
    return rgb


def _to_8_bits(array: np.ndarray, name: str) -> np.ndarray:
    """Values of any accepted dtype -> uint8; the dtype alone decides which number is white."""
    kind, itemsize = array.dtype.kind, array.dtype.itemsize
    if kind == "b":
        return array * np.uint8(255)
    if kind == "u" and itemsize == 1:
        return array
    if kind == "u" and itemsize == 2:
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if kind not in "iuf":
        raise ImageError(f"{name}: expected uint8, uint16 or float values, got {array.dtype}; convert the array first")
    white, low, high = (1 if kind == "f" else 255), array.min(), array.max()
    if not np.isfinite(low) or not np.isfinite(high):
        raise ImageError(f"{name} has NaN or infinite values; replace them first (np.nan_to_num)")
    if low < 0 or high > white:
        raise ImageError(
            f"{name}: expected {array.dtype} values within 0..{white}, got {low:g}..{high:g}; "
            "scale them, or pass uint8 (0..255) or uint16 (0..65535)"
        )
    if kind == "f":
        array = np.rint(array.astype(np.promote_types(array.dtype, np.float32)) * 255)
    return array.astype(np.uint8)
