"""Results as files: what is read back is what was given, and a file is complete or absent."""

import json
import os

import numpy as np
import pytest
from checks import assert_close
from PIL import Image

from minidpt import files, render, saving
from minidpt.errors import ResourceError

DEPTH = np.linspace(-3, 7, 35, dtype=np.float32).reshape(5, 7)
PICTURE = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
LABELS = np.arange(35).reshape(5, 7) % 4


def read_pfm(path):
    kind, size, scale, values = path.read_bytes().split(b"\n", 3)
    width, height = map(int, size.split())
    assert kind == b"Pf"
    assert float(scale) < 0, "negative means little-endian"
    return np.frombuffer(values, "<f4").reshape(height, width)[::-1]


def read_picture(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize(
    ("name", "read"), [("npy", np.load), ("pfm", read_pfm), ("tiff", read_picture)], ids=["npy", "pfm", "tiff"]
)
@pytest.mark.parametrize("kind", render.KINDS)
def test_float_file_gives_back_every_bit(tmp_path, name, read, kind):
    depth = DEPTH.copy()
    depth[0, :3] = np.nan, np.inf, np.float32(1e-42)
    (path,) = saving.save_depth(tmp_path / "a.jpg", depth[:, ::-1], kind=kind, formats=[name])
    assert path == tmp_path / f"a.jpg.depth.{name}"
    again = read(path)
    assert again.dtype == np.float32
    assert np.ascontiguousarray(again).tobytes() == depth[:, ::-1].tobytes()


def test_pfm_is_read_by_pillow(tmp_path):
    (path,) = saving.save_depth(tmp_path / "a", DEPTH, kind="relative_inverse", formats=["pfm"])
    assert_close(read_picture(path), DEPTH)


def test_png16_gives_the_map_back_within_half_a_step(tmp_path):
    (path,) = saving.save_depth(tmp_path / "a", DEPTH, kind="relative_inverse", formats=["png16"])
    with Image.open(path) as picture:
        assert picture.mode == "I;16"
        steps, text = np.asarray(picture), picture.text
    assert_close(steps, render.to_uint16(DEPTH, kind="relative_inverse"))
    scale, offset = float(text["scale"]), float(text["offset"])
    assert_close(offset + scale * steps, DEPTH, atol=0.5 * scale * (1 + 1e-9))  # half a step, and float64's rounding
    assert (text["kind"], text["unit"], float(text["min"]), float(text["max"])) == ("relative_inverse", "null", -3, 7)


def test_png16_of_metres_holds_millimetres(tmp_path):
    metres = np.array([[0.5, 2.0005, 100.0, np.nan]], np.float32)
    (path,) = saving.save_depth(tmp_path / "a", metres, kind="metric", formats=["png16"])
    with Image.open(path) as picture:
        assert_close(np.asarray(picture), [[500, 2000, 65535, 0]])
        text = picture.text
    assert (text["unit"], text["scale"], text["offset"]) == ("metre", "0.001", "0.0")
    assert (text["valid_fraction"], text["clipped_fraction"]) == ("0.75", "0.25")


def test_colour_pictures_show_the_map_alone_and_beside_the_picture(tmp_path):
    names = {"kind": "relative_inverse", "colormap": "viridis"}
    alone, beside = saving.save_depth(tmp_path / "a.png", DEPTH, formats=["png", "side"], image=PICTURE, **names)
    assert (alone.name, beside.name) == ("a.png.depth.color.png", "a.png.depth.side.png")
    colored = render.colorize(DEPTH, **names)
    assert_close(read_picture(alone), colored)
    assert_close(read_picture(beside), np.concatenate([PICTURE, colored], axis=1))


def test_metadata_is_the_same_in_png_tiff_and_json(tmp_path):
    extra = {"model": "模型-\udcff", "network_size": [32, 48]}
    formats = ["png16", "tiff", "json"]
    png, tiff, sidecar = saving.save_depth(
        tmp_path / "a", DEPTH, kind="relative_inverse", formats=formats, metadata=extra
    )
    notes = json.loads(sidecar.read_text())
    assert notes.keys() >= {"minidpt", "kind", "scale", "offset", "min", "max", "model", "network_size"}
    with Image.open(tiff) as picture:
        assert json.loads(picture.tag_v2[270]) == notes
    with Image.open(png) as picture:
        assert picture.text.keys() == notes.keys()
        assert json.loads(picture.text["network_size"]) == [32, 48]
        assert picture.text["model"] == "模型-\\udcff"


@pytest.mark.parametrize("kind", render.KINDS)
@pytest.mark.parametrize("value", [0.0, 4.0, np.nan])
def test_map_without_contrast_is_saved_in_every_format(tmp_path, kind, value):
    depth = np.full((3, 4), value, np.float32)
    formats = list(saving.DEPTH_SUFFIXES)
    paths = saving.save_depth(tmp_path / "a", depth, kind=kind, formats=formats, image=np.zeros((3, 4, 3), np.uint8))
    assert [path.exists() for path in paths] == [True] * len(formats)
    notes = json.loads(paths[formats.index("json")].read_text())
    valid = np.isfinite(value) and not (kind == "metric" and value == 0)
    assert notes["min"] == notes["max"] == (value if valid else None)


def test_labels_are_an_index_picture_with_the_palette(tmp_path):
    names = {0: "wall", 1: "sky", 2: "tree"}
    formats = ["png", "npy", "overlay", "legend"]
    index, array, over, legend = saving.save_segmentation(
        tmp_path / "a.jpg", LABELS, id2label=names, formats=formats, image=PICTURE
    )
    assert index.name == "a.jpg.labels.png"
    with Image.open(index) as picture:
        assert picture.mode == "P"
        assert_close(np.asarray(picture), LABELS)
        assert json.loads(picture.text["labels"]) == {"0": "wall", "1": "sky", "2": "tree", "3": "class 3"}
        assert_close(np.asarray(picture.convert("RGB")), render.label_colors(LABELS), name="colours")
    assert index.read_bytes()[24] == 8, "bit depth, in the PNG's header"
    assert np.load(array).dtype == LABELS.dtype
    assert_close(np.load(array), LABELS)
    assert_close(read_picture(over), render.overlay(PICTURE, LABELS))
    assert_close(read_picture(legend), render.legend(LABELS, names))


def test_more_than_256_classes_take_16_bits(tmp_path):
    labels = np.array([[0, 299, 256]])
    (path,) = saving.save_segmentation(tmp_path / "a", labels, id2label={k: str(k) for k in range(300)})
    with Image.open(path) as picture:
        assert picture.mode == "I;16"
        assert_close(np.asarray(picture), labels)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda stem: saving.save_depth(stem, DEPTH, kind="metric", formats=["npy", "exr"]), "exr"),
        (lambda stem: saving.save_depth(stem, DEPTH, kind="metric", formats=[]), "none"),
        (lambda stem: saving.save_depth(stem, DEPTH, kind="metric", formats=["npy", "side"]), "image"),
        (lambda stem: saving.save_depth(stem, DEPTH, kind="far", formats=["npy"]), "far"),
        (lambda stem: saving.save_depth(stem, DEPTH, kind="metric", colormap="jet"), "jet"),
        (lambda stem: saving.save_depth(stem, DEPTH[None], kind="metric"), r"\(1, 5, 7\)"),
        (lambda stem: saving.save_segmentation(stem, LABELS - 1, id2label={}), "from 0"),
        (lambda stem: saving.save_segmentation(stem, LABELS / 2, id2label={}), "float64"),
        (lambda stem: saving.save_segmentation(stem, LABELS + 65535, id2label={}), "65538"),
        (lambda stem: saving.save_segmentation(stem, LABELS, id2label={}, formats=["png", "overlay"]), "image"),
    ],
)
def test_wrong_argument_is_named_and_nothing_is_written(tmp_path, call, words):
    with pytest.raises(ValueError, match=words):
        call(tmp_path / "a")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(28, "No space left on device"), ResourceError),
        (PermissionError(13, "Permission denied"), ResourceError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=["disk full", "no permission", "interrupt"],
)
@pytest.mark.parametrize("where", ["replace", "write"])
def test_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, error, raised, where):
    def fail(*_):
        raise error

    def write_half(path, content):
        with open(path, "wb") as file:
            file.write(content[: len(content) // 2])
        raise error

    (tmp_path / "a.depth.npy").write_bytes(b"old")
    if where == "replace":
        monkeypatch.setattr(os, "replace", fail)
    else:
        monkeypatch.setattr(saving.Path, "write_bytes", write_half)
    with pytest.raises(raised) as caught:
        saving.save_depth(tmp_path / "a", DEPTH, kind="metric", formats=["npy"])
    if raised is ResourceError:
        message = str(caught.value)
        assert str(tmp_path / "a.depth.npy") in message
        assert "\n" not in message
    assert [path.name for path in tmp_path.iterdir()] == ["a.depth.npy"]
    assert (tmp_path / "a.depth.npy").read_bytes() == b"old"


def test_folder_that_is_a_file_is_a_resource_error(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ResourceError, match="out"):
        saving.save_depth(tmp_path / "out" / "a", DEPTH, kind="metric")


def test_file_has_the_permissions_the_user_asked_for(tmp_path):
    before = os.umask(0o027)
    try:
        path = files.publish_bytes(tmp_path / "new" / "a", b"x")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640
