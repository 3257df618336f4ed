"""Hostile and broken torch files: each ends in one CheckpointError, quickly, and nothing in it is imported or run."""

import io
import pickle
import re
import struct
import sys
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch_parts as parts
from hypothesis import given, settings
from hypothesis import strategies as st

from minidpt import CheckpointError
from minidpt.checkpoints import index

SECONDS = 10  # "quickly", on a shared and noisy machine; measured: the slowest case takes 2


def os_system(command):
    return parts.named("os", "system") + parts.text(command) + b"\x85R"


HOSTILE = {  # name -> (a program that would run the command, what is said)
    "os.system": (lambda c: parts.program(os_system(c)), r"names os\.system"),
    "posix.system": (lambda c: parts.program(parts.call("posix", "system", parts.text(c))), r"names posix\.system"),
    "builtins.eval": (
        lambda c: parts.program(parts.call("builtins", "eval", parts.text(f"__import__('os').system({c!r})"))),
        r"names builtins\.eval",
    ),
    "deep in a state dict": (
        lambda c: parts.program(parts.dict_of({"x": parts.tensor(), "y": parts.dict_of({"z": os_system(c)})})),
        r"names os\.system",
    ),
    "stack global": (
        lambda c: b"\x80\x04\x8c\x02os\x8c\x06system\x93" + parts.text(c) + b"\x85R.",
        r"names os\.system",
    ),
    "stack global from the memo": (
        lambda c: b"\x80\x04\x8c\x06system\x94\x8c\x02os\x94\x30\x30h\x01h\x00\x93" + parts.text(c) + b"\x85R.",
        "instruction POP",
    ),
    "stack global, dotted": (
        lambda c: b"\x80\x04\x8c\x0ctorch._utils\x8c\x0dos.path.sys.x\x93.",
        r"names torch\._utils\.os\.path",
    ),
    "instance": (lambda c: b"\x80\x02(" + parts.text(c) + b"ios\nsystem\n.", "instruction INST"),
    "object": (lambda c: b"\x80\x02(cos\nsystem\n" + parts.text(c) + b"o.", r"names os\.system"),
    "object of an allowed name": (lambda c: b"\x80\x02(" + parts.named("torch", "Size") + b"o.", "instruction OBJ"),
    "new object": (lambda c: b"\x80\x02" + parts.named("torch", "Size") + b")\x81.", "instruction NEWOBJ"),
    "new object with keywords": (
        lambda c: b"\x80\x04" + parts.named("torch", "Size") + b")}\x92.",
        "instruction NEWOBJ_EX",
    ),
    "set state": (
        lambda c: parts.program(b"}" + parts.dict_of({"__setstate__": parts.text(c)}) + b"b"),
        "an object with attributes",
    ),
    "state for a tensor": (lambda c: parts.program(parts.tensor() + b"}b"), "an object with attributes"),
    "extension registry": (lambda c: b"\x80\x02\x82\x01.", "instruction EXT1"),
    "extension registry, 4 bytes": (lambda c: b"\x80\x02\x84\x01\x00\x00\x00.", "instruction EXT4"),
    "buffers of protocol 5": (lambda c: b"\x80\x05\x97\x98.", "instruction NEXT_BUFFER"),
    "byte arrays of protocol 5": (lambda c: b"\x80\x05\x96" + bytes(8) + b".", "instruction BYTEARRAY8"),
    "persistent id as a line": (lambda c: b"\x80\x02Pstorage\n.", "instruction PERSID"),
    "escaped string": (lambda c: b"\x80\x02S'\\z'\n.", "instruction STRING"),
    "a call of an OrderedDict": (
        lambda c: parts.program(parts.call("collections", "OrderedDict") + b")R"),
        "a call of what is no function",
    ),
    "a call of a storage type": (lambda c: parts.program(parts.named("torch", "FloatStorage") + b")R"), "no function"),
    "a module of its own": (lambda c: parts.program(parts.call("minidpt_sentinel", "run")), "names minidpt_sentinel"),
    "a whole module": (
        lambda c: parts.program(parts.tuple_of(parts.text("module"), b"N" * 3) + b"Q"),
        "more than weights",
    ),
    "sparse": (lambda c: parts.program(parts.call("torch._utils", "_rebuild_sparse_tensor")), "a sparse tensor"),
    "quantised": (lambda c: parts.program(parts.call("torch._utils", "_rebuild_qtensor")), "a quantised tensor"),
    "meta": (
        lambda c: parts.program(parts.call("torch._utils", "_rebuild_meta_tensor_no_storage")),
        "a meta tensor",
    ),
    "subclass": (lambda c: parts.program(parts.call("torch._tensor", "_rebuild_from_type_v2")), "a subclass"),
    "complex": (lambda c: parts.program(parts.storage(kind="ComplexFloat")), "complex numbers"),
    "negated": (lambda c: parts.program(parts.tensor(rest=b"\x89N" + parts.dict_of({"neg": b"\x88"}))), "negated"),
}


