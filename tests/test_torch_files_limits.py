"""How much a torch file may ask for: each limit has a file just beyond it, refused, and the same file within, read."""

import struct

import pytest
from torch_parts import SIX, call, dict_of, program, tensor, text, tuple_of, zip_file

from minidpt import CheckpointError
from minidpt.checkpoints import index, pickle_machine, torch_files

TWO = program(dict_of({"a": tensor(), "b": tensor()}))


def written(tmp_path, pickled):
    path = tmp_path / "weights.pt"
    path.write_bytes(zip_file(pickled, {"0": SIX}))
    return path


@pytest.mark.parametrize(
    ("module", "limit", "enough", "too_few", "message"),
    [
        (torch_files, "MAX_TENSORS", 2, 1, "holds 2 tensors; expected 1 to 1"),
        (pickle_machine, "MAX_STEPS", 500, 20, "more than 20 instructions"),
        (pickle_machine, "MAX_ARGUMENTS", 6, 5, "a call with odd arguments"),
        (torch_files, "MAX_SHARING", 4, 0.01, "its tensors share storages"),
    ],
)
def test_a_file_beyond_a_limit_is_refused(module, limit, enough, too_few, message, tmp_path, monkeypatch):
    path = written(tmp_path, TWO)
    monkeypatch.setattr(module, limit, enough)
    assert set(index(path)) == {"a", "b"}
    monkeypatch.setattr(module, limit, too_few)
    with pytest.raises(CheckpointError, match=message) as caught:
        index(path)
    assert "\n" not in str(caught.value)


def test_a_frame_longer_than_the_file_is_refused(tmp_path):
    body = TWO[2:]
    framed = b"\x80\x04\x95" + struct.pack("<Q", len(body))
    assert set(index(written(tmp_path, framed + body))) == {"a", "b"}
    with pytest.raises(CheckpointError, match="broken"):
        index(written(tmp_path, b"\x80\x04\x95" + struct.pack("<Q", len(body) + 1) + body))


def test_values_below_a_mark_are_out_of_reach(tmp_path):
    reach = program(text("x") + b"(" + b"\x85" + b"t")  # a tuple of one from above the mark, where nothing is
    with pytest.raises(CheckpointError, match="broken"):
        index(written(tmp_path, reach))
    assert set(index(written(tmp_path, TWO))) == {"a", "b"}
    size = call("torch", "Size", tuple_of())
    with pytest.raises(CheckpointError, match="no dictionary of tensors"):
        index(written(tmp_path, program(size)))
