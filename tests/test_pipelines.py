"""pipeline(task): transformers' keys, the picture's own size, and one-line errors."""

from types import SimpleNamespace

import numpy as np
import pytest
from checks import assert_close
from PIL import Image
from tiny import PLAIN

import minidpt
from minidpt.errors import CheckpointError, ConfigError, ImageError
from minidpt.pipelines import pipeline, to_uint8
from minidpt.processing import DPTImageProcessor

PICTURE = np.random.default_rng(0).integers(0, 256, (13, 21, 3), np.uint8)


class Slope:
    """A model whose depth grows to the right, and whose class is 2 in the left half, 0 in the right."""

    config = SimpleNamespace(id2label={0: "wall", 1: "sky"}, input_multiple=1)

    def __call__(self, pixel_values):
        n, _, h, w = pixel_values.shape
        logits = np.zeros((n, 3, h, w), np.float32)
        logits[:, 2, :, : w // 2] = logits[:, 0, :, w // 2 :] = 1
        ramp = np.broadcast_to(np.arange(w, dtype=np.float32), (n, h, w))
        return SimpleNamespace(predicted_depth=ramp, kind="metric", logits=logits)


@pytest.fixture
def processor():
    return DPTImageProcessor(size={"height": 16, "width": 32})


def test_depth_has_the_keys_of_transformers_and_the_size_of_the_picture(processor):
    result = pipeline("depth-estimation", model=Slope(), image_processor=processor)(PICTURE)
    assert result.keys() == {"predicted_depth", "depth", "kind"}
    assert result["kind"] == "metric"
    depth = result["predicted_depth"]
    assert (depth.shape, depth.dtype) == ((13, 21), np.float32)
    assert (result["depth"].mode, result["depth"].size) == ("L", (21, 13))
    assert_close(np.asarray(result["depth"]), to_uint8(depth))


def test_a_processor_that_does_not_fit_the_model_is_named():
    class Patched(Slope):
        config = SimpleNamespace(input_multiple=16)

    processor = DPTImageProcessor(size={"height": 20, "width": 32})
    with pytest.raises(ConfigError, match=r"20 x 32 .* multiples of 16"):
        pipeline("depth-estimation", model=Patched(), image_processor=processor)(PICTURE)


def test_list_gives_a_list_of_the_same_results(processor, tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    run = pipeline("depth-estimation", model=Slope(), image_processor=processor)
    pictures = [PICTURE, str(tmp_path / "a.png"), Image.fromarray(PICTURE)]
    results = run(pictures)
    assert len(results) == 3
    for result in results:
        assert_close(result["predicted_depth"], run(PICTURE)["predicted_depth"])
    assert run([]) == []


def test_segments_are_masks_of_the_classes_that_occur(processor):
    segments = pipeline("image-segmentation", model=Slope(), image_processor=processor)(PICTURE)
    assert [(s["label"], s["score"], s["mask"].mode, s["mask"].size) for s in segments] == [
        ("wall", None, "L", (21, 13)),
        ("class 2", None, "L", (21, 13)),
    ]
    wall, other = (np.asarray(s["mask"]) for s in segments)
    assert set(np.unique(wall)) == {0, 255}
    assert_close(wall, 255 - other)
    assert wall[:, -1].all()


@pytest.mark.parametrize(
    ("claim", "depth", "expected"),
    [
        ("min-max", [0.0, 1.0, 2.0, 4.0], [0, 63, 127, 255]),
        ("constant", [3.0, 3.0], [0, 0]),
        ("constant but for rounding", [3.0, 3.0 + 2**-20], [0, 0]),
        ("one hole", [0.0, np.nan, 2.0, np.inf], [0, 0, 255, 0]),
        ("nothing finite", [np.nan, -np.inf], [0, 0]),
        ("the largest floats", [-3e38, 0.0, 3e38], [0, 127, 255]),
    ],
)
def test_eight_bit_depth_is_min_max_scaled(claim, depth, expected):
    assert_close(to_uint8(np.array([depth], np.float32)), [expected], name=claim)


def test_eight_bit_depth_equals_transformers_to_the_bit():
    depth = np.random.default_rng(1).normal(size=(64, 65)).astype(np.float32)
    theirs = ((depth - depth.min()) / (depth.max() - depth.min()) * 255).astype("uint8")
    assert_close(to_uint8(depth), theirs)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"task": "depth"}, "depth-estimation, image-segmentation"),
        ({"task": "depth-estimation", "model": Slope()}, "image_processor"),
    ],
)
def test_wrong_argument_is_named_on_one_line(arguments, words):
    with pytest.raises(ValueError, match=words) as caught:
        pipeline(**arguments)
    assert "\n" not in str(caught.value)


def test_bad_picture_is_an_image_error(processor, tmp_path):
    run = pipeline("depth-estimation", model=Slope(), image_processor=processor)
    with pytest.raises(ImageError, match="absent"):
        run(tmp_path / "absent.jpg")


@pytest.mark.parametrize(
    ("task", "loader", "name"),
    [
        ("depth-estimation", "AutoModelForDepthEstimation", None),
        ("depth-estimation", "AutoModelForDepthEstimation", "some/folder"),
        ("image-segmentation", "DPTForSemanticSegmentation", None),
        ("image-segmentation", "DPTForSemanticSegmentation", "some/folder"),
    ],
)
def test_names_are_loaded_with_the_backend_and_precision_asked_for(monkeypatch, task, loader, name, processor):
    asked = []

    class Loader:
        @staticmethod
        def from_pretrained(source, **options):
            asked.append((source, options))
            return processor if not options else Slope()

    monkeypatch.setattr(minidpt, loader, Loader, raising=False)
    monkeypatch.setattr(minidpt, "DPTImageProcessor", Loader, raising=False)
    run = pipeline(task, name, backend="numpy", precision="high")
    source = name or "dpt-mini"
    assert asked == [(source, {"backend": "numpy", "precision": "high"}), (source, {})]
    assert run(PICTURE)


@pytest.fixture
def saved(tmp_path):
    """save(class name, **config fields) -> the folder of a tiny random model with its processor."""

    def save(architecture, **fields):
        model = getattr(minidpt, architecture)(minidpt.DPTConfig(**PLAIN, **fields), backend="numpy")
        model.save_pretrained(tmp_path)
        DPTImageProcessor(size={"height": 32, "width": 64}).save_pretrained(tmp_path)
        return tmp_path

    return save


@pytest.mark.parametrize(("meant", "kind"), [("relative", "relative_inverse"), ("metric", "metric")])
def test_tiny_model_from_folder_to_depth(saved, meant, kind):
    folder = saved("DPTForDepthEstimation", depth_estimation_type=meant)
    result = pipeline("depth-estimation", folder, backend="numpy")(PICTURE)
    assert result["kind"] == kind
    assert result["predicted_depth"].shape == PICTURE.shape[:2]
    assert np.isfinite(result["predicted_depth"]).all()
    assert result["depth"].size == (21, 13)


def test_tiny_model_from_folder_to_segments(saved):
    folder = saved("DPTForSemanticSegmentation", id2label={0: "wall", 1: "sky", 2: "tree"})
    segments = pipeline("image-segmentation", folder, backend="numpy")(PICTURE)
    assert {segment["label"] for segment in segments} <= {"wall", "sky", "tree"}
    assert_close(sum(np.asarray(segment["mask"], int) for segment in segments), np.full((13, 21), 255))


def test_model_of_the_other_task_is_refused(saved):
    with pytest.raises(CheckpointError):
        pipeline("image-segmentation", saved("DPTForDepthEstimation"), backend="numpy")
