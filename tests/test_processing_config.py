"""The processor's fields and files: published forms are read, mistakes are named, saving is whole or not at all."""

import json
import os
import warnings

import pytest
from checks import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import random_picture
from PIL import Image
from published_configs import DEPTH_ANYTHING, DPT_DINOV2, DPT_LARGE

from minidpt.errors import ConfigError, ResourceError
from minidpt.processing import FIELDS, FILE_NAME, DPTFeatureExtractor, DPTImageProcessor

QUICK = settings(max_examples=50)

# Config


def test_defaults_are_transformers_own():
    assert DPTImageProcessor().to_dict() == {
        "do_resize": True,
        "size": {"height": 384, "width": 384},
        "resample": 3,
        "keep_aspect_ratio": False,
        "ensure_multiple_of": 1,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "do_pad": False,
        "do_reduce_labels": False,
        "image_processor_type": "DPTImageProcessor",
    }


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (DPT_LARGE, {"resample": 2, "size": {"height": 384, "width": 384}, "do_rescale": True, "do_pad": False}),
        (
            DEPTH_ANYTHING,
            {"resample": 3, "keep_aspect_ratio": True, "size_divisor": None, "image_std": (0.229, 0.224, 0.225)},
        ),
        (DPT_DINOV2, {"do_resize": False, "do_rescale": False, "size_divisor": 14, "do_pad": True}),
        ({"size": {"shortest_edge": 384}, "do_resize": False}, {"size": {"shortest_edge": 384}}),
        ({"size": [320, 352]}, {"size": {"height": 320, "width": 352}}),
        ({"size": None, "do_pad": None, "resample": None}, {"resample": 3, "do_pad": False}),
        ({"size_divisibility": 14, "size_divisor": 32}, {"size_divisor": 32}),
        ({"size_divisibility": 14, "size_divisor": None}, {"size_divisor": 14}),
        ({"processor_class": None, "crop_pct": 0.9, "auto_map": {}}, {"do_resize": True}),
        ({"image_mean": 0.25}, {"image_mean": (0.25, 0.25, 0.25)}),
        ({"resample": Image.Resampling.LANCZOS}, {"resample": 1}),
    ],
)
def test_published_config_form_is_read(config, expected):
    before = json.dumps(config, default=str)
    processor = DPTImageProcessor.from_dict(config)
    assert {key: getattr(processor, key) for key in expected} == expected
    assert json.dumps(config, default=str) == before


BAD_FIELDS = [
    ("do_resize", 1),
    ("do_resize", "true"),
    ("do_pad", []),
    ("do_convert_rgb", "yes"),
    ("size", 0),
    ("size", -384),
    ("size", 384.0),
    ("size", True),
    ("size", "384"),
    ("size", 10**9),
    ("size", {"height": 384}),
    ("size", {"height": 384, "width": 0}),
    ("size", {"height": 384, "width": None}),
    ("size", {"shortest_edge": 384}),
    ("size", {}),
    ("size", [1, 2, 3]),
    ("resample", 6),
    ("resample", 99),
    ("resample", -1),
    ("resample", "bicubic"),
    ("resample", True),
    ("resample", 2.0),
    ("keep_aspect_ratio", 0),
    ("ensure_multiple_of", 0),
    ("ensure_multiple_of", -14),
    ("ensure_multiple_of", 1.5),
    ("rescale_factor", 0),
    ("rescale_factor", -1),
    ("rescale_factor", float("nan")),
    ("rescale_factor", "1/255"),
    ("image_mean", [0.5, 0.5]),
    ("image_mean", [0.5] * 4),
    ("image_mean", []),
    ("image_mean", "half"),
    ("image_mean", [0.5, 0.5, None]),
    ("image_mean", [0.5, 0.5, float("inf")]),
    ("image_mean", {"r": 1}),
    ("image_std", [0.5, 0, 0.5]),
    ("image_std", -0.5),
    ("image_std", [0.5, 0.5, 10**400]),
    ("size_divisor", 0),
    ("size_divisor", "14"),
    ("size_divisibility", 0),
    ("do_reduce_labels", 2),
]


@pytest.mark.parametrize(("key", "value"), BAD_FIELDS)
def test_bad_field_is_refused_by_name(key, value):
    name = key.replace("divisibility", "divisor")
    for build in (lambda: DPTImageProcessor(**{key: value}), lambda: DPTImageProcessor.from_dict({key: value})):
        with pytest.raises(ConfigError, match=f"^{name}") as caught:
            build()
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match=f"^{name}"):
        DPTImageProcessor()(random_picture(), **{key: value})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["height", "width"]), inner),
    max_leaves=6,
)


@QUICK
@given(st.dictionaries(st.sampled_from([*FIELDS, "size_divisibility"]), JSON, max_size=3))
def test_any_json_gives_a_processor_or_config_error(config):
    try:
        processor, line = DPTImageProcessor.from_dict(config), ""
    except ConfigError as error:
        processor, line = DPTImageProcessor(), str(error)
    assert "\n" not in line
    assert DPTImageProcessor.from_dict(processor.to_dict()).to_dict() == processor.to_dict()


