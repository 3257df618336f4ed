"""Depth and class scores come back at the picture's size."""

from types import SimpleNamespace

import numpy as np
import pytest
from checks import assert_close

from minidpt.ops.resize import resize_bicubic, resize_bilinear
from minidpt.processing import DPTImageProcessor

FLOAT32 = 1e-6  # a few roundings of float32 on values of size 1


def random_floats(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_depth_is_resized_bicubically():
    depth = random_floats(2, 9, 12)
    sizes = [(20, 31), (5, 7)]
    results = DPTImageProcessor().post_process_depth_estimation(SimpleNamespace(predicted_depth=depth), sizes)
    for i, (result, size) in enumerate(zip(results, sizes, strict=True)):
        expected = resize_bicubic(depth[i, :, :, None].astype(np.float64)[None], size)[0, :, :, 0]
        assert_close(result["predicted_depth"], expected, atol=8 * FLOAT32)
        assert result["predicted_depth"].dtype == np.float32


def test_depth_without_target_sizes_stays_as_it_is():
    depth = random_floats(2, 9, 12)
    for result, expected in zip(
        DPTImageProcessor().post_process_depth_estimation(SimpleNamespace(predicted_depth=depth)), depth, strict=True
    ):
        assert_close(result["predicted_depth"], expected)


@pytest.mark.parametrize("size", [(20, 31), (5, 7), (9, 12), (1, 1), (9, 40)])
def test_classes_are_the_argmax_of_bilinear_scores(size, monkeypatch):
    logits = random_floats(2, 6, 9, 12)
    expected = resize_bilinear(logits.transpose(0, 2, 3, 1).astype(np.float64), size, align_corners=False)
    outputs = SimpleNamespace(logits=logits)
    processor = DPTImageProcessor()
    for floats_per_band in (1, 1 << 24):  # row by row, and all rows at once
        monkeypatch.setattr("minidpt.postprocessing.BAND_FLOATS", floats_per_band)
        detailed = processor.post_process_semantic_segmentation(outputs, [size] * 2, return_segmentation_scores=True)
        plain = processor.post_process_semantic_segmentation(outputs, np.array([size] * 2))
        for i in range(2):
            assert_close(detailed[i].segmentation_scores, expected[i].transpose(2, 0, 1), atol=8 * FLOAT32)
            assert_close(detailed[i].segmentation, expected[i].argmax(-1))
            assert_close(plain[i], detailed[i]["segmentation"])
            assert plain[i].dtype == np.int64


def test_classes_without_target_sizes_are_the_plain_argmax():
    logits = random_floats(2, 6, 9, 12)
    labels = DPTImageProcessor().post_process_semantic_segmentation(SimpleNamespace(logits=logits))
    assert_close(np.stack(labels), logits.argmax(axis=1))


@pytest.mark.parametrize(
    "sizes", [[], [(4, 4)], [(4, 4)] * 3, [(4, 4), (0, 4)], [(4, 4), (4,)], [(4, 4), (4.5, 4)], [1, 2]]
)
def test_wrong_target_sizes_are_refused(sizes):
    outputs = SimpleNamespace(predicted_depth=random_floats(2, 9, 12), logits=random_floats(2, 6, 9, 12))
    processor = DPTImageProcessor()
    for method in (processor.post_process_depth_estimation, processor.post_process_semantic_segmentation):
        with pytest.raises(ValueError, match="target size"):
            method(outputs, sizes)


def test_wrong_output_shape_is_refused():
    processor = DPTImageProcessor()
    with pytest.raises(ValueError, match=r"\(9, 12\)"):
        processor.post_process_depth_estimation(SimpleNamespace(predicted_depth=random_floats(9, 12)))
    with pytest.raises(ValueError, match=r"\(6, 9, 12\)"):
        processor.post_process_semantic_segmentation(SimpleNamespace(logits=random_floats(6, 9, 12)))
