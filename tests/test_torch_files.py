"""torch's files without torch: made by hand, recorded, far into a large file; and, with torch, all that it saves."""

import base64
import json
import struct
import zlib

import numpy as np
import pytest
import torch_parts as parts
from checks import assert_close
from tiny import HYBRID, PLAIN, lively, pixels

from minidpt import CheckpointError, DPTConfig, DPTForDepthEstimation, DPTForSemanticSegmentation
from minidpt.checkpoints import entries, index

# torch 2.13: torch.save({"model": sd, "epoch": 3}, ..., _use_new_zipfile_serialization=True or False) with sd =
# Linear(3, 2).state_dict(): weight arange(6) - 2.5, bias (0.5, -1.25); half = weight.t().half(); tail = weight[1:]
RECORDED_ZIP = (
    "eNqllM9P1EAUx2db9lfBH+Cqi6Li70Vh2Z9QEgFtTGPSg7BGXblsuruFNhbKa2chmmBMDCR68+TFGI9ejSZyEjxqjIl3T3ry5F9g4kxngXaB"
    "JeAkk+nOzue9b+d9X8cUvgWhSARtGgKKI7u/qmI1OXvflKUYmthiPOYWACWKQQJMW1XNhEClYpmmVsGGNeMIN+2qZmvV60YFC8D1FIBPFEPk"
    "7LxmTOkYWirYsit6slTDhukIJVsr1wyzWsLajGPZpbmMAMFEohgmhENOqlMahBgiyKal4ltsU4BwMUDOpCBS5Mlama1BVAlhEMYVpHAKvwSt"
    "Cq8ElqDtqU5V7MOwvwAHiuTVUdlQHTiokzx6SGdx0tCuRxUOQ4fLL8IhJbAIMcYexnCkAEddVlfNSYgztq7rBtlal9XphsvAMd2Vc5yG4xVu"
    "CbqUAFV1goU8ieFUAbrdkFg1TDi9JkePMPLMONVPkbPsRc4x8jyGCwW4WFuARDFK6NK0hlVaM+hx/79UpKWEywvQ697inGY7pDDQpwQcxym7"
    "ddNmrYoOSYWvJceUcORz54u734hsOse2dUc7yhJ3JCcte1rFpXpYWerf0iRNRpqm/PDnxxN6UXRunzKGhmnKuhFKqmlMzUxrM1iWhnabdWMM"
    "5KiA0Xn4zZEUXFMBrShIBJQfYM2itpalAJowDYxNjcZYHP7VSa0dahojglrqXdWfkiW6072K0OoKeaBzlDyT2X2VRsy3XumKk834DhEzaxHT"
    "spTc5VWwnK9XaL4vP5+9i7gRm+eT1vJlZGlk71fP8n9CH9EyEtEIukY1fNXeDrSRLG1NNURdK6y77j/qnxVo1u+vpm7vXP84kUkM6L66o9kG"
    "ceBDlX7nSkZVlnJ7EpESc0M5URRzg0MD+VROHMzmU+mMmMvnM6kh8ixms+mcmElRlfcevf+bIDoSrsoA51ajrtPbtcIm5Rvf8UbO23rtPuYk"
    "hzZ3eCPubZyYD3/O8E3d2hjB2zatvggdPPK2WyPo7Q5/se7waL3HGimvx/3Umw0q3Uh5Xemn4i3rVKaR8roq6qNeutQ2d+otc9x/I0G0rQHH"
    "lFCod610fJ+nVfxrO8fW5SBbCRd2DRRmv9k3OBhiTNQ9z87+AyHDrro="
)
RECORDED_LEGACY = (
    "eNptUstu00AUHduJQwwt5U15hrfLI0RNlJQNDwlVSKMCDRtvkOXYQ2bQ1JPrGReBFKmbRsA3sGDJJ7Ci5XP4BCQWzNhppEqxNNbMuWfOPffO"
    "3bG/evzft/W/jfc/Xi83d+yNP47+jwH5wRJCaJQJJWLBw22SSSZSsDQhWNARzpTiJCRpwqIU7M+Bp0H1cURCyT4RCc4YKn5Q1aCkIlNQxXbg"
    "6BNLFbi4ElSMhkiHUMOVPD/IafhbIiEcrFin5SRWOqv0XmUJyUjynMXKA3ulD44fuJr7gbAhVVCJlchi2gxzxbj0wowMcsaTUJFUiizcXvWg"
    "6vtBzbjRzGhIwC2veOtcROpNCXpQCxY151Gn3eq1W912t9NtrcGRwng8yqGO3ZcKvE2MsI2dCRzFDrYmcOwLNZ4WFCz24XhR2oBFEpaozkpd"
    "eli10+51Oi04QevY1monC7VdOIWtXThdKp1RcLYP5wolGvF3cL5Umnp+oaGZ5eXD4t1et70KF2hp9aIRd7A9gUvYMo4vlwmuKLjah0aRQEWM"
    "w7W5VqcNuD5Vu7Fp6jUyN8vCb5VqtxXc6YOfj2ElqOvr4RZRURKpCO4W8XuBBhHcH8OD4g0OhqmJLSnloHh1MhIxhYfYMbPw1szCHCPWvEba"
    "8xrgkKaZj/Jr7CO0v6c3Zj3Re70aT+1Z3GDf92b83+gX+onW0GP07D/2yMn6"
)
WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3) - np.float32(2.5)
RECORDED = {"weight": WEIGHT, "bias": np.float32([0.5, -1.25]), "half": WEIGHT.T, "tail": WEIGHT[1:]}