def refused(path, content, message="."):
    path.write_bytes(content)
    start = time.monotonic()
    with pytest.raises(CheckpointError) as caught:
        index(path)
    assert time.monotonic() - start < SECONDS
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    said = str(caught.value).removeprefix(f"{path}: ")  # the path holds the test's own words
    assert re.search(message, said), said
    assert len(said) < 300


@pytest.mark.parametrize(("build", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_pickle_is_refused_and_nothing_runs(build, message, tmp_path, monkeypatch):
    sentinel = tmp_path / "sentinel"
    (tmp_path / "minidpt_sentinel.py").write_text(f"open({str(sentinel)!r}, 'w').close()\ndef run(): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    pickled = build(f"echo > {sentinel}")
    for content in (parts.zip_file(pickled, {"0": parts.SIX}), parts.legacy_file(pickled, {"0": (6, parts.SIX)})):
        refused(tmp_path / "weights.pt", content, message)
    assert not sentinel.exists()
    assert "minidpt_sentinel" not in sys.modules


def test_the_sentinel_would_fire(tmp_path):
    sentinel = tmp_path / "sentinel"
    pickle.loads(HOSTILE["os.system"][0](f"echo > {sentinel}"))
    assert sentinel.exists()


TEN = 10**9
BAD_TENSORS = {
    "beyond its storage": (parts.tensor(shape=(2, 3), strides=(4, 1)), "ends at element 7 of a storage of 6"),
    "offset beyond its storage": (parts.tensor(offset=1), "ends at element 7"),
    "negative stride": (parts.tensor(strides=(-3, 1)), "no sizes"),
    "negative size": (parts.tensor(shape=(-2, 3)), "no sizes"),
    "negative offset": (parts.tensor(offset=-1), "without a storage"),
    "overflow": (parts.tensor(shape=(2**62, 2**62), strides=(0, 0)), "shape"),
    "overflow to zero": (parts.tensor(shape=(0, 2**62, 2**62), strides=(0, 0, 0)), "shape"),
    "expanded without end": (parts.tensor(shape=(TEN,), strides=(0,)), "1000000000 elements in a storage of 6"),
    "a number of 200 bytes": (parts.tensor(offset=256**200), "without a storage"),
    "as many axes as bytes": (parts.tensor(shape=(1,) * 5000, strides=(1,) * 5000), "5000 axes"),
    "shape and strides of two lengths": (parts.tensor(strides=(1,)), "2 axes and 1 strides"),
    "a size that is true": (
        parts.call(
            "torch._utils",
            "_rebuild_tensor_v2",
            parts.storage(),
            parts.number(0),
            parts.tuple_of(b"\x88"),
            parts.numbers(1),
        ),
        "no sizes",
    ),
    "no storage": (parts.tensor(stored=b"N"), "without a storage"),
    "storage longer than its bytes": (parts.tensor(parts.storage(count=7)), "of 7 F32 elements is 24 bytes"),
    "storage shorter than its bytes": (parts.tensor(parts.storage(count=6, kind="Half")), "of 6 F16 elements is 24"),
    "storage absent": (parts.tensor(parts.storage(key="1")), "is absent"),
    "storage named like a path": (parts.tensor(parts.storage(key="../data/0")), "is absent"),
    "storage of two types": (
        parts.dict_of({"x": parts.tensor(), "y": parts.tensor(parts.storage(kind="Int"))}),
        "two types",
    ),
    "a name that is a number": (b"}" + parts.number(1) + parts.tensor() + b"s", "no dictionary|no tensors|plain name"),
    "a name with a line break": (parts.dict_of({"a\nb": parts.tensor()}), "plain name"),
    "a long key": (parts.dict_of({"x": parts.tensor(), "k" * 501: b"N"}), "keys are no names"),
    "no dictionary": (parts.tensor(), "no dictionary of tensors"),
    "no tensors": (parts.dict_of({"epoch": b"K\x03"}), "no tensors by name"),
}


@pytest.mark.parametrize(("value", "message"), BAD_TENSORS.values(), ids=BAD_TENSORS.keys())
def test_a_tensor_that_does_not_fit_is_refused(value, message, tmp_path):
    value = value if value[:1] == b"}" or "no dictionary" in message else parts.dict_of({"x": value})
    refused(tmp_path / "weights.pt", parts.zipped(value), message)


def test_all_tensors_together_are_bounded_by_the_file(tmp_path):
    content = bytes(100_000)
    row = parts.tensor(parts.storage(count=25_000), shape=(25_000,), strides=(1,))
    several = {n: parts.zipped(parts.dict_of({f"x{i}": row for i in range(n)}), {"0": content}) for n in (4, 9)}
    (tmp_path / "weights.pt").write_bytes(several[4])
    assert len(index(tmp_path / "weights.pt")) == 4
    refused(tmp_path / "weights.pt", several[9], "share storages")


VALUE = parts.dict_of({"x": parts.tensor()})
MANY = [struct.pack("<BHB", ord("M"), i, ord("h")) for i in range(30_000)]
DICTS_OF_DICTS = parts.dict_of(
    {"a": b"}q\x00"}
    | {f"b{n}": b"}(" + b"".join(key + bytes([n]) for key in MANY) + b"uq" + bytes([n + 1]) for n in range(5)}
)
BROKEN_PICKLES = {
    "empty": b"",
    "no end": parts.program(VALUE)[:-1],
    "cut": parts.program(VALUE)[:40],
    "unknown opcode": b"\x80\x02\xff.",
    "empty stack": b"\x80\x020.",
    "nothing to return": b"\x80\x02.",
    "two values": b"\x80\x02NN.",
    "open mark": b"\x80\x02(N.",
    "no mark": b"\x80\x02Nt.",
    "below a mark": b"\x80\x02N(\x85.",
    "memo of nothing": b"\x80\x02h\x07.",
    "huge memo index": b"\x80\x02Nr\xff\xff\xff\xffj\xfe\xff\xff\xff.",
    "frame longer than the file": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"N.",
    "text longer than the file": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x.",
    "bytes longer than the file": b"\x80\x04\x8e" + struct.pack("<Q", 2**64 - 1) + b"x.",
    "no utf-8": b"\x80\x02X\x01\x00\x00\x00\xff.",
    "name with an escape": b"\x80\x02ctor\\Kch\nSize\n.",
    "name without an end": b"\x80\x02ctorch\nSize",
    "name that is no ascii": b"\x80\x02c\xff\n\n.",
    "a dict as key": b"\x80\x02}}Ns.",
    "a long key": parts.program(parts.dict_of({"x" * 10_000: b"N"})),
    "items of a number": b"\x80\x02K\x01(Ne.",
    "pairs of a list": b"\x80\x02](NNu.",
    "odd pairs": b"\x80\x02}(Nu.",
    "marks without end": b"\x80\x02" + b"(" * 600_000,
    "lists without end": b"\x80\x02" + b"]" * 600_000,
    "deep tuples": b"\x80\x02)" + b"\x85" * 400_000 + b".",
    "deep lists": b"\x80\x02" + b"](" * 150_000 + b"e" * 150_000 + b".",
    "doubled without end": b"\x80\x02}" + b"q\x00h\x00\x86" * 150_000 + b".",
    "dicts of dicts of dicts": parts.program(DICTS_OF_DICTS),
}  # fmt: skip


@pytest.mark.parametrize("pickled", BROKEN_PICKLES.values(), ids=BROKEN_PICKLES.keys())
def test_a_broken_pickle_is_refused(pickled, tmp_path):
    refused(tmp_path / "weights.pt", parts.zip_file(pickled, {"0": parts.SIX}))
    refused(tmp_path / "weights.pt", parts.legacy_file(pickled, {"0": (6, parts.SIX)}))


def zip_with(*names, compression=zipfile.ZIP_STORED):
    return parts.zip_file(
        parts.program(VALUE), {"0": parts.SIX}, compression=compression, others=[(n, b"") for n in names]
    )


def changed(content, old, new, count=-1):
    assert old in content
    return content.replace(old, new, count)


def with_second_record_at_the_first(content):
    """The directory's second row points where the first does."""
    first = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", first + 4)
    return content[: second + 42] + content[first + 42 : first + 46] + content[second + 46 :]


def with_a_record_inside_another():
    """The directory says that data/0 lies within data/9, where a copy of its header and content stands."""
    header = SOUND.rindex(b"PK\x03\x04", 0, SOUND.index(b"archive/data/0"))
    copy = SOUND[header : SOUND.index(b"PK\x01\x02")]
    content = parts.zip_file(parts.program(VALUE), {"0": parts.SIX}, others=[("archive/data/9", copy)])
    row = content.rindex(b"PK\x01\x02", 0, content.rindex(b"archive/data/0"))
    return content[: row + 42] + struct.pack("<L", content.rindex(copy)) + content[row + 46 :]


def bomb():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", parts.program(VALUE))
        archive.writestr("archive/data/0", bytes(50_000_000))
    return file.getvalue()


SOUND = zip_with()
HEADER = SOUND.rindex(b"PK\x03\x04", 0, SOUND.index(b"archive/data/0"))  # of data/0, and its row of the directory
ROW = SOUND.rindex(b"PK\x01\x02", 0, SOUND.rindex(b"archive/data/0"))
(DIRECTORY_BYTES,) = struct.unpack("<L", SOUND[-10:-6])


def patched(place, value):
    return SOUND[:place] + struct.pack("<L", value) + SOUND[place + 4 :]


BROKEN_ZIPS = {
    "compressed": (zip_with(compression=zipfile.ZIP_DEFLATED), "compressed"),
    "bomb": (bomb(), "compressed"),
    "path upwards": (zip_with("archive/../../etc/passwd"), "plain name"),
    "absolute path": (zip_with("/etc/passwd"), "plain name"),
    "drive": (zip_with("C:evil"), "plain name"),
    "control character": (zip_with("archive/a\nb"), "plain name"),
    "two archives": (zip_with("other/data.pkl"), "not torch's"),
    "no pickle": (changed(SOUND, b"data.pkl", b"data.pkx"), "not torch's"),
    "names differ": (changed(SOUND, b"data.pkl", b"data.pkx", 1), "no header of its own"),
    "overlap": (with_second_record_at_the_first(SOUND), "no header of its own|overlap"),
    "two sizes": (patched(HEADER + 22, 25), "two sizes"),
    "two sizes in the directory": (patched(ROW + 20, 25), "is compressed"),
    "directory longer than its rows": (
        SOUND[:-22] + bytes(4) + SOUND[-22:-10] + struct.pack("<L", DIRECTORY_BYTES + 4) + SOUND[-6:],
        "another length",
    ),
    "one record inside another": (with_a_record_inside_another(), "records overlap"),
    "encrypted": (changed(SOUND, b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"), "encrypted"),
    "pickle damaged": (changed(SOUND, b"_rebuild", b"_rebuilt"), "checksum"),
    "comment": (SOUND[:-2] + b"\x01\x00x", "end is missing"),
    "trailing bytes": (SOUND + bytes(9), "end is missing"),
    "cut": (SOUND[:-60], "end is missing"),
    "beginning only": (SOUND[:80], "end is missing"),
    "count too large": (SOUND[:-12] + struct.pack("<2H", 9, 9)[2:] + SOUND[-10:], "sound zip"),
    "directory beyond": (SOUND[:-6] + struct.pack("<L", 2**31) + SOUND[-2:], "beyond its end"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), BROKEN_ZIPS.values(), ids=BROKEN_ZIPS.keys())
def test_a_broken_zip_is_refused(content, message, tmp_path):
    refused(tmp_path / "weights.pt", content, message)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_record_named_twice_is_refused(tmp_path):
    refused(tmp_path / "weights.pt", zip_with("archive/data/0"), "twice")


LEGACY = parts.legacy_file(parts.program(VALUE), {"0": (6, parts.SIX)})
BROKEN_LEGACY = {
    "cut": (LEGACY[:-1], "ends before"),
    "trailing": (LEGACY + b"x", "beyond its last storage"),
    "count negative": (parts.legacy_file(parts.program(VALUE), {"0": (-1, parts.SIX)}), "ends before"),
    "count huge": (parts.legacy_file(parts.program(VALUE), {"0": (2**62, parts.SIX)}), "ends before"),
    "count differs": (parts.legacy_file(parts.program(VALUE), {"0": (5, parts.SIX[:20])}), "is 20 bytes"),
    "another key": (parts.legacy_file(parts.program(VALUE), {"1": (6, parts.SIX)}), "list of storages"),
    "no storages": (LEGACY[: len(parts.LEGACY_HEAD)], "broken"),
    "another version": (changed(LEGACY, b"M\xe9\x03", b"M\xe8\x03", 1), "not torch's"),
}


@pytest.mark.parametrize(("content", "message"), BROKEN_LEGACY.values(), ids=BROKEN_LEGACY.keys())
def test_a_broken_legacy_file_is_refused(content, message, tmp_path):
    refused(tmp_path / "weights.pt", content, message)


def sound_files():
    tensors = {f"layer.{i}.weight": parts.tensor(offset=i, shape=(2,), strides=(i + 1,)) for i in range(3)}
    half = parts.tensor(parts.storage("1", 4, "Half"), shape=(2, 2), strides=(1, 2))
    ordered = parts.call("collections", "OrderedDict") + b"q\x01" + parts.dict_of(tensors | {"half": half})[1:]
    pickled = parts.program(parts.dict_of({"model": ordered + b"}b", "epoch": b"K\x03", "again": b"h\x01"}))
    storages = {"0": parts.SIX, "1": parts.SIX[:8]}
    legacy = parts.legacy_file(pickled, {"0": (6, parts.SIX), "1": (4, parts.SIX[:8])})
    return parts.zip_file(pickled, storages), legacy, pickled


ZIP, OLD, PICKLED = sound_files()
PLACE = st.integers(0, 5000)
EDIT = st.one_of(
    st.tuples(st.just("byte"), PLACE, st.integers(0, 255)),
    st.tuples(st.just("opcode"), PLACE, st.sampled_from(b"(.02FIKMJNPQRSTUXbceghijlopqrstu}]\x80\x81\x85\x93\x94\x95")),
    st.tuples(st.just("cut"), PLACE, st.integers(0, 40)),
    st.tuples(st.just("splice"), PLACE, PLACE),
)  # fmt: skip


def edited(content, edits):
    content = bytearray(content)
    for kind, place, how in edits:
        place %= len(content) or 1
        if kind in ("byte", "opcode"):
            content[place : place + 1] = bytes([how])
        elif kind == "cut":
            del content[place : place + how]
        else:
            content[place:place] = content[how % (len(content) or 1) :][:30]
    return bytes(content)


@settings(max_examples=600)
@given(kind=st.sampled_from(["zip", "legacy", "pickle in zip"]), edits=st.lists(EDIT, max_size=5))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(kind, edits, tmp_path_factory):
    if kind == "pickle in zip":  # with a sound checksum, so that the damage reaches the machine
        content = parts.zip_file(edited(PICKLED, edits), {"0": parts.SIX, "1": parts.SIX[:8]})
    else:
        content = edited(ZIP if kind == "zip" else OLD, edits)
    path = tmp_path_factory.getbasetemp() / "damaged.pt"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        read = {name: entry.read(as_stored=True) for name, entry in index(path).items()}
    except CheckpointError as error:
        assert "\n" not in str(error)
    else:
        assert all(isinstance(x, np.ndarray) for x in read.values())
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 300_000 + 100 * len(content)  # the first: what Python itself needs for a file and an error


FATTENING = {
    "dicts": b"}" * 50_000,
    "lists in lists": b"](" * 25_000,
    "memo": b"N\x94" * 25_000,
    "memo with gaps": b"".join(b"Nr" + struct.pack("<I", i << 9) for i in range(25_000)),
}


@pytest.mark.parametrize("pickled", FATTENING.values(), ids=FATTENING.keys())
def test_memory_is_bounded_by_the_file(pickled, tmp_path):
    content = parts.zip_file(parts.program(pickled), {})
    tracemalloc.start()
    refused(tmp_path / "weights.pt", content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 * len(content)  # an empty dict, one byte in a pickle, takes 64 in Python, and 8 on the stack
