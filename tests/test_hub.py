"""Hub ids, against a stand-in of the Hub on this machine: download, cache, revision, offline, and what goes wrong."""

import http.server
import os
import subprocess
import sys
import threading

import pytest
from tiny import PLAIN, lively

from minidpt import DPTConfig, DPTForDepthEstimation, DPTImageProcessor, HubError
from minidpt.checkpoints import hub

COMMIT = "0123456789abcdef0123456789abcdef01234567"

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


class StandIn(http.server.BaseHTTPRequestHandler):
    """Answers what huggingface_hub asks for a file: /owner/name/resolve/REVISION/FILE, headers first."""

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.server.downloads.append(self.path)
        self.answer(body=True)

    def answer(self, *, body):
        parts = self.path.split("?")[0].strip("/").split("/")
        known = len(parts) == 5 and parts[:3] == ["owner", "tiny", "resolve"]
        file = self.server.folder / parts[-1]
        if not known or parts[3] not in ("main", COMMIT):
            code, content = 404, b""
            kind = "RevisionNotFound" if known else "RepoNotFound"
        elif not file.is_file():
            code, content, kind = 404, b"", "EntryNotFound"
        else:
            code, content, kind = 200, file.read_bytes(), None
        self.send_response(code)
        if kind:
            self.send_header("X-Error-Code", kind)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{parts[-1]}-1"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def stand_in(tmp_path):
    pytest.importorskip("huggingface_hub", reason="Hub ids need the hub extra")
    folder = tmp_path / "served"
    lively(DPTForDepthEstimation(DPTConfig(**PLAIN))).save_pretrained(folder)
    DPTImageProcessor(size=32).save_pretrained(folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn) as server:
        server.folder, server.downloads = folder, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def load(stand_in, tmp_path, name="owner/tiny", revision="", **environment):
    """A process of its own, as the library reads its settings when it is imported."""
    settings = {
        "HF_ENDPOINT": f"http://127.0.0.1:{stand_in.server_address[1]}",
        "HF_HOME": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        **environment,
    }
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
    command = [sys.executable, "-c", LOAD, name, revision]
    run = subprocess.run(command, capture_output=True, text=True, env={**clean, **settings}, timeout=120)
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