def written(tmp_path, content, name="weights.pt"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def assert_equal(found, expected, **how):
    assert found.keys() == expected.keys()
    for name, x in expected.items():
        got = found[name].read(**how)
        assert (got.dtype, got.shape) == (x.dtype, x.shape), name
        assert np.array_equal(got.view(np.uint8) if x.ndim else got, x.view(np.uint8) if x.ndim else x), name


@pytest.mark.parametrize("recorded", [RECORDED_ZIP, RECORDED_LEGACY], ids=["zip", "legacy"])
def test_a_file_that_torch_wrote_is_read_without_torch(recorded, tmp_path):
    path = written(tmp_path, zlib.decompress(base64.b64decode(recorded)))
    found = index(path)
    assert_equal(found, {name: np.ascontiguousarray(x) for name, x in RECORDED.items()})
    assert found["half"].read(as_stored=True).dtype == np.float16


@pytest.mark.parametrize("kind", parts.ITEMSIZE)
def test_every_type_is_read_as_numbers_and_only_floats_as_weights(kind, tmp_path):
    raw = np.arange(6, dtype=np.float32).tobytes() if kind == "Float" else bytes(range(6)) * parts.ITEMSIZE[kind]
    pickled = parts.program(parts.dict_of({"x": parts.tensor(parts.storage(kind=kind))}))
    files = parts.zip_file(pickled, {"0": raw}), parts.legacy_file(pickled, {"0": (6, raw)})
    stored = {"Double": "<f8", "Float": "<f4", "Half": "<f2", "Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "i1"}
    stored |= {"Byte": "u1", "Bool": "?", "BFloat16": "<u2"}
    for content in files:
        entry = index(written(tmp_path, content))["x"]
        expected = np.frombuffer(raw, stored[kind]).reshape(2, 3)
        if kind == "BFloat16":
            expected = (expected.astype(np.uint32) << 16).view(np.float32)
        assert_equal({"x": entry}, {"x": expected}, as_stored=True)
        if entry.dtype in entries.FLOATS:
            assert_close(entry.read(), expected.astype(np.float32), name=kind)
        else:
            with pytest.raises(CheckpointError, match=f"of type {entry.dtype}"):
                entry.read()


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [((3, 2), (1, 3), 0), ((2, 2), (3, 2), 0), ((2,), (2,), 3), ((), (), 5), ((0, 3), (3, 1), 6), ((1, 2), (99, 3), 2)],
    ids=["transposed", "steps", "offset", "scalar", "empty", "axis of one"],
)
def test_a_view_reads_its_own_elements_and_no_others(shape, strides, offset, tmp_path, monkeypatch):
    view = parts.tensor(offset=offset, shape=shape, strides=strides)
    entry = index(written(tmp_path, parts.zipped(parts.dict_of({"x": view}))))["x"]
    row = np.arange(6, dtype=np.float32)
    expected = np.lib.stride_tricks.as_strided(row[offset:], shape, [4 * step for step in strides])
    counts = []
    fromfile = np.fromfile
    monkeypatch.setattr(
        np,
        "fromfile",
        lambda path, dtype, count, offset: counts.append(count) or fromfile(path, dtype, count, offset=offset),
    )
    x = entry.read()
    assert x.flags.c_contiguous
    assert x.flags.owndata or x.base.flags.owndata
    assert_close(x, expected)
    assert counts == [1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) if expected.size else 0]


