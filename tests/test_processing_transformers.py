"""Number for number against transformers' PIL processor, and against a real model's recorded input."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from checks import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import random_picture
from PIL import Image
from published_configs import DEPTH_ANYTHING, DPT_DINOV2, DPT_LARGE
from test_processing import WORKED_SIZES

from minidpt.errors import ConfigError
from minidpt.images import load_image
from minidpt.processing import DPTImageProcessor

SAME = 1e-6  # the bound that minidpt holds itself to; the arithmetic is the same, so it is usually 0
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

needs_data = pytest.mark.skipif(
    not (DATA / "depth-anything-v2-small").is_dir(), reason="the recordings are not part of the repository"
)


@pytest.fixture(scope="module")
def reference():
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

    return DPTImageProcessorPil


def assert_same_pixels(reference, fields, picture):
    ours = DPTImageProcessor(**fields)(picture)["pixel_values"]
    theirs = reference(**fields)(Image.fromarray(picture), return_tensors="np")["pixel_values"]
    assert_close(ours, theirs, atol=SAME, rtol=SAME, name=str(fields))  # rtol: values reach 255 without rescaling


@pytest.mark.parametrize("row", WORKED_SIZES)
def test_worked_sizes_match_transformers(reference, row):
    from transformers.models.dpt.image_processing_pil_dpt import get_resize_output_image_size

    from minidpt.processing import resized_size

    picture = np.broadcast_to(np.uint8(0), (1, *row[0]))
    for side, multiple in ((384, 32), (518, 14), (512, 32), (384, 1)):
        for keep in (True, False):
            theirs = get_resize_output_image_size(picture, (side, side), keep, multiple)
            ours = resized_size(*row[0], (side, side), keep_aspect_ratio=keep, ensure_multiple_of=multiple)
            assert ours == (theirs.height, theirs.width)


@pytest.mark.parametrize(("height", "width"), [(480, 640), (120, 90), (600, 601)])
@pytest.mark.parametrize("config", [DPT_LARGE, DEPTH_ANYTHING, DPT_DINOV2])
def test_published_configs_match_transformers(reference, config, height, width):
    config = dict(config)
    theirs = dict(config)
    if "size_divisibility" in theirs:  # transformers dropped the old name without a word
        theirs["size_divisor"] = theirs.pop("size_divisibility")
    picture = random_picture(height, width)
    expected = reference.from_dict(theirs)(Image.fromarray(picture), return_tensors="np")["pixel_values"]
    actual = DPTImageProcessor.from_dict(config)(picture)["pixel_values"]
    assert_close(actual, expected, atol=SAME, name=f"{height} x {width}")


def test_random_recipes_match_transformers(reference):
    @settings(max_examples=60)
    @given(
        st.integers(8, 90),
        st.integers(8, 90),
        st.fixed_dictionaries(
            {
                "size": st.fixed_dictionaries({"height": st.integers(8, 70), "width": st.integers(8, 70)}),
                "resample": st.integers(0, 5),
                "keep_aspect_ratio": st.booleans(),
                "ensure_multiple_of": st.sampled_from([1, 2, 3, 4]),
                "do_resize": st.booleans(),
                "do_rescale": st.booleans(),
                "rescale_factor": st.sampled_from([1 / 255, 1 / 127.5, 0.5]),
                "do_normalize": st.booleans(),
                "image_mean": st.lists(st.floats(0, 1), min_size=3, max_size=3),
                "image_std": st.lists(st.floats(0.125, 1), min_size=3, max_size=3),
                "do_pad": st.booleans(),
                "size_divisor": st.sampled_from([None, 1, 7, 14]),
            }
        ),
    )
    def compare(height, width, fields):
        fields = {key: value for key, value in fields.items() if value is not None}
        assert_same_pixels(reference, fields, random_picture(height, width))

    compare()


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK"])
def test_conversion_to_rgb_matches_transformers(reference, mode):
    values = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    picture = Image.fromarray(values if mode in ("RGBA", "LA") else values[..., :3]).convert(mode)
    theirs = reference(size=16)(picture, do_convert_rgb=True, return_tensors="np")["pixel_values"]
    assert_close(DPTImageProcessor(size=16)(picture)["pixel_values"], theirs, atol=SAME, name=mode)


@pytest.mark.parametrize(
    "fields", [{"do_reduce_labels": True}, {"do_resize": False, "do_pad": True, "size_divisor": 7}]
)
def test_label_maps_match_transformers_at_nearest(reference, fields):
    labels = np.random.default_rng(0).choice([0, 1, 7, 150, 254, 255], (30, 40)).astype(np.uint8)
    picture = random_picture(30, 40)
    fields = {"size": {"height": 17, "width": 23}, "resample": 0, **fields}  # else it would blend class ids
    theirs = reference(**fields)(Image.fromarray(picture), Image.fromarray(labels.copy()), return_tensors="np")
    ours = DPTImageProcessor(**fields)(picture, labels)
    assert_close(ours["pixel_values"], theirs["pixel_values"], atol=SAME)
    assert_close(ours["labels"], theirs["labels"])
    assert ours["labels"].dtype == theirs["labels"].dtype


def test_saved_config_loads_in_transformers_and_back(reference, tmp_path):
    picture = random_picture(50, 70)
    for i, config in enumerate((DPT_LARGE, {**DEPTH_ANYTHING, "size": 70}, DPT_DINOV2)):
        ours = DPTImageProcessor.from_dict(config)
        ours.save_pretrained(tmp_path / f"ours{i}")
        theirs = reference.from_pretrained(tmp_path / f"ours{i}")
        expected = theirs(Image.fromarray(picture), return_tensors="np")["pixel_values"]
        assert_close(ours(picture)["pixel_values"], expected, atol=SAME)
        theirs.save_pretrained(tmp_path / f"theirs{i}")
        again = DPTImageProcessor.from_pretrained(tmp_path / f"theirs{i}")
        assert again.to_dict() == ours.to_dict()
        saved = json.loads((tmp_path / f"ours{i}" / "preprocessor_config.json").read_text())
        assert saved["image_processor_type"] == "DPTImageProcessor"


def test_shortest_edge_is_refused_by_both(reference):
    with pytest.raises((ValueError, AttributeError)):  # the latter from a slip in its own error message
        reference(size={"shortest_edge": 384})(Image.fromarray(random_picture(9, 9)))
    with pytest.raises(ConfigError, match="height"):
        DPTImageProcessor(size={"shortest_edge": 384})


@pytest.mark.parametrize("size", [(61, 83), (10, 9), (24, 36), (200, 31)])
def test_post_processing_matches_transformers(reference, size):
    import torch

    rng = np.random.default_rng(0)
    depth, logits = rng.normal(size=(2, 24, 36)), rng.normal(size=(2, 11, 24, 36))
    depth, logits = depth.astype(np.float32), logits.astype(np.float32)
    theirs = reference()
    ours = DPTImageProcessor()
    tensors = SimpleNamespace(predicted_depth=torch.from_numpy(depth), logits=torch.from_numpy(logits))
    arrays = SimpleNamespace(predicted_depth=depth, logits=logits)
    for outputs in (arrays, tensors):  # a torch model's output is taken too
        for target_sizes in (None, [size, size[::-1]]):
            expected = theirs.post_process_depth_estimation(tensors, target_sizes)
            for a, b in zip(ours.post_process_depth_estimation(outputs, target_sizes), expected, strict=True):
                # float32: the weights of torch are computed in it, from positions up to 36
                assert_close(a["predicted_depth"], b["predicted_depth"].numpy(), atol=3e-5)
            expected = theirs.post_process_semantic_segmentation(tensors, target_sizes, return_segmentation_scores=True)
            actual = ours.post_process_semantic_segmentation(outputs, target_sizes, return_segmentation_scores=True)
            for a, b in zip(actual, expected, strict=True):
                assert_close(a.segmentation_scores, b.segmentation_scores.numpy(), atol=3e-5)
                best = np.sort(b.segmentation_scores.numpy(), axis=0)
                clear = best[-1] - best[-2] > 1e-4  # elsewhere rounding decides
                assert clear.mean() > 0.99
                assert_close(a.segmentation[clear], b.segmentation.numpy()[clear])


@needs_data
@pytest.mark.parametrize(("side", "name"), [(518, "cat_input_nchw.bin"), (224, "cat_input_224_nchw.bin")])
def test_real_networks_recorded_input_is_reproduced(side, name):
    recorded = np.fromfile(DATA / "depth-anything-v2-small" / name, np.float32).reshape(1, 3, side, side)
    processor = DPTImageProcessor.from_dict(DEPTH_ANYTHING, size=side, keep_aspect_ratio=False, resample=2)
    values = processor(DATA / "photos" / "cat.jpg", ensure_multiple_of=1)["pixel_values"]
    assert_close(values, recorded, atol=SAME)


@needs_data
def test_real_photos_match_transformers(reference):
    fields = {"size": 252, "keep_aspect_ratio": True, "ensure_multiple_of": 14, "resample": 3}
    for name in ("cat.jpg", "demo03.jpg"):
        assert_same_pixels(reference, fields, load_image(DATA / "photos" / name))


@needs_data
def test_real_ade20k_label_map_keeps_its_ids():
    photo, labels = DATA / "ade20k" / "ADE_val_00000001.jpg", DATA / "ade20k" / "ADE_val_00000001.png"
    batch = DPTImageProcessor(size=480, do_reduce_labels=True)(photo, labels)
    assert batch.labels.shape == (1, 480, 480)
    original = np.asarray(Image.open(labels))
    assert set(np.unique(batch.labels)) <= {255 if k in (0, 255) else k - 1 for k in np.unique(original).tolist()}
