"""A stand-in of the Hugging Face Hub on this machine, and processes that believe it to be the Hub."""

import contextlib
import hashlib
import http.server
import json
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
    """A running stand-in that holds a tiny depth model."""
    lively(DPTForDepthEstimation(DPTConfig(**PLAIN))).save_pretrained(folder)
    DPTImageProcessor(size=32).save_pretrained(folder)
    with serving(folder) as server:
        yield server


@contextlib.contextmanager
def serving(folder):
    """A running stand-in: `folder` is what every id of `ids` holds, at `commit`; `downloads` lists what was fetched."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn) as server:
        server.folder, server.downloads, server.ids, server.commit = folder, [], {"owner/tiny"}, COMMIT
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def environment_of(stand_in, tmp_path, **changes):
    """The environment of a process that takes the stand-in for the Hub and keeps its cache below tmp_path."""
    settings = {
        "HF_ENDPOINT": f"http://127.0.0.1:{stand_in.server_address[1]}",
        "HF_HOME": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        **changes,
    }
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
    return {**clean, **settings}


def run_python(stand_in, tmp_path, script, *words, **environment):
    """A process of its own, as the library reads its settings when it is imported.   -> the finished process"""
    command, settings = [sys.executable, "-c", script, *words], environment_of(stand_in, tmp_path, **environment)
    return subprocess.run(command, capture_output=True, text=True, env=settings, timeout=120, check=False)


COMMANDS = """
import contextlib, io, json, sys, time
time.sleep = lambda seconds: None  # the library waits longer and longer between its attempts to reach the Hub
from minidpt.cli import main
for line in sys.stdin:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(json.loads(line))
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


@contextlib.contextmanager
def command_lines(stand_in, tmp_path, *, before="", **environment):
    """A process that runs command lines one after the other: run(words) -> (exit code, stdout, stderr)

    before: code to run first
    """
    command, settings = [sys.executable, "-c", before + COMMANDS], environment_of(stand_in, tmp_path, **environment)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=settings
    ) as process:

        def run(words):
            process.stdin.write(json.dumps(words) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield run
        process.stdin.close()
