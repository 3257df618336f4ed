"""`minidpt warmup`, and the line that says why a first run takes longer."""

import io
import json
import logging
import sys

import pytest

from minidpt import cli
from minidpt.cli import progress
from minidpt.ops import compiling_numba

KERNELS = logging.getLogger("minidpt.kernels")


def compile_two(pause=lambda: None):
    for number, name in enumerate(("conv.tiles_in", "conv.tiles_out"), start=3):
        KERNELS.info("compiling kernel %s", name, extra={"number": number, "total": 12})
        pause()
        KERNELS.info("compiled kernel %s", name)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_a_line_comes_and_goes(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress.kernels_shown():
        compile_two()
    lines = sys.stderr.getvalue().split("\r")
    shown = [line for line in lines if line.strip()]
    assert shown == ["compiling kernels (once) 3/12 ...", "compiling kernels (once) 4/12 ..."]
    assert sys.stderr.getvalue().endswith(f"\r{' ' * len(shown[-1])}\r")


def test_what_was_left_on_a_terminal_is_wiped(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress.kernels_shown():
        KERNELS.info("compiling", extra={"number": 1, "total": 12})
    assert sys.stderr.getvalue().endswith(" \r")


@pytest.mark.parametrize(("patience", "said"), [(0.0, "note: compiling kernels (once)\n"), (60.0, "")])
def test_elsewhere_one_note_says_it_when_it_takes_long(monkeypatch, capsys, patience, said):
    monkeypatch.setattr(progress, "PATIENCE", patience)
    with progress.kernels_shown():
        compile_two()
    assert capsys.readouterr().err == said


def test_afterwards_nothing_listens(capsys):
    with progress.kernels_shown():
        pass
    compile_two()
    assert KERNELS.level == logging.NOTSET
    assert not KERNELS.handlers
    assert capsys.readouterr().err == ""


def test_warmup_compiles_once_and_says_where(capsys):
    assert cli.main(["warmup", "--threads", "1"]) == 0
    capsys.readouterr()
    assert cli.main(["warmup"]) == 0
    kernels = sum(kernel.called for kernel in compiling_numba.KERNELS.values())
    assert capsys.readouterr().out.startswith(f"all {kernels} kernels are there: {compiling_numba.folder()}")
    assert cli.main(["warmup", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["folder"] == str(compiling_numba.folder())
    assert told["bytes"] > 10_000 * kernels
    assert told["compiled"] == {}


def test_warmup_that_keeps_nothing_fails(monkeypatch, capsys):
    monkeypatch.setattr(compiling_numba, "kept", list)
    assert cli.main(["warmup"]) == 6
    assert "not kept" in capsys.readouterr().err


def test_warmup_without_numba_is_one_line(monkeypatch, capsys):
    from minidpt.ops.backends import numba_backend

    numba_backend.cache_clear()
    monkeypatch.setitem(sys.modules, "minidpt.ops.conv_numba", None)
    assert cli.main(["warmup"]) == 3
    assert capsys.readouterr().err.startswith("error: backend numba: Numba cannot be imported")
