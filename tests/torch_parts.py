"""torch's files made by hand, opcode by opcode, so that broken and hostile ones can be made too; no torch needed."""

import io
import pickle
import struct
import zipfile

import numpy as np

ITEMSIZE = {"Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2}
ITEMSIZE |= {"Char": 1, "Byte": 1, "Bool": 1}
LEGACY_HEAD = b"".join(
    pickle.dumps(part, 2)
    for part in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}})
)


def text(value):
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value):
    raw = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def tuple_of(*parts):
    return b"(" + b"".join(parts) + b"t"


def numbers(*values):
    return tuple_of(*map(number, values))


def named(module, name):
    return f"c{module}\n{name}\n".encode()


def call(module, name, *arguments):
    return named(module, name) + tuple_of(*arguments) + b"R"


def storage(key="0", count=6, kind="Float", module="torch"):
    return tuple_of(text("storage"), named(module, f"{kind}Storage"), text(key), text("cpu"), number(count)) + b"Q"


def tensor(stored=None, offset=0, shape=(2, 3), strides=(3, 1), rest=b"\x89" + b"N"):
    parts = (stored or storage(), number(offset), numbers(*shape), numbers(*strides), rest)
    return call("torch._utils", "_rebuild_tensor_v2", *parts)


def dict_of(items):
    return b"}(" + b"".join(text(name) + value for name, value in items.items()) + b"u"


def program(value):
    return b"\x80\x02" + value + b"."


def zip_file(pickled, storages, *, root="archive", compression=zipfile.ZIP_STORED, others=(), order=b"little"):
    """Bytes of a zip as torch lays it out.   storages: key -> bytes   others: (name, bytes) of further records"""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr(f"{root}/data.pkl", pickled)
        archive.writestr(f"{root}/byteorder", order)
        for key, raw in storages.items():
            archive.writestr(f"{root}/data/{key}", raw)
        for name, raw in others:
            archive.writestr(name, raw)
    return file.getvalue()


def legacy_file(pickled, storages, head=LEGACY_HEAD):
    """Bytes of a file as torch before 1.6 laid it out.   storages: key -> (count, bytes)"""
    blocks = b"".join(struct.pack("<q", count) + raw for count, raw in storages.values())
    return head + pickled + pickle.dumps(list(storages), 2) + blocks


SIX = np.arange(6, dtype="<f4").tobytes()


def zipped(value, storages=None):
    """The shortest way: a zip around one value and six floats."""
    return zip_file(program(value), {"0": SIX} if storages is None else storages)
