"""The directory of a zip file as torch writes it: every record plain, none compressed, and where its bytes lie.

The standard library's zipfile would do, but it builds its whole list before anything can be refused; here the sizes are
checked first, and each record's own header must say what the directory says.   [APPNOTE.TXT 6.3.10]
"""

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..errors import CheckpointError
from .entries import MAX_TENSORS, Block, reading

END, END64, END64_PLACE = (struct.Struct(layout) for layout in ("<4s4H2LH", "<4sQ2H2L4Q", "<4sLQL"))
DIRECTORY, LOCAL = struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s5H3L2H")
MAX_RECORDS = MAX_TENSORS + 100
MAX_DIRECTORY_BYTES = 1_000 * MAX_RECORDS
ENCRYPTED, SIZES_FOLLOW, STORED = 1, 8, 0
FULL16, FULL32 = 0xFFFF, 0xFFFFFFFF
ZIP64_EXTRA = 1
PLAIN_NAME = re.compile(r"(?!/)(?!.*//)(?!(.*/)?\.\.?(/|$))[^\x00-\x1f\x7f\\:]{1,300}")


def records(path: Path) -> dict[str, Block]:
    """Every record of the zip file: name -> where its bytes lie. CheckpointError for what torch would not write."""
    try:
        with reading(path), path.open("rb") as file:
            return _records(path, file)
    except (struct.error, UnicodeDecodeError, OverflowError):
        raise _broken(path, "its directory is cut short") from None


def content(path: Path, block: Block, limit: int) -> bytes:
    """The bytes of one small record, checksum verified."""
    if block.size > limit:
        raise CheckpointError(f"{path}: a record of {block.size} bytes; the limit is {limit}")
    with reading(path), path.open("rb") as file:
        file.seek(block.offset)
        found = file.read(block.size)
    if zlib.crc32(found) != block.crc:
        raise _broken(path, f"the checksum at byte {block.offset} differs")
    return found


def _broken(path: Path, how: str) -> CheckpointError:
    return CheckpointError(f"{path}: not a sound zip file ({how}); fetch the file again")


def _records(path: Path, file: BinaryIO) -> dict[str, Block]:
    start, size, count = _directory(path, file)
    if not 0 < count <= MAX_RECORDS or size > MAX_DIRECTORY_BYTES:
        raise CheckpointError(f"{path}: a zip file of {count} records; expected 1 to {MAX_RECORDS}")
    file.seek(start)
    directory = file.read(size)
    found: dict[str, Block] = {}
    taken: list[tuple[int, int]] = []
    at = 0
    for _ in range(count):
        name, header, record_size, crc, at = _directory_row(path, directory, at)
        if name in found:
            raise CheckpointError(f"{path}: holds {name!r} twice")
        offset = _content_offset(path, file, name, header, record_size)
        found[name] = Block(offset, record_size, crc)
        taken.append((header, offset + record_size))
    if at != size:
        raise _broken(path, "its directory has another length")
    taken.sort()
    for (_, end), (begin, _) in zip(taken, [*taken[1:], (start, start)], strict=True):
        if end > begin:
            raise _broken(path, "its records overlap")
    return found


def _directory(path: Path, file: BinaryIO) -> tuple[int, int, int]:
    """Where the directory starts, its bytes and rows, from the last bytes of the file."""
    length = file.seek(0, 2)
    file.seek(max(0, length - END.size))
    magic, disk, start_disk, here, count, size, start, comment = END.unpack(file.read(END.size))
    if magic != b"PK\x05\x06" or disk or start_disk or here != count or comment:
        raise _broken(path, "its end is missing")
    end = length - END.size
    place_at = end - END64_PLACE.size
    place = b""
    if place_at >= 0:
        file.seek(place_at)
        place = file.read(END64_PLACE.size)
    if place.startswith(b"PK\x06\x07"):  # zip64: torch always writes it
        end = END64_PLACE.unpack(place)[2]
        file.seek(min(end, length))
        magic, _, _, _, disk, start_disk, here, count, size, start = END64.unpack(file.read(END64.size))
        if magic != b"PK\x06\x06" or disk or start_disk or here != count:
            raise _broken(path, "its zip64 end is missing")
    if start + size > min(end, length):
        raise _broken(path, "its directory lies beyond its end")
    return start, size, count


def _directory_row(path: Path, directory: bytes, at: int) -> tuple[str, int, int, int, int]:
    """One row of the directory: name, place of the record's own header, size, CRC; and where the next row starts."""
    fields = DIRECTORY.unpack_from(directory, at)
    magic, flags, method, crc, packed, size = fields[0], fields[3], fields[4], *fields[7:10]
    name_length, extra_length, comment_length, disk, header = *fields[10:14], fields[16]
    at += DIRECTORY.size
    raw_name, extra = directory[at : at + name_length], directory[at + name_length : at + name_length + extra_length]
    if magic != b"PK\x01\x02" or len(raw_name) != name_length or len(extra) != extra_length:
        raise _broken(path, "its directory is cut short")
    name = raw_name.decode("utf-8")
    if not PLAIN_NAME.fullmatch(name):
        raise CheckpointError(f"{path}: {name[:80]!a} is not a plain name of a record")
    _check_method(path, name, flags, method)
    sizes = _zip64_sizes(extra)
    size = next(sizes) if size == FULL32 else size
    packed = next(sizes) if packed == FULL32 else packed
    header = next(sizes) if header == FULL32 else header
    if packed != size or disk not in (0, FULL16):
        raise _broken(path, f"{name!r} is compressed or on another disk")
    return name, header, size, crc, at + name_length + extra_length + comment_length


def _zip64_sizes(extra: bytes) -> Iterator[int]:
    """The 64-bit numbers in a row's extra field; reading one too many is a struct.error."""
    while extra:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == ZIP64_EXTRA:
            extra = extra[4 : 4 + length]
            break
        extra = extra[4 + length :]
    at = 0
    while True:
        yield struct.unpack_from("<Q", extra, at)[0]
        at += 8


def _content_offset(path: Path, file: BinaryIO, name: str, header: int, size: int) -> int:
    """Where a record's bytes start: behind its own header, which must agree with the directory."""
    file.seek(header)
    fields = LOCAL.unpack(file.read(LOCAL.size))
    magic, flags, method, packed, full, name_length, extra_length = fields[0], *fields[2:4], *fields[7:]
    if magic != b"PK\x03\x04" or file.read(name_length) != name.encode():
        raise _broken(path, f"{name!r} has no header of its own")
    _check_method(path, name, flags, method)
    if not flags & SIZES_FOLLOW and any(n not in (size, FULL32) for n in (packed, full)):
        raise _broken(path, f"{name!r} has two sizes")
    return header + LOCAL.size + name_length + extra_length


def _check_method(path: Path, name: str, flags: int, method: int) -> None:
    if flags & ENCRYPTED:
        raise CheckpointError(f"{path}: {name!r} is encrypted")
    if method != STORED:
        raise CheckpointError(f"{path}: {name!r} is compressed, which torch never does; save it with torch.save")
