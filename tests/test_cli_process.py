"""The command without a model: help, imports, environment, pipes, and arguments that are only passed on."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import minidpt
from minidpt import cli, render, saving
from minidpt.checkpoints import originals
from minidpt.checkpoints.safetensors_files import SAVED_DTYPES
from minidpt.cli import convert, demo, options

ROOT = Path(minidpt.__file__).parents[1]


def test_no_verb_prints_help_and_is_a_usage_error(capsys):
    assert cli.main([]) == 2
    assert "usage: minidpt VERB" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["-h"], *([verb, "--help"] for verb in cli.VERBS)])
def test_help_is_on_stdout(words, capsys):
    assert cli.main(words) == 0
    output = capsys.readouterr()
    assert "usage: minidpt" in output.out
    assert not output.err


def test_version_is_printed(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"minidpt {minidpt.__version__}\n"


def test_lists_of_names_agree_with_their_homes():
    assert options.COLORMAPS == render.COLORMAPS
    assert tuple(SAVED_DTYPES) == convert.DTYPES
    assert convert.KINDS == originals.KINDS
    assert {*options.DEPTH_FORMATS, "side"} == set(saving.DEPTH_SUFFIXES)
    assert set(demo.WHAT_IT_IS) <= {"picture", *saving.DEPTH_SUFFIXES, *saving.SEGMENTATION_SUFFIXES}


def test_inspect_prints_what_inspection_says(monkeypatch, capsys):
    module = SimpleNamespace(describe=lambda model, size, revision: f"{model} at {size}, {revision}")
    monkeypatch.setitem(sys.modules, "minidpt.inspection", module)
    assert cli.main(["inspect", "some/model", "--size", "384x512"]) == 0
    assert capsys.readouterr().out == "some/model at (384, 512), None\n"


def test_convert_passes_its_arguments_on(monkeypatch, capsys):
    def told(source, destination, dtype=None, encoder=None, kind=None, max_depth=None):
        return f"{source} {destination} {dtype} {encoder} {kind} {max_depth}"

    monkeypatch.setitem(sys.modules, "minidpt.conversion", SimpleNamespace(convert=told))
    assert cli.main(["convert", "a.pt", "folder", "--dtype", "float16"]) == 0
    assert cli.main(["convert", "a.pth", "b", "--backbone", "c.pth", "--as", "vkitti", "--max-depth", "80"]) == 0
    assert capsys.readouterr().out == "a.pt folder float16 None None None\na.pth b None c.pth vkitti 80.0\n"


def run(*words, script=None, **options):
    command = [sys.executable, *(["-c", script] if script else ["-m", "minidpt"]), *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.run(command, capture_output=True, timeout=60, env=environment, check=False, **options)


def test_nothing_heavy_is_imported_before_a_verb_runs():
    script = (
        "import sys, minidpt.cli as cli\n"
        "for verb in cli.VERBS: cli.build_parser(verb)\n"
        "assert cli.main(['depth', 'a', '--threads', '1', '--colormap', 'jet']) == 2\n"
        "print([name for name in ('numpy', 'PIL', 'numba', 'scipy', 'tqdm') if name in sys.modules])"
    )
    assert run(script=script).stdout == b"[]\n"


def test_closed_pipe_is_silent():
    for words in (["--help"], ["depth", "--help"], ["--version"]):
        read, write = os.pipe()
        os.close(read)
        command = [sys.executable, "-m", "minidpt", *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, timeout=60, env=environment, check=False)
        os.close(write)
        assert (done.returncode, done.stderr) == (0, b""), words


def test_runs_with_an_ascii_terminal_and_without_docstrings():
    done = run("depth", "名前.png", env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1", "PYTHONOPTIMIZE": "2"})
    assert done.returncode == 4
    assert done.stderr.startswith(b"error: '\\u540d\\u524d.png' does not exist")
