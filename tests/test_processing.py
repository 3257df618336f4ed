"""The processor without transformers: sizes, the order of the steps, batches, label maps."""

import numpy as np
import pytest
from checks import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import random_picture
from PIL import Image
from published_configs import DPT_DINOV2

from minidpt.errors import ConfigError, ImageError
from minidpt.processing import DPTImageProcessor, pad_to_multiple, reduce_labels, resized_size

QUICK = settings(max_examples=50)
FLOAT32 = 1e-6  # a few roundings of float32 on values of size 1

# Sizes

WORKED_SIZES = [  # input, then 384 by 32, 518 by 14, 512 by 32, 384 by 1, all keeping the aspect ratio
    ((480, 640), (384, 512), (518, 686), (512, 672), (384, 512)),
    ((640, 480), (512, 384), (686, 518), (672, 512), (512, 384)),
    ((1080, 1920), (384, 672), (518, 924), (512, 896), (384, 683)),
    ((375, 1242), (384, 1280), (518, 1722), (512, 1696), (384, 1272)),
    ((426, 640), (384, 576), (350, 518), (352, 512), (384, 577)),
    ((100, 500), (64, 384), (98, 518), (96, 512), (77, 384)),
    ((1024, 1024), (384, 384), (518, 518), (512, 512), (384, 384)),
    ((3024, 4032), (384, 512), (518, 686), (512, 672), (384, 512)),
]


@pytest.mark.parametrize(("picture", "by_32", "by_14", "by_32_large", "by_1"), WORKED_SIZES)
def test_resized_size_matches_the_worked_table(picture, by_32, by_14, by_32_large, by_1):
    for target, multiple, expected in ((384, 32, by_32), (518, 14, by_14), (512, 32, by_32_large), (384, 1, by_1)):
        size = resized_size(*picture, (target, target), keep_aspect_ratio=True, ensure_multiple_of=multiple)
        assert size == expected, (target, multiple)
        assert resized_size(*picture, (320, 352), keep_aspect_ratio=False, ensure_multiple_of=1) == (320, 352)


@pytest.mark.parametrize(
    ("picture", "target", "multiple", "expected"),
    [
        ((80, 112), (80, 112), 32, (64, 128)),  # 2.5 -> 2 and 3.5 -> 4: halves go to the even neighbour
        ((13, 4000), (384, 384), 32, (32, 384)),  # 384 / 4000 * 13 = 1.2 would round to 0
        ((4000, 1), (384, 384), 14, (378, 14)),
        ((1, 1), (384, 384), 32, (384, 384)),
    ],
)
def test_resized_size_rounds_to_even_and_never_to_zero(picture, target, multiple, expected):
    assert resized_size(*picture, target, keep_aspect_ratio=True, ensure_multiple_of=multiple) == expected


@QUICK
@given(st.tuples(*[st.integers(1, 5000)] * 4), st.booleans(), st.integers(1, 64))
def test_resized_size_is_a_positive_multiple(sides, keep, multiple):
    size = resized_size(*sides[:2], sides[2:], keep_aspect_ratio=keep, ensure_multiple_of=multiple)
    assert min(size) >= multiple
    assert size[0] % multiple == size[1] % multiple == 0
    transposed = resized_size(*sides[1::-1], sides[:1:-1], keep_aspect_ratio=keep, ensure_multiple_of=multiple)
    tie = abs(1 - sides[2] / sides[0]) == abs(1 - sides[3] / sides[1])
    assert transposed == size[::-1] or (keep and tie)


# Pictures to pixel_values


def test_pixel_values_follow_the_definition():
    picture = random_picture(9, 13)
    processor = DPTImageProcessor(size=(6, 8), resample=2, image_mean=[0.1, 0.2, 0.3], image_std=[0.5, 0.6, 0.7])
    resized = np.asarray(Image.fromarray(picture).resize((8, 6), Image.Resampling.BILINEAR))
    expected = (resized / 255 - [0.1, 0.2, 0.3]) / [0.5, 0.6, 0.7]
    batch = processor(picture)
    assert_close(batch["pixel_values"], expected.transpose(2, 0, 1)[None], atol=FLOAT32)
    assert batch.pixel_values is batch["pixel_values"]
    assert batch.pixel_values.dtype == np.float32
    assert batch.pixel_values.flags.c_contiguous
    assert list(batch) == ["pixel_values"]
    with pytest.raises(AttributeError, match="labels"):
        _ = batch.labels


