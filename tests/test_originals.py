"""Every published original checkpoint, told from names and shapes alone; and what is refused, by name."""

import re
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published_originals import PUBLISHED

from minidpt import CheckpointError, ConfigError, DPTImageProcessor
from minidpt.checkpoints import originals
from minidpt.checkpoints.originals import Hints, recognise
from minidpt.config import MODEL_CONFIGS
from minidpt.model import MODELS
from minidpt.presets import ade20k_classes


@dataclass(frozen=True)
class Shape:
    """An entry without numbers."""

    shape: tuple

    def rows(self, start, stop):
        return replace(self, shape=(stop - start, *self.shape[1:]))


def join(parts):
    return Shape((sum(part.shape[0] for part in parts), *parts[0].shape[1:]))


def expected(name):
    """(model class, config) as published."""
    _, architecture, values, _, _ = PUBLISHED[name]
    if values.get("num_labels") == 150:
        values = {**values, "id2label": dict(enumerate(ade20k_classes()))}
    return MODELS[architecture], MODEL_CONFIGS[values["model_type"]].from_dict(values)


def tensors(name):
    """A published checkpoint's names and shapes."""
    model, config = expected(name)
    state = {model.disk_name(config)(t.name): Shape(t.shape) for t in model.tensors(config)}
    parts = PUBLISHED[name][0](state, join=join)
    return parts if isinstance(parts, dict) else parts[0] | parts[1]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_checkpoint_gives_its_config_and_preprocessing(name):
    original = recognise(tensors(name), name, Hints(name))
    model, config = expected(name)
    assert MODEL_CONFIGS[original.config["model_type"]].from_dict(original.config) == config
    assert not original.ignored
    wanted = {model.disk_name(config)(t.name): t.shape for t in model.tensors(config)}
    if name.startswith("dinov2"):  # the originals lack the unit that never runs
        wanted = {k: v for k, v in wanted.items() if not k.startswith("neck.fusion_stage.layers.0.residual_layer1")}
    assert {k: tuple(v.shape) for k, v in original.found.items()} == wanted
    size, keeps = PUBLISHED[name][3:]
    processor = DPTImageProcessor(**original.processor)
    assert processor.keep_aspect_ratio is keeps
    assert processor.do_resize is (size is not None)
    if size:
        assert (processor.size["height"], processor.size["width"], processor.resample) == (*size, 3)
    anything = name.startswith("depth_anything")
    assert processor.ensure_multiple_of == (14 if anything else 32 if size else 1)
    assert processor.image_mean[0] == (0.485 if anything else 0.5 if size else 123.675)


# ---------------------------------------------------------------- what weights do not tell


def config_of(name, names=None, **said):
    original = recognise(tensors(names or name), name, Hints(name, **said))
    return original, MODEL_CONFIGS[original.config["model_type"]].from_dict(original.config)


def test_a_hybrid_is_metric_by_its_files_name_or_by_the_users_word():
    relative = "dpt_hybrid-midas-501f0c75.pt"
    for kind in ("nyu", "kitti"):
        published = next(name for name in PUBLISHED if f"hybrid_{kind}" in name)
        original, config = config_of("renamed.pt", relative, kind=kind)
        assert config == expected(published)[1]
        assert any("not metres" in remark for remark in original.remarks)
        assert original.processor["size"] == config_of(published)[0].processor["size"]
        original, config = config_of(published, kind="relative")
        assert config == expected(relative)[1]
        assert original.remarks == config_of(relative)[0].remarks
    original, config = config_of("renamed.pt", relative)
    assert config == expected(relative)[1]
    assert "--as nyu" in original.remarks[0]
    assert len(config_of(relative)[0].remarks) == len(original.remarks) - 1
    assert config_of("nyu.pt", "dpt_large-midas-2f21e586.pt")[1] == expected("dpt_large-midas-2f21e586.pt")[1]


def test_depth_anything_says_which_version_by_its_files_name_or_by_the_users_word():
    first, second = "depth_anything_vitl14.pth", "depth_anything_v2_vitl.pth"
    metric = "depth_anything_v2_metric_hypersim_vitl.pth"
    original, config = config_of("renamed.pth", second)
    assert config == expected(first)[1]
    assert "--as v2" in original.remarks[0]
    assert not config_of(first)[0].remarks
    for name, said, same_as in (
        ("renamed.pth", {"kind": "v2"}, second),
        ("renamed.pth", {"kind": "hypersim"}, metric),
        ("renamed.pth", {"max_depth": 20.0}, metric),
        (second, {"kind": "v1"}, first),
        (metric, {"kind": "v2"}, metric),
        (metric, {"kind": "relative"}, second),
    ):
        assert config_of(name, first, **said)[1] == expected(same_as)[1], (name, said)
    assert config_of(metric, max_depth=35.5)[1].max_depth == 35.5