X = parts.tensor()
WRAPPED = {
    "flat": parts.dict_of({"x": X}),
    "beside numbers": parts.dict_of({"epoch": b"K\x03", "x": X, "note": parts.text("hello")}),
    "model": parts.dict_of({"optimizer": parts.dict_of({"y": X}), "model": parts.dict_of({"x": X}), "epoch": b"K\x03"}),
    "state_dict": parts.dict_of({"state_dict": parts.dict_of({"x": X}), "model": parts.dict_of({"y": X})}),
    "twice": parts.dict_of({"model": parts.dict_of({"state_dict": parts.dict_of({"x": X})})}),
    "unknown name": parts.dict_of({"depth": parts.dict_of({"x": X}), "lr_scheduler": parts.dict_of({"y": X})}),
    "ordered, with attributes": parts.named("collections", "OrderedDict")
    + b")R("
    + parts.text("x")
    + X
    + b"u"
    + parts.dict_of({"_metadata": b"}"})
    + b"b",
    "parameter": parts.dict_of({"x": parts.call("torch._utils", "_rebuild_parameter", X, b"\x88", b"}")}),
    "oldest function": parts.dict_of(
        {
            "x": parts.call(
                "torch._utils", "_rebuild_tensor", parts.storage(), b"K\x00", parts.numbers(2, 3), parts.numbers(3, 1)
            )
        }
    ),
}


@pytest.mark.parametrize("value", WRAPPED.values(), ids=WRAPPED.keys())
def test_the_state_dict_is_found_in_what_lies_around_it(value, tmp_path):
    found = index(written(tmp_path, parts.zipped(value)))
    assert_equal(found, {"x": np.arange(6, dtype=np.float32).reshape(2, 3)})


def test_prefixes_stay_and_two_dictionaries_are_not_guessed_between(tmp_path):
    found = index(written(tmp_path, parts.zipped(parts.dict_of({"module.x": X}))))
    assert list(found) == ["module.x"]
    both = parts.dict_of({"teacher": parts.dict_of({"x": X}), "student": parts.dict_of({"x": X})})
    with pytest.raises(CheckpointError, match="teacher, student"):
        index(written(tmp_path, parts.zipped(both)))


def test_a_bad_checksum_is_found_when_the_tensor_is_read(tmp_path):
    content = parts.zipped(parts.dict_of({"x": X, "row": parts.tensor(shape=(3,), strides=(1,))}))
    damaged = content.replace(parts.SIX, parts.SIX[:-1] + b"\x01")
    for name in ("x", "row"):  # the whole storage, and a part that the damage is not in
        entry = index(written(tmp_path, damaged))[name]
        with pytest.raises(CheckpointError, match="checksum"):
            entry.read()


def far_zip(path, gap):
    """A zip64 file as torch's, with `gap` unwritten bytes in its first storage and six floats in the second."""
    pickled = parts.program(
        parts.dict_of({"far": parts.tensor(parts.storage("1")), "vast": parts.tensor(parts.storage("0", gap, "Byte"))})
    )
    directory = b""
    with path.open("wb") as file:
        for name, raw, size in (("a/data.pkl", pickled, None), ("a/data/0", b"", gap), ("a/data/1", parts.SIX, None)):
            size, crc, at, name = size or len(raw), zlib.crc32(raw), file.tell(), name.encode()
            file.write(struct.pack("<4s5H3L2H", b"PK\x03\x04", 0, 0x808, 0, 0, 0, 0, 0, 0, len(name), 0) + name + raw)
            file.seek(size - len(raw), 1)
            extra = struct.pack("<2H3Q", 1, 24, size, size, at)
            row = (b"PK\x01\x02", 0, 0, 0x808, 0, 0, 0, crc, *[0xFFFFFFFF] * 2, len(name), 28, 0, 0, 0, 0, 0xFFFFFFFF)
            directory += struct.pack("<4s6H3L5H2L", *row) + name + extra
        start = file.tell()
        end = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 0, 0, 0, 0, 3, 3, len(directory), start)
        place = struct.pack("<4sLQL", b"PK\x06\x07", 0, start + len(directory), 1)
        last = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 3, 3, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        file.write(directory + end + place + last)


def test_a_tensor_beyond_four_gigabytes_is_read(tmp_path):
    gap = (1 << 32) + 12_345  # unwritten: the file system keeps no bytes for it
    far_zip(tmp_path / "far.pt", gap)
    found = index(tmp_path / "far.pt")
    assert found["far"].offset > gap
    assert_close(found["far"].read(), np.arange(6, dtype=np.float32).reshape(2, 3))


FORMATS = {
    b"version https://git-lfs.github.com/spec/v1\n": "Git LFS pointer",
    b"\xef\xbb\xbf <!DOCTYPE html>": "web page",
    b'{"error": "no such file"}': "JSON",
    b"7z\xbc\xaf\x27\x1c\x00": "7z archive",
    b"\x1f\x8b\x08": "gzip archive",
    bytes(257) + b"ustar\x0000": "tar archive, as torch before 0.1.11 wrote",
    b"\x93NUMPY\x01": "NumPy array",
    b"\x89HDF\r\n": "HDF5",
    b"\x80\x04\x95\x00\x00": "a pickle, but not torch's",
    b"PK\x05\x06" + bytes(18): "empty zip",
    b"hello": "neither a safetensors file nor",
    b"": "neither a safetensors file nor",
}