@pytest.mark.parametrize(
    ("off", "expected"),
    [
        ({"do_rescale": False, "do_normalize": False}, [0, 51, 255]),
        ({"do_rescale": True, "do_normalize": False}, [0, 0.2, 1]),
        ({"do_rescale": False, "do_normalize": True, "image_mean": 100, "image_std": 10}, [-10, -4.9, 15.5]),
        ({"rescale_factor": 1 / 51, "do_normalize": False}, [0, 1, 5]),
    ],
)
def test_each_step_can_be_left_out(off, expected):
    picture = np.repeat(np.uint8([[0, 51, 255]])[..., None], 3, axis=2)
    values = DPTImageProcessor(do_resize=False)(picture, **off)["pixel_values"]
    assert_close(values, np.broadcast_to(expected, (1, 3, 1, 3)), atol=16 * FLOAT32)


def test_float_picture_is_rounded_to_8_bits_first():
    picture = random_picture()
    processor = DPTImageProcessor(size=8)
    assert_close(processor(picture / 255)["pixel_values"], processor(picture)["pixel_values"])


def test_padding_is_zero_after_normalising_and_centred():
    values = DPTImageProcessor.from_dict(DPT_DINOV2)(np.full((11, 15, 3), 255, np.uint8))["pixel_values"]
    assert values.shape == (1, 3, 14, 28)
    inside = values[:, :, 1:12, 6:21]  # 3 rows: 1 above, 2 below; 13 columns: 6 left, 7 right
    assert np.count_nonzero(values) == inside.size
    assert_close(inside[0, 0], np.full((11, 15), (255 - 123.675) / 58.395), atol=4 * FLOAT32)
    assert pad_to_multiple(np.ones((3, 14, 28)), 14).shape == (3, 14, 28)
    assert DPTImageProcessor(do_resize=False, do_pad=True)(random_picture())["pixel_values"].shape == (1, 3, 5, 7)


def test_batch_equals_its_pictures_one_by_one(tmp_path):
    pictures = [random_picture(9, 13, seed) for seed in range(3)]
    path = tmp_path / "one.png"
    Image.fromarray(pictures[1]).save(path)
    processor = DPTImageProcessor(size=(6, 8))
    singles = np.concatenate([processor(picture)["pixel_values"] for picture in pictures])
    for images in (pictures, tuple(pictures), np.stack(pictures), np.stack(pictures).transpose(0, 3, 1, 2)):
        assert_close(processor(images)["pixel_values"], singles)
    mixed = [pictures[0], path, Image.fromarray(pictures[2])]
    assert_close(processor.preprocess(mixed)["pixel_values"], singles)
    as_list = processor(pictures, return_tensors=None)["pixel_values"]
    assert isinstance(as_list, list)
    assert_close(np.stack(as_list), singles)


def test_mixed_sizes_come_back_as_a_list():
    pictures = [random_picture(40, 80), random_picture(80, 40), np.zeros((30, 30), np.uint8)]
    values = DPTImageProcessor(size=64, keep_aspect_ratio=True, ensure_multiple_of=14)(pictures)["pixel_values"]
    assert [value.shape for value in values] == [(3, 28, 70), (3, 70, 28), (3, 70, 70)]


def test_callers_array_is_unchanged():
    picture, labels = random_picture(), np.uint8([[0, 1, 2, 3, 255, 254, 0]] * 5)
    before = picture.copy(), labels.copy()
    DPTImageProcessor(do_reduce_labels=True, size=5, do_pad=True, size_divisor=4)(picture, labels)
    DPTImageProcessor(do_resize=False)(picture)["pixel_values"][...] = 0
    assert np.array_equal(picture, before[0])
    assert np.array_equal(labels, before[1])