def test_a_word_that_means_nothing_here_is_refused():
    for name, said, message in (
        ("dpt_hybrid_384.pt", {"kind": "vkitti"}, r"one of relative, nyu, kitti, not as 'vkitti'"),
        ("dpt_hybrid_384.pt", {"max_depth": 10.0}, r"largest depth .* Depth Anything"),
        ("dpt_hybrid-ade20k-53898607.pt", {"kind": "nyu"}, "segmentation"),
        ("smp-dpt-large-ade20k.safetensors", {"kind": "nyu"}, "its kind is plain"),
        ("dinov2_vits14_nyu_dpt_head.pth", {"kind": "v2"}, "one of nyu, kitti"),
        ("depth_anything_v2_vits.pth", {"max_depth": -1.0}, "above 0"),
    ):
        like = name if name in PUBLISHED else "dpt_hybrid-midas-501f0c75.pt"
        with pytest.raises(ConfigError, match=message):
            config_of(name, like, **said)


def test_the_remarks_say_where_transformers_would_do_something_else():
    said = {name: " ".join(recognise(tensors(name), name, Hints(name)).remarks) for name in PUBLISHED}
    for word in ("swin_large", "levit", "next_vit"):
        name = next(name for name in PUBLISHED if word in name)
        assert "transformers" in said[name]
    for name in ("dpt_large_384.pt", "dpt_beit_large_512.pt", "dpt_swin2_tiny_256.pt", "depth_anything_v2_vits.pth"):
        assert not said[name]
    assert "first residual unit" in said["smp-dpt-large-ade20k.safetensors"]
    assert "0.001 m" in said["dinov2_vits14_nyu_dpt_head.pth"]


# ---------------------------------------------------------------- older and newer names


def test_buffers_and_classifiers_are_ignored_with_a_reason():
    extra = {
        "dpt_swin2_base_384.pt": {
            "layers.0.blocks.1.attn_mask": (16, 576, 576),
            "layers.1.blocks.0.attn.relative_coords_table": (1, 47, 47, 2),
            "layers.1.blocks.0.attn.relative_position_index": (576, 576),
            "norm.weight": (1024,),
            "head.weight": (1000, 1024),
        },
        "dpt_beit_base_384.pt": {"blocks.3.attn.relative_position_index": (577, 577), "fc_norm.bias": (768,)},
        "dpt_large_384.pt": {"head.weight": (1000, 1024), "head.bias": (1000,), "head_dist.bias": (1000,)},
        "dpt_levit_224.pt": {
            "blocks.0.m.attention_bias_idxs": (196, 196),
            "blocks.8.attention_bias_idxs": (49, 196),
            "head.bn.running_var": (768,),
            "head_dist.l.weight": (1000, 768),
            "patch_embed.0.bn.num_batches_tracked": (),
        },
        "dpt_next_vit_large_384.pt": {"proj_head.0.weight": (1000, 1024)},
    }
    for name, shapes in extra.items():
        more = {f"pretrained.model.{key}": Shape(shape) for key, shape in shapes.items()}
        original = recognise(tensors(name) | more, name, Hints(name))
        assert original.ignored.keys() == more.keys()
        assert all(original.ignored.values())
        assert MODEL_CONFIGS["dpt"].from_dict(original.config) == expected(name)[1]


@pytest.mark.parametrize("name", ["dpt_swin2_base_384.pt", "dpt_swin_large_384.pt"])
def test_a_downsample_at_the_next_stages_start_is_taken_too(name):
    old = tensors(name)
    new = {
        re.sub(r"layers\.(\d)\.downsample", lambda m: f"layers.{int(m[1]) + 1}.downsample", key): x
        for key, x in old.items()
    }
    assert new.keys() != old.keys()
    assert recognise(new, name, Hints(name)) == recognise(old, name, Hints(name))


def test_a_swinv2_of_another_size_shows_its_windows_in_attn_mask_alone():
    name = "dpt_swin2_tiny_256.pt"
    mask = {"pretrained.model.layers.0.blocks.1.attn_mask": Shape((49, 64, 64))}
    config = MODEL_CONFIGS["dpt"].from_dict(recognise(tensors(name) | mask, name, Hints(name)).config)
    assert (config.encoder.window_size, config.encoder.image_size) == (8, 4 * 8 * 7)


def test_dinov2_may_keep_its_blocks_in_chunks():
    name = "depth_anything_v2_vits.pth"
    chunked = {
        re.sub(r"blocks\.(\d+)\.", lambda m: f"blocks.{int(m[1]) // 3}.{m[1]}.", key): x
        for key, x in tensors(name).items()
    }
    assert "pretrained.blocks.3.11.norm1.weight" in chunked
    assert recognise(chunked, name, Hints(name)) == recognise(tensors(name), name, Hints(name))


# ---------------------------------------------------------------- refused


