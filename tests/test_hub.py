"""Hub ids, against a stand-in of the Hub on this machine: download, cache, revision, offline, and what goes wrong."""

import sys

import pytest
from hub_stand_in import COMMIT, run_python

from minidpt import DPTForDepthEstimation, HubError
from minidpt.checkpoints import hub

LOAD = """
import sys, time
time.sleep = lambda seconds: None  # the library waits longer and longer between its attempts to reach the Hub
from minidpt import DPTForDepthEstimation, DPTImageProcessor, MiniDPTError
try:
    model = DPTForDepthEstimation.from_pretrained(sys.argv[1], revision=sys.argv[2] or None)
    print(model.num_parameters, DPTImageProcessor.from_pretrained(sys.argv[1], revision=sys.argv[2] or None).size)
except MiniDPTError as error:
    print(type(error).__name__, error)
"""


def load(stand_in, tmp_path, name="owner/tiny", revision="", **environment):
    run = run_python(stand_in, tmp_path, LOAD, name, revision, **environment)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_an_id_is_downloaded_once_and_then_works_offline(stand_in, tmp_path):
    first = load(stand_in, tmp_path)
    assert first == "156189 {'height': 32, 'width': 32}"
    downloaded = len(stand_in.downloads)
    assert {path.rsplit("/", 1)[1] for path in stand_in.downloads} == {
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    }
    assert load(stand_in, tmp_path) == first
    assert load(stand_in, tmp_path, revision=COMMIT) == first
    assert load(stand_in, tmp_path, HF_HUB_OFFLINE="1") == first
    assert len(stand_in.downloads) == downloaded


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "owner/unknown"}, "no such model"),
        ({"revision": "v9"}, "no revision 'v9'"),
        ({"HF_HUB_OFFLINE": "1"}, "not in the cache"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "cannot be reached"),
    ],
    ids=lambda value: str(value),
)
def test_what_goes_wrong_is_one_hub_error(stand_in, tmp_path, changes, message):
    said = load(stand_in, tmp_path, **changes)
    assert said.startswith("HubError")
    assert message in said
    assert "\n" not in said


def test_pickled_weights_are_read_where_there_are_no_safetensors_offline_too(stand_in, tmp_path):
    (stand_in.folder / "model.safetensors").rename(stand_in.folder / "pytorch_model.bin")  # the bytes tell the format
    first = load(stand_in, tmp_path)
    assert first == "156189 {'height': 32, 'width': 32}"
    assert load(stand_in, tmp_path, HF_HUB_OFFLINE="1") == first
    (stand_in.folder / "pytorch_model.bin").unlink()
    assert "neither model.safetensors nor pytorch_model.bin" in load(stand_in, tmp_path / "fresh")


def test_without_the_extra_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(HubError, match="pip install huggingface_hub") as caught:
        DPTForDepthEstimation.from_pretrained("owner/name")
    assert "\n" not in str(caught.value)
    with pytest.raises(HubError):
        hub.fetch("owner/name", "config.json")