def test_slip_in_a_keyword_is_refused_but_bookkeeping_is_not():
    with pytest.raises(ConfigError, match="keep_aspect: no such field"):
        DPTImageProcessor(keep_aspect=True)
    assert DPTImageProcessor(**DPT_LARGE).resample == 2


def test_changed_attribute_is_used_and_checked():
    processor = DPTImageProcessor()
    processor.size = 16
    assert processor(random_picture())["pixel_values"].shape == (1, 3, 16, 16)
    processor.ensure_multiple_of = 0
    with pytest.raises(ConfigError, match="ensure_multiple_of"):
        processor(random_picture())


def test_override_lasts_one_call_and_none_means_unchanged():
    processor = DPTImageProcessor(size=16)
    before = processor.to_dict()
    assert processor(random_picture(), size=(8, 12), resample=None)["pixel_values"].shape == (1, 3, 8, 12)
    assert processor.to_dict() == before


# Files


@pytest.mark.parametrize("config", [DPT_LARGE, DEPTH_ANYTHING, DPT_DINOV2])
def test_saved_processor_comes_back_equal(config, tmp_path):
    folder = tmp_path / "new" / "folder"
    processor = DPTImageProcessor.from_dict(config)
    path = processor.save_pretrained(folder)
    assert os.listdir(folder) == [FILE_NAME]
    (folder / "model.safetensors").touch()
    for source in (folder, str(folder), path, str(path), folder / "model.safetensors"):
        assert DPTImageProcessor.from_pretrained(source).to_dict() == processor.to_dict()
    assert DPTImageProcessor.from_pretrained(folder, size=42).size == {"height": 42, "width": 42}


def test_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    DPTImageProcessor(size=100).save_pretrained(tmp_path)

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(ResourceError, match="No space left"):
            DPTImageProcessor(size=200).save_pretrained(tmp_path)
    assert os.listdir(tmp_path) == [FILE_NAME]
    assert DPTImageProcessor.from_pretrained(tmp_path).size["height"] == 100
    with pytest.raises(ResourceError, match="another folder"):
        DPTImageProcessor().save_pretrained(tmp_path / FILE_NAME)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[1, 2]",
        b"\xff\xfe\x00",
        b'{"size": NaN}',
        b'{"size": 1, "size": 2}',
        b"[" * 100_000,
        b'{"size": {"height": 384}}',
        b'{"image_std": [0, 1, 1]}',
    ],
)
def test_broken_file_is_refused_by_name(content, tmp_path):
    (tmp_path / FILE_NAME).write_bytes(content)
    for source in (tmp_path, tmp_path / FILE_NAME):
        with pytest.raises(ConfigError, match=FILE_NAME) as caught:
            DPTImageProcessor.from_pretrained(source)
        assert "\n" not in str(caught.value)


def test_file_with_byte_order_mark_is_read(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"\xef\xbb\xbf" + json.dumps(DPT_LARGE).encode())
    assert DPTImageProcessor.from_pretrained(tmp_path).resample == 2


def test_missing_path_is_refused_and_model_id_is_fetched(tmp_path, monkeypatch):
    for source in (tmp_path, tmp_path / "none", "./no/such", "/no/such", "a/b/c", "../x", ""):
        with pytest.raises(ConfigError, match=r"no such folder|has no preprocessor_config"):
            DPTImageProcessor.from_pretrained(source)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / FILE_NAME)
        with pytest.raises(ConfigError, match="has no preprocessor_config"):
            DPTImageProcessor.from_pretrained(tmp_path)

    asked = []
    path = DPTImageProcessor(size=99).save_pretrained(tmp_path / "cache")

    def fetch(repo_id, filename, *, revision=None):
        asked.append((repo_id, filename, revision))
        return path

    monkeypatch.setattr("minidpt.checkpoints.hub.fetch", fetch)
    assert DPTImageProcessor.from_pretrained("Intel/dpt-large", revision="abc").size["height"] == 99
    assert asked == [("Intel/dpt-large", FILE_NAME, "abc")]


def test_feature_extractor_warns_and_is_otherwise_the_same(tmp_path):
    with pytest.warns(FutureWarning, match="DPTImageProcessor"):
        old = DPTFeatureExtractor(size=16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # only construction warns, not use
        assert_close(
            old(random_picture())["pixel_values"], DPTImageProcessor(size=16)(random_picture())["pixel_values"]
        )
        old.save_pretrained(tmp_path)
    assert DPTImageProcessor.from_pretrained(tmp_path).to_dict() == old.to_dict()
    with pytest.warns(FutureWarning):
        assert isinstance(DPTFeatureExtractor.from_pretrained(tmp_path), DPTFeatureExtractor)
