"""`minidpt verify ID`: a published model against its published values, with a Hub and a web site on this machine."""

import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from checks import assert_close
from PIL import Image
from tiny import PLAIN, lively

import minidpt
from minidpt import ConfigError, DPTConfig, DPTForDepthEstimation, DPTImageProcessor, HubError, cli
from minidpt.presets import ALIASES, PRESETS
from minidpt.verification import published

ROOT = Path(__file__).parent.parent
THROUGH_THE_HUB = """
import json, sys
from minidpt import cli
from minidpt.presets import PRESETS
PRESETS["owner/tiny"] = json.loads(sys.argv[1])
sys.exit(cli.main(["verify", "owner/tiny"]))
"""


def verify(capsys, *words):
    """(exit code, stdout, stderr)"""
    code = cli.main(["verify", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def known(tmp_path, monkeypatch):
    """A preset "owner/tiny" whose published values are right; its files lie in the folder `served`."""
    monkeypatch.chdir(tmp_path)
    lively(DPTForDepthEstimation(DPTConfig(**PLAIN))).save_pretrained("served")
    processor = DPTImageProcessor(size={"height": 16, "width": 24})
    processor.save_pretrained("served")
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(picture).save("cats.png")
    answer = DPTForDepthEstimation.from_pretrained("served")(processor(picture)["pixel_values"])
    row = {
        "architecture": "DPTForDepthEstimation",
        "config": PLAIN,
        "processor": {"size": {"height": 16, "width": 24}},
        "parameters": 1,
        "licence": "",
        "published": [
            {
                "picture": "http://127.0.0.1:9/cats.png",
                "input": (16, 24),
                "where": "predicted_depth[0, :3, 1:4]",
                "values": np.round(answer.predicted_depth[0, :3, 1:4].astype(float), 4).tolist(),
                "preparation": "",
            }
        ],
    }
    monkeypatch.setitem(PRESETS, "owner/tiny", row)
    monkeypatch.setitem(ALIASES, "tiny", "owner/tiny")
    monkeypatch.setattr(minidpt.checkpoints.hub, "fetch", lambda _, filename, **__: tmp_path / "served" / filename)
    for name in published.OFFLINE:
        monkeypatch.delenv(name, raising=False)
    return row["published"][0]


def test_published_values_pass_and_a_wrong_one_fails(known, capsys):
    code, out, _ = verify(capsys, "owner/tiny", "--image", "cats.png")
    assert code == 0
    assert "owner/tiny against the published values" in out
    assert "the converters' own tolerance" in out
    known["values"][2][0] += 0.01
    code, out, _ = verify(capsys, "owner/tiny", "--image", "cats.png", "--json")
    said = json.loads(out)
    assert code == 1
    assert not said["passed"]
    assert said["stages"][0]["where"] == [2, 0]
    assert_close(said["stages"][0]["error"], 0.01, atol=1e-4)


def test_a_single_number_may_be_published_too(known):
    known |= {"where": "predicted_depth[0, 1, 2]", "values": [known["values"][1][1]]}
    assert published.verify_published("owner/tiny", image="cats.png").passed
    known["values"] = [known["values"][0] * 1.001]
    assert not published.verify_published("owner/tiny", image="cats.png").passed


def test_every_published_entry_can_be_read():
    answer = SimpleNamespace(predicted_depth=np.zeros((1, 576, 736)), logits=np.zeros((1, 150, 480, 480)))
    for name in PRESETS:
        for entry in published.published(name):
            assert entry["picture"] in published.PICTURES
            assert entry["preparation"] in published.PREPARATIONS
            assert published.part_of(answer, entry["where"]).size == np.size(entry["values"])


class Site(http.server.BaseHTTPRequestHandler):
    """Files by their paths, with the headers that huggingface_hub looks for."""

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.wfile.write(self.answer())

    def answer(self):
        content = self.server.files.get(self.path, b"")
        self.send_response(200 if content else 404)
        self.send_header("X-Repo-Commit", "0123456789abcdef0123456789abcdef01234567")
        self.send_header("ETag", f'"{len(content)}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return content

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        server.files = {}
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_the_published_picture_is_fetched(known, site, tmp_path, capsys, monkeypatch):
    site.files = {"/cats.png": (tmp_path / "cats.png").read_bytes(), "/large.png": b"x" * 2_001}
    address = f"http://127.0.0.1:{site.server_address[1]}"
    known["picture"] = f"{address}/cats.png"
    assert verify(capsys, "owner/tiny")[0] == 0
    monkeypatch.setattr(published, "MAX_PICTURE_BYTES", 2_000)
    for name, words in (("large.png", "larger than 2000 bytes"), ("absent.png", "404")):
        with pytest.raises(HubError, match=words):
            published.download(f"{address}/{name}")


@pytest.mark.parametrize(
    ("address", "offline", "words"),
    [
        ("http://127.0.0.1:9/cats.png", "", "cannot be fetched"),
        ("http://127.0.0.1:9/cats.png", "1", "forbids the network"),
        ("file:///etc/hostname", "", "not an http address"),
        ("http://[broken", "", "cannot be fetched"),
    ],
)
def test_a_picture_that_cannot_be_had_is_one_line(known, capsys, monkeypatch, address, offline, words):
    known["picture"] = address
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    code, out, err = verify(capsys, "owner/tiny")
    assert (code, out) == (5, "")
    assert words in err
    assert "--image FILE" in err
    assert err.count("\n") == 1


def test_another_picture_or_an_unfit_row_is_named(known):
    known["input"] = (32, 24)
    with pytest.raises(ConfigError, match="becomes 16 x 24 pixels, the published one became 32 x 24"):
        published.verify_published("owner/tiny", image="cats.png")
    known |= {"input": (16, 24), "where": "predicted_depth[0, :2, :3]"}
    with pytest.raises(ConfigError, match="is 6 numbers, the published are 9"):
        published.verify_published("owner/tiny", image="cats.png")
    known["where"] = "__class__[0]"
    with pytest.raises(ConfigError, match="is no slice"):
        published.verify_published("owner/tiny", image="cats.png")
    known["where"] = "predicted_depth[0, :3, 1:4], of 64 x 32"
    with pytest.raises(ConfigError, match="predicted_depth is 32 x 64, not as in"):
        published.verify_published("owner/tiny", image="cats.png")
    known |= {"where": "predicted_depth[0, :3, 1:4], of 32 x 64", "preparation": "by hand"}
    with pytest.raises(ConfigError, match="prepared by 'by hand', which is not known here"):
        published.verify_published("owner/tiny", image="cats.png")
    known["preparation"] = next(name for name in published.PREPARATIONS if name)
    assert not published.verify_published("owner/tiny", image="cats.png").passed, "not normalised"
    with pytest.raises(ConfigError, match="no published values are known"):
        published.verify_published("dpt-mini")


def test_model_and_picture_come_through_the_network(known, site, tmp_path):
    pytest.importorskip("huggingface_hub", reason="Hub ids need the hub extra")
    for name in ("config.json", "model.safetensors"):
        site.files[f"/owner/tiny/resolve/main/{name}"] = (tmp_path / "served" / name).read_bytes()
    site.files["/cats.png"] = (tmp_path / "cats.png").read_bytes()
    address = f"http://127.0.0.1:{site.server_address[1]}"
    known["picture"] = f"{address}/cats.png"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
    cache = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-c", THROUGH_THE_HUB, json.dumps(PRESETS["owner/tiny"])]
    run = subprocess.run(command, capture_output=True, text=True, env=clean | cache, timeout=120, cwd=ROOT)
    assert (run.returncode, run.stderr) == (0, "")
    assert "passed: 1 stage" in run.stdout
