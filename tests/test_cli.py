"""The command line: exit codes, one-line errors, bad inputs, names, files. Most tests use a stand-in for the model."""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from checks import assert_close
from PIL import Image
from tiny import PLAIN

import minidpt
from minidpt import cli, errors, render
from minidpt.cli import inputs, report
from minidpt.processing import DPTImageProcessor

ROOT = Path(minidpt.__file__).parents[1]
PICTURE = np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8)
PROBLEMS = {
    "broken-weights": errors.CheckpointError("broken-weights: 3 tensors are missing"),
    "broken-config": errors.ConfigError("broken-config: hidden_size: expected a whole number"),
    "far-away": errors.HubError("far-away: not in the cache and no network"),
    "too-large": errors.ResourceError("too-large: needs 90 GB, 4 GB are free"),
    "memory": MemoryError(),
    "disk-full": OSError(28, "No space left on device", "disk-full"),
    "interrupt": KeyboardInterrupt(),
    "surprise": RuntimeError("a\nbug"),
}


class StandIn:
    """A model that answers with a slope; its name says its kind, or what goes wrong."""

    config = SimpleNamespace(id2label={0: "wall", 1: "sky"}, input_multiple=4)
    backend, precision = "numpy", "highest"

    def __init__(self, name):
        self.name = name

    @classmethod
    def from_pretrained(cls, name, **_):
        if name in PROBLEMS:
            raise PROBLEMS[name]
        return cls(name)

    def __call__(self, pixel_values):
        if self.name == "memory-for-each":
            raise MemoryError
        n, _, h, w = pixel_values.shape
        kind = "metric" if self.name.startswith("metric") else "relative_inverse"
        depth = np.broadcast_to(np.linspace(1, 80 if kind == "metric" else 2, w, dtype=np.float32), (n, h, w))
        if self.name == "constant":
            depth = np.ones((n, h, w), np.float32)
        logits = np.zeros((n, 2, h, w), np.float32)
        logits[:, 1, : h // 3] = 1
        return SimpleNamespace(predicted_depth=depth, kind=kind, logits=logits)


class Processor:
    @staticmethod
    def from_pretrained(name, **_):
        return DPTImageProcessor(size={"height": 16, "width": 16})


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A fresh current folder with three pictures, and the stand-ins in place."""
    for name in ("AutoModelForDepthEstimation", "DPTForSemanticSegmentation"):
        monkeypatch.setattr(minidpt, name, StandIn, raising=False)
    monkeypatch.setattr(minidpt, "DPTImageProcessor", Processor, raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(PICTURE).save(name)
    return tmp_path


def command(line):
    """The exit code of one command line."""
    return cli.main(line.split())


def files(folder="."):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def test_another_precision_than_wanted_is_noted(here, capsys):
    assert command("depth a.png --model m --precision medium") == 0
    assert "no precision medium; the more exact highest runs" in capsys.readouterr().err
    assert command("depth a.png --model m") == 0
    assert "precision" not in capsys.readouterr().err


# Exit codes


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("depth a.png --model m", 0, ""),
        ("depth a.png absent.png --model m", 1, "'absent.png' does not exist"),
        ("depth a.png --model surprise", 1, "RuntimeError: a\\nbug; run again with --debug"),
        ("dpeth a.png", 2, "did you mean `minidpt depth`?"),
        ("xyzzy", 2, "the verbs are demo, depth"),
        ("--jobs 3", 2, "unknown option --jobs"),
        ("depth", 2, "IMAGE"),
        ("depth a.png --model", 2, "--model"),
        ("depth a.png --depth", 2, "--depth"),
        ("depth a.png --form png", 2, "--form"),
        ("depth a.png --format foo,,png16", 2, "'foo'"),
        ("depth a.png --format png16,,npy", 2, "got ''"),
        ("depth a.png --colormap jet", 2, "'jet'"),
        ("depth a.png --threads 0", 2, "'0'"),
        ("depth a.png --threads -1", 2, "--threads"),
        ("depth a.png --threads 99999", 2, "CPUs"),
        ("depth a.png --max-pixels 1e6", 2, "'1e6'"),
        ("depth a.png --backend tpu", 2, "numpy"),
        ("depth a.png --precision low", 2, "medium"),
        ("bench m --peers --backend cuda", 2, "on the CPU"),
        ("depth a.png -o b.png", 2, "b.png: is a file"),
        ("inspect m --size 384", 2, "HxW"),
        ("inspect m --size 0x384", 2, "'0'"),
        ("inspect m --size 1x1000000", 2, "16384"),
        ("convert only-one", 2, "DST"),
        ("convert a b --dtype int8", 2, "bfloat16"),
        ("depth a.png --model broken-weights", 3, "broken-weights: 3 tensors"),
        ("depth a.png b.png --model broken-config", 3, "hidden_size"),
        ("segment a.png --model broken-weights", 3, "broken-weights"),
        ("depth absent.png --model broken-weights", 4, "'absent.png' does not exist"),
        ("depth . --model m", 4, "'.' is a directory"),
        ("depth text.jpg --model m", 4, "'text.jpg' is not a picture"),
        ("depth empty.jpg --model m", 4, "empty"),
        ("depth a.png --model m --max-pixels 10", 4, "more than max_pixels = 10"),
        ("segment text.jpg --model m", 4, "'text.jpg'"),
        ("depth a.png --model far-away", 5, "no network"),
        ("depth a.png --model too-large", 6, "90 GB"),
        ("depth a.png --model memory", 6, "not enough memory"),
        ("depth a.png --model memory-for-each", 6, "not enough memory"),
        ("depth a.png --model disk-full", 6, "No space left"),
        ("depth a.png --model m -o folder/is-a-file/x", 6, "is-a-file"),
        ("depth a.png --model interrupt", 130, "interrupted"),
    ],
)
def test_exit_code_and_one_line_for(here, capsys, line, code, words):
    Path("text.jpg").write_text("not a picture at all")
    Path("empty.jpg").touch()
    Path("folder").mkdir()
    Path("folder/is-a-file").touch()
    before = files()
    assert command(line) == code
    stderr = capsys.readouterr().err
    assert words in stderr
    assert "Traceback" not in stderr
    if code not in (0, 1):
        assert stderr.count("\n") == 1, stderr
        assert files() == before, "nothing is written"


@pytest.mark.parametrize("line", ["--debug depth a.png --model surprise", "depth a.png --model surprise --debug"])
def test_debug_shows_the_traceback(here, capsys, line):
    assert command(line) == 1
    assert "Traceback" in capsys.readouterr().err


# depth


def test_depth_writes_png16_and_npy_at_the_size_of_the_picture(here, capsys):
    assert cli.main(["depth", "a.png", "-o", "out"]) == 0
    assert files("out") == ["a.png.depth.npy", "a.png.depth.png"]
    depth = np.load("out/a.png.depth.npy")
    assert (depth.shape, depth.dtype) == (PICTURE.shape[:2], np.float32)
    with Image.open("out/a.png.depth.png") as picture:
        assert_close(np.asarray(picture), render.to_uint16(depth, kind="relative_inverse"))
        assert (picture.text["model"], picture.text["network_size"]) == ("dpt-mini", "[16, 16]")
    output = capsys.readouterr()
    assert output.out.startswith("a.png -> out/a.png.depth.png, out/a.png.depth.npy (relative inverse depth: larger =")
    assert "9x14" in output.out
    assert not output.err


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--format npy,pfm,npy", {"npy", "pfm"}),
        ("--format tiff,json", {"tiff", "json"}),
        ("--colormap turbo", {"png", "npy", "color.png"}),
        ("--format pfm --side", {"pfm", "side.png"}),
        ("--format png --colormap gray --side", {"color.png", "side.png"}),
    ],
)
def test_depth_writes_the_formats_asked_for(here, line, expected):
    assert cli.main(["depth", "a.png", "-o", "out", "--model", "m", *line.split()]) == 0
    assert {name.removeprefix("a.png.depth.") for name in files("out")} == expected


def test_depth_in_metres_says_so(here, capsys):
    assert cli.main(["depth", "a.png", "--model", "metric"]) == 0
    output = capsys.readouterr()
    assert "metric depth in metres" in output.out
    assert "beyond 65.535 m" in output.err
    with Image.open("a.png.depth.png") as picture:
        assert picture.text["unit"] == "metre"
        assert np.asarray(picture).max() == 65535


def test_constant_depth_is_noted(here, capsys):
    assert cli.main(["depth", "a.png", "--model", "constant", "--colormap", "viridis"]) == 0
    assert "constant" in capsys.readouterr().err
    with Image.open("a.png.depth.color.png") as picture:
        assert not np.asarray(picture).any()


def test_one_bad_picture_does_not_stop_the_others(here, capsys):
    Path("text.jpg").write_text("no picture")
    assert command("depth a.png text.jpg c.png --model m -o out") == 1
    assert files("out") == ["a.png.depth.npy", "a.png.depth.png", "c.png.depth.npy", "c.png.depth.png"]
    output = capsys.readouterr()
    assert output.out.count(" -> ") == 2
    assert "text.jpg" in output.err
    assert "1 of 3 pictures failed" in output.err


@pytest.mark.parametrize(("images", "code"), [("a.png b.png absent.png", 1), ("a.png b.png", 0), ("absent.png", 4)])
def test_json_is_one_object_per_input(here, capsys, images, code):
    assert cli.main(["depth", *images.split(), "--model", "m", "--json"]) == code
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["input"] for record in records] == images.split()
    for record in records:
        if record["input"] == "absent.png":
            assert not record["ok"]
            assert record["error"] == "ImageError"
        else:
            assert record["ok"]
            assert record["kind"] == "relative_inverse"
            assert set(record["files"]) == {"png16", "npy"}
            assert all(Path(path).exists() for path in record["files"].values())


def test_full_disk_stops_with_its_own_code_and_no_partial_file(here, capsys, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    assert command("depth a.png b.png --model m -o out") == 6
    assert files("out") == []
    assert capsys.readouterr().err.count("\n") == 1


def test_a_real_tiny_model_goes_through_all_verbs(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PICTURE).save("a.png")
    config = minidpt.DPTConfig(**PLAIN)
    for name in ("DPTForDepthEstimation", "DPTForSemanticSegmentation"):
        getattr(minidpt, name)(config, backend="numpy").save_pretrained(name)
        DPTImageProcessor(size={"height": 32, "width": 48}).save_pretrained(name)
    assert command("inspect DPTForDepthEstimation --size 32x48") == 0
    assert command("convert DPTForDepthEstimation converted") == 0
    assert command("depth a.png --model converted --backend numpy --side") == 0
    assert command("segment a.png --model DPTForSemanticSegmentation --backend numpy --overlay") == 0
    assert not capsys.readouterr().err
    assert np.load("a.png.depth.npy").shape == PICTURE.shape[:2]
    with Image.open("a.png.depth.png") as picture:
        assert (picture.text["model"], picture.text["network_size"]) == ("converted", "[32, 48]")
    assert command("segment a.png --model DPTForDepthEstimation --backend numpy") == 3
    assert command("depth a.png --model a.png") == 3
    assert command("depth a.png --model no/such-folder/at-all") == 3
    assert command("inspect a.png") == 3
    assert capsys.readouterr().err.count("\n") == 4


def test_work_stops_quietly_when_nobody_reads(here, monkeypatch, capsys):
    def closed(*_, **__):
        raise BrokenPipeError

    monkeypatch.setattr(report, "silence", lambda stream: None)
    monkeypatch.setattr(report, "print", closed, raising=False)
    assert command("depth a.png b.png c.png --model m --format npy -o out") == 1
    assert files("out") == ["a.png.depth.npy"]
    assert command("depth c.png --model m --format npy -o out") == 0, "nothing was left to do"
    assert not capsys.readouterr().err


def test_several_pictures_show_progress_on_a_terminal_only(here, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert command("depth a.png b.png --model m --json") == 0
    output = capsys.readouterr()
    assert "/2 [" in output.err
    assert all(json.loads(line)["ok"] for line in output.out.splitlines())
    assert command("depth a.png --model m") == 0
    assert not capsys.readouterr().err, "one picture needs no bar"


# Names


@pytest.mark.parametrize(
    "name",
    [
        "two words.png",
        "-dash.png",
        "--json",
        "名前.png",
        "e\u0301.png",
        "line\nbreak.png",
        "noextension",
        "%s{}.png",
        "x" * 251 + ".png",
        "名" * 80 + ".png",
    ],
)
def test_any_file_name_is_processed(here, capsys, name):
    Image.fromarray(PICTURE).save(name, format="PNG")
    assert cli.main(["depth", "--model", "m", "-o", "out", "--json", "--", name]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["input"] == name
    assert len(files("out")) == 2
    assert cli.main(["depth", "--model", "m", "-o", "out", "--", name]) == 0
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only here may a file name be no text")
def test_undecodable_file_name_is_processed(here, capsys):
    name = os.fsdecode(b"\xff\xfe.png")
    Image.fromarray(PICTURE).save(name)
    assert cli.main(["depth", "--model", "m", "-o", "out", name]) == 0
    assert "\\udcff" in capsys.readouterr().out
    assert len(files("out")) == 2


def test_names_that_meet_keep_their_folders(here):
    for folder in ("x", "y/z"):
        Path(folder).mkdir(parents=True)
        Image.fromarray(PICTURE).save(f"{folder}/a.png")
    assert command("depth x/a.png y/z/a.png a.png --model m --format npy -o out") == 0
    assert files("out") == ["a.png.depth.npy", "x/a.png.depth.npy", "y/z/a.png.depth.npy"]


def test_extension_is_part_of_the_name(here):
    Image.fromarray(PICTURE).save("a.jpg")
    assert command("depth a.png a.jpg ./a.png --model m --format npy -o out") == 0
    assert files("out") == ["a.jpg.depth.npy", "a.png.depth.npy"]


@pytest.mark.parametrize(
    ("images", "words"),
    [(["a.png", "A.PNG"], "same name"), (["e\u0301", "\u00e9"], "same name"), (["a", "a.depth.png"], "would replace")],
)
def test_names_that_cannot_be_told_apart_are_refused(here, images, words):
    with pytest.raises(report.UsageError, match=words):
        inputs.plan_outputs(images, ".", [".depth.png"])


def test_input_is_never_replaced(here, capsys):
    Image.fromarray(PICTURE).save("a.png.depth.png")
    before = Path("a.png.depth.png").read_bytes()
    assert command("depth a.png a.png.depth.png --model m") == 2
    assert "choose another folder" in capsys.readouterr().err
    assert Path("a.png.depth.png").read_bytes() == before


# The other verbs


def test_segment_writes_labels_and_what_was_asked_for(here, capsys):
    assert command("segment a.png b.png --model m -o out --overlay --legend --npy") == 0
    endings = ("labels.legend.png", "labels.npy", "labels.overlay.png", "labels.png")
    assert files("out") == [f"{name}.png.{ending}" for name in "ab" for ending in endings]
    with Image.open("out/a.png.labels.png") as picture:
        assert picture.mode == "P"
        assert_close(np.asarray(picture), np.load("out/a.png.labels.npy"))
    assert "2 classes: wall" in capsys.readouterr().out


def test_segment_json_names_the_classes(here, capsys):
    assert command("segment a.png --model m --json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["classes"].keys() == {"wall", "sky"}
    assert sum(record["classes"].values()) == pytest.approx(1, abs=1e-5)  # each rounded to 6 places


@pytest.mark.skipif(not (ROOT / "minidpt/assets/example.jpg").exists(), reason="the example picture is not there yet")
def test_demo_writes_and_explains_its_files(here, capsys):
    assert cli.main(["demo"]) == 0
    names = files("minidpt-demo")
    depth, classes = ("npy", "png", "side.png"), ("legend.png", "overlay.png")
    results = [*(f"depth.{end}" for end in depth), *(f"labels.{end}" for end in classes)]
    assert names == ["example.jpg", *(f"example.jpg.{end}" for end in results)]
    printed = capsys.readouterr().out
    for name in names:
        assert f"{name} " in printed
    assert cli.main(["demo"]) == 0, "again, over its own files"
    Image.fromarray(PICTURE).save("example.jpg")
    assert cli.main(["demo", "-o", "."]) == 2, "someone else's example.jpg stays"