def test_a_name_that_no_table_knows_is_never_dropped():
    name = "dpt_large_384.pt"
    more = {f"scratch.extra.{i}": Shape((1,)) for i in range(12)}
    with pytest.raises(CheckpointError, match=r"dpt_large_384\.pt: .*scratch\.extra\.0, .*\(12 in all\)") as caught:
        recognise(tensors(name) | more, name, Hints(name))
    assert str(caught.value).count("scratch.extra") == 10
    twice = {"pretrained.blocks.0.0.norm1.weight": Shape((384,))}
    with pytest.raises(CheckpointError, match="in chunks and in a row"):
        recognise(tensors("depth_anything_vits14.pth") | twice, "a.pth", Hints("a.pth"))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["pretrained.layer1.0.weight", "scratch.refinenet1.out_conv.weight"], r"MiDaS v2\.1"),
        (["core.core.pretrained.model.cls_token", "seed_bin_regressor._net.0.weight"], "ZoeDepth"),
        (["cls_token", "blocks.0.attn.qkv.weight", "head.weight"], "without a decoder"),
        (["cls_token", "mask_token", "blocks.0.attn.qkv.weight"], "--backbone"),
        (["decode_head.conv_depth.weight"], "linear head"),
        (["a", "b"], r"names \(a, b, \.\.\.\) .*isl-org/DPT or MiDaS 3, Depth Anything"),
    ],
)
def test_what_is_no_dpt_is_named(names, message):
    found = {name: Shape((1,)) for name in names}
    assert recognise(found, "x", Hints("x")) is None
    assert re.search(message, originals.foreign(found))


@pytest.mark.parametrize(
    ("name", "key", "shape", "message"),
    [
        ("dpt_large_384.pt", "pretrained.model.pos_embed", (1, 578, 1024), "not the number of cells of a square"),
        ("dpt_large_384.pt", "pretrained.model.cls_token", (1024,), "expected 3 axes"),
        ("dpt_large_384.pt", "pretrained.model.blocks.7.attn.qkv.weight", (3073, 1024), "3 equal parts"),
        ("dpt_large_384.pt", "scratch.output_conv.2.weight", None, r"has no scratch\.output_conv\.2\.weight"),
        ("dpt_beit_base_384.pt", "pretrained.model.blocks.0.attn.relative_position_bias_table", (9, 12), "square"),
        ("dpt_levit_224.pt", "pretrained.model.blocks.0.m.qkv.c.weight", (100, 384), "too few"),
        ("dinov2_vits14_nyu_dpt_head.pth", "cls_token", None, r"put dinov2_vits14_pretrain\.pth beside it"),
        ("dinov2_vits14_nyu_dpt_head.pth", "cls_token", (1, 1, 768), "width 384; this one has 768"),
    ],
)
def test_shapes_that_cannot_be_are_refused_in_one_line(name, key, shape, message):
    found = tensors(name)
    found.pop(key)
    if shape:
        found[key] = Shape(shape)
    with pytest.raises(CheckpointError, match=message) as caught:
        recognise(found, name, Hints(name))
    assert "\n" not in str(caught.value)


DAMAGED = {
    name: tensors(name)
    for name in (
        "dpt_hybrid-midas-501f0c75.pt",
        "dpt_large-ade20k-b12dca68.pt",
        "dpt_beit_base_384.pt",
        "dpt_swin2_tiny_256.pt",
        "dpt_swin_large_384.pt",
        "dpt_levit_224.pt",
        "dpt_next_vit_large_384.pt",
        "depth_anything_v2_vits.pth",
        "dinov2_vits14_nyu_dpt_head.pth",
        "smp-dpt-large-ade20k.safetensors",
    )
}
SIGNIFICANT = re.compile(r".*(token|embed|table|scale|mask|qkv|proj|conv|mlp|layer\d_rn|biases).*")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_names_and_shapes_give_an_answer_or_the_right_error(data):
    name = data.draw(st.sampled_from(sorted(DAMAGED)))
    found = dict(DAMAGED[name])
    keys = [key for key in found if SIGNIFICANT.fullmatch(key) and not re.search(r"\.[3-9]\.|\d\d", key)]
    for _ in range(data.draw(st.integers(1, 4))):
        key = data.draw(st.sampled_from(keys))
        entry = found.pop(key, None)
        what = data.draw(st.sampled_from(["drop", "reshape", "renumber", "add"]))
        if what == "reshape":
            found[key] = Shape(tuple(data.draw(st.lists(st.sampled_from([0, 1, 2, 3, 5, 64, 2**40]), max_size=5))))
        elif entry is not None and what == "renumber":
            found[re.sub(r"\d+", str(data.draw(st.sampled_from([7, 99, 10**9]))), key, count=1)] = entry
        elif entry is not None and what == "add":
            found |= {
                key: entry,
                "pretrained.model.layers.0.blocks.1.attn_mask": Shape((3,) * data.draw(st.integers(0, 4))),
            }
    try:
        original = recognise(found, name, Hints(name))
        if original is not None:
            MODEL_CONFIGS[original.config["model_type"]].from_dict(original.config)
    except (CheckpointError, ConfigError) as error:
        assert "\n" not in str(error)