@pytest.mark.parametrize(
    ("images", "options", "error", "words"),
    [
        ([], {}, ImageError, "at least one"),
        (np.zeros((0, 4, 4, 3), np.uint8), {}, ImageError, "at least one"),
        ("missing.png", {}, ImageError, "missing.png"),
        ([random_picture(), "missing.png"], {}, ImageError, "picture 1 of 2"),
        (np.zeros((1, 2, 4, 4, 3), np.uint8), {}, ImageError, "(1, 2, 4, 4, 3)"),
        (random_picture(), {"return_tensors": "pt"}, ConfigError, "return_tensors"),
        (random_picture(), {"keep_aspect": True}, ConfigError, "keep_aspect"),
        (random_picture(), {"size": 0}, ConfigError, "size.height"),
        (np.zeros((200, 300_000), np.uint8), {"keep_aspect_ratio": True}, ImageError, "576000 x 384"),
        (random_picture(), {"segmentation_maps": []}, ImageError, "0 for 1"),
        (random_picture(), {"segmentation_maps": np.zeros((7, 5), int)}, ImageError, "(5, 7)"),
        (random_picture(), {"segmentation_maps": np.zeros((5, 7))}, ImageError, "float64"),
    ],
)
def test_bad_call_is_refused_in_one_line(images, options, error, words):
    with pytest.raises(error) as caught:
        DPTImageProcessor()(images, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@QUICK
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.booleans(), st.integers(1, 16), st.integers(0, 5))
def test_any_picture_gives_finite_values_of_the_promised_shape(height, width, size, keep, multiple, resample):
    processor = DPTImageProcessor(
        size=size, keep_aspect_ratio=keep, ensure_multiple_of=multiple, resample=resample, do_pad=True, size_divisor=6
    )
    values = processor(random_picture(height, width))["pixel_values"]
    sides = resized_size(height, width, (size, size), keep_aspect_ratio=keep, ensure_multiple_of=multiple)
    assert values.shape == (1, 3, *(-(-side // 6) * 6 for side in sides))
    assert np.abs(values).max() <= 1  # (x - 0.5) / 0.5 of x within 0..1


# Label maps


def test_reduced_labels_follow_the_definition():
    assert reduce_labels(np.array([0, 1, 2, 150, 254, 255])).tolist() == [255, 0, 1, 149, 253, 255]


def test_label_map_is_resized_without_new_ids():
    labels = np.random.default_rng(0).choice([0, 7, 149, 255], (30, 40)).astype(np.uint8)
    batch = DPTImageProcessor(size=(17, 23), resample=3)(random_picture(30, 40), labels)
    rows = ((np.arange(17) + 0.5) * 30 / 17).astype(int)
    columns = ((np.arange(23) + 0.5) * 40 / 23).astype(int)
    assert_close(batch["labels"], labels[np.ix_(rows, columns)][None])
    assert batch.labels.dtype == np.int64


def test_label_maps_are_reduced_padded_and_batched():
    labels = np.array([[0, 1], [2, 255]], np.uint8)
    processor = DPTImageProcessor(do_resize=False, do_reduce_labels=True, do_pad=True, size_divisor=3)
    expected = [[255, 0, 0], [1, 255, 0], [0, 0, 0]]
    pictures = [random_picture(2, 2)] * 2
    for maps in ([labels, Image.fromarray(labels)], np.stack([labels] * 2)):
        assert processor(pictures, segmentation_maps=maps)["labels"].tolist() == [expected] * 2
    assert processor(pictures[0], labels)["labels"].shape == (1, 3, 3)
    assert processor(pictures[0], labels)["pixel_values"].shape == (1, 3, 3, 3)


def test_label_maps_of_mixed_sizes_come_back_as_a_list():
    pictures = [random_picture(4, 6), random_picture(6, 4)]
    batch = DPTImageProcessor(do_resize=False)(pictures, [np.zeros((4, 6), int), np.ones((6, 4), int)])
    assert [labels.shape for labels in batch["labels"]] == [(4, 6), (6, 4)]