@pytest.mark.parametrize(("content", "what"), FORMATS.items(), ids=FORMATS.values())
def test_another_format_is_called_by_its_name(content, what, tmp_path):
    with pytest.raises(CheckpointError, match=what) as caught:
        index(written(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_other_zip_files_are_told_apart(tmp_path):
    np.savez(tmp_path / "weights.npz", x=np.zeros(2))
    (tmp_path / "weights.npz").rename(tmp_path / "weights.pt")
    with pytest.raises(CheckpointError, match="npz"):
        index(tmp_path / "weights.pt")
    script = parts.zip_file(parts.program(b"}"), {}, others=[("archive/code/model.py", b"")])
    with pytest.raises(CheckpointError, match="TorchScript"):
        index(written(tmp_path, script))
    with pytest.raises(CheckpointError, match="big-endian"):
        index(written(tmp_path, parts.zip_file(parts.program(b"}"), {}, order=b"big")))
    head = parts.LEGACY_HEAD.replace(b"little_endianq\x02\x88", b"little_endianq\x02\x89")
    assert head != parts.LEGACY_HEAD
    with pytest.raises(CheckpointError, match="big-endian"):
        index(written(tmp_path, parts.legacy_file(parts.program(b"}"), {}, head)))


# ---- models


def test_the_format_is_told_by_the_bytes_and_not_by_the_name(tmp_path):
    model = lively(DPTForDepthEstimation(DPTConfig(**PLAIN)))
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    x = pixels(1, 3, 32, 40)
    assert np.array_equal(DPTForDepthEstimation.from_pretrained(tmp_path)(x).predicted_depth, model(x).predicted_depth)


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="torch writes the files; it comes with the parity extra")


def everything(torch):
    """A state dict with every type and every kind of view."""
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(5, 7, generator=generator)
    layers = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm2d(2))
    kinds = (
        torch.float64,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
    )
    named = {f"types.{str(kind)[6:]}": (base * 20).to(kind) for kind in (*kinds, torch.bool)}
    views = {"t": base.t(), "steps": base[::2, 1::3], "row": base[3], "rows": base[1:4], "one": base[:, 2:3]}
    views |= {
        "expanded": base[0].expand(2, 7),
        "permuted": torch.randn(2, 3, 4, 5, generator=generator).permute(3, 0, 2, 1),
    }
    odd = {"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3), "parameter": torch.nn.Parameter(base[:2])}
    return layers.state_dict() | named | views | odd


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "legacy"])
def test_all_that_torch_saves_comes_back_bit_for_bit(as_zip, protocol, torch, tmp_path):
    saved = {"model": everything(torch), "epoch": 3, "rates": [0.1, 1e-5], "shape": torch.Size([2, 3]), "best": None}
    path = tmp_path / "my model (1).pth"
    torch.save(saved, path, pickle_protocol=protocol, _use_new_zipfile_serialization=as_zip)
    expected = {}
    for name, x in torch.load(path, weights_only=False)["model"].items():
        x = x.detach().contiguous()
        expected[name] = (x.float() if x.dtype == torch.bfloat16 else x).numpy()
    assert_equal(index(path), expected, as_stored=True)


@pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "legacy"])
def test_transformers_pickled_folders_load_as_its_safetensors_do(as_zip, torch, tmp_path):
    pytest.importorskip("transformers", reason="transformers is the reference; it comes with the parity extra")
    from transformers_stages import lively_reference

    x = pixels(1, 3, 64, 64)
    for name, ours, config in (
        ("segmentation", DPTForSemanticSegmentation, {**PLAIN, "use_batch_norm_in_fusion_residual": True}),
        ("hybrid", DPTForDepthEstimation, HYBRID),
    ):
        theirs = lively_reference(ours.__name__, config, x)
        folder, weights = tmp_path / name, theirs.state_dict()
        theirs.save_pretrained(folder)

        def outputs(place=folder, ours=ours):
            out = ours.from_pretrained(place)(x)
            return out[out.keys()[0]]

        wanted = outputs()
        (folder / "model.safetensors").unlink()
        torch.save(weights, folder / "pytorch_model.bin", _use_new_zipfile_serialization=as_zip)
        assert np.array_equal(outputs(), wanted)
        (folder / "pytorch_model.bin").rename(folder / "weights.pth")
        assert np.array_equal(outputs(folder / "weights.pth"), wanted)
        shards = {"pytorch_model-1.bin": list(weights)[::2], "pytorch_model-2.bin": list(weights)[1::2]}
        for shard, names in shards.items():
            torch.save({n: weights[n] for n in names}, folder / shard, _use_new_zipfile_serialization=as_zip)
        weight_map = {n: shard for shard, names in shards.items() for n in names}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
        assert np.array_equal(outputs(), wanted)
