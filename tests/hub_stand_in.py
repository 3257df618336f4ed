"""A stand-in of the Hugging Face Hub on this machine, and processes that believe it to be the Hub."""

import contextlib
import hashlib
import http.server
import os
import subprocess
import sys
import threading

from tiny import PLAIN, lively

from minidpt import DPTConfig, DPTForDepthEstimation, DPTImageProcessor

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def checksum(name, content):
    """sha256 of a large file, git's sha1 of a small one, as the Hub's ETags are."""
    if name.endswith(".json"):
        return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
    return hashlib.sha256(content).hexdigest()


class StandIn(http.server.BaseHTTPRequestHandler):
    """Answers what huggingface_hub asks for a file: /owner/name/resolve/REVISION/FILE, headers first."""

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.server.downloads.append(self.path)
        self.answer(body=True)

    def answer(self, *, body):
        parts = self.path.split("?")[0].strip("/").split("/")
        known = len(parts) == 5 and "/".join(parts[:2]) in self.server.ids and parts[2] == "resolve"
        file = self.server.folder / parts[-1]
        if not known or parts[3] not in ("main", self.server.commit):
            code, content = 404, b""
            kind = "RevisionNotFound" if known else "RepoNotFound"
        elif not file.is_file():
            code, content, kind = 404, b"", "EntryNotFound"
        else:
            code, content, kind = 200, file.read_bytes(), None
        self.send_response(code)
        if kind:
            self.send_header("X-Error-Code", kind)
        self.send_header("X-Repo-Commit", self.server.commit)
        self.send_header("ETag", f'"{checksum(parts[-1], content)}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(folder):
    """A running stand-in: `folder` is what every id of `ids` holds, at `commit`; `downloads` lists what was fetched."""
    lively(DPTForDepthEstimation(DPTConfig(**PLAIN))).save_pretrained(folder)
    DPTImageProcessor(size=32).save_pretrained(folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn) as server:
        server.folder, server.downloads, server.ids, server.commit = folder, [], {"owner/tiny"}, COMMIT
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def run_python(stand_in, tmp_path, script, *words, **environment):
    """A process of its own, as the library reads its settings when it is imported.   -> the finished process"""
    settings = {
        "HF_ENDPOINT": f"http://127.0.0.1:{stand_in.server_address[1]}",
        "HF_HOME": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        **environment,
    }
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
    command = [sys.executable, "-c", script, *words]
    return subprocess.run(command, capture_output=True, text=True, env={**clean, **settings}, timeout=120, check=False)
