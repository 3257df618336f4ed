"""BEiT without transformers: what its bias tables mean, what its files hold, what is refused."""

import naive
import numpy as np
import pytest
from checks import assert_close
from safetensors.numpy import load_file, save_file
from test_model import opaque
from tiny import BEIT, lively, pixels

from minidpt import BeitConfig, ConfigError, DPTConfig, DPTForDepthEstimation, DPTForSemanticSegmentation, record
from minidpt.backbones import beit
from minidpt.ops.attention import relative_bias
from minidpt.params import count

ON_BEIT = {"backbone_config": BEIT, "neck_hidden_sizes": [8, 12, 16, 20], "fusion_hidden_size": 24}
SHARED = {"use_shared_relative_position_bias": True}
BASE = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "image_size": 384,
    "use_relative_position_bias": True,
    "reshape_hidden_states": False,
    "out_features": ["stage3", "stage6", "stage9", "stage12"],
}
LARGE = {
    **BASE,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "out_features": ["stage6", "stage12", "stage18", "stage24"],
}
PUBLISHED = {
    "Intel/dpt-beit-base-384": (BASE, [96, 192, 384, 768], 110_761_153),
    "Intel/dpt-beit-large-384": (LARGE, [256, 512, 1024, 1024], 343_311_553),
    "Intel/dpt-beit-large-512": ({**LARGE, "image_size": 512}, [256, 512, 1024, 1024], 343_987_393),
}


def depth_model(**settings):
    return lively(DPTForDepthEstimation(DPTConfig(**{**ON_BEIT, **settings})))


@pytest.mark.parametrize(("backbone", "neck", "parameters"), PUBLISHED.values(), ids=PUBLISHED.keys())
def test_published_configs_have_the_published_number_of_parameters(backbone, neck, parameters):
    config = DPTConfig(backbone_config=BeitConfig(**backbone), neck_hidden_sizes=neck)
    assert count(DPTForDepthEstimation.tensors(config)) == parameters


def offsets_table(side, heads=2, seed=0):
    """A table of biases as BEiT learns it on a grid of side x side, and the same by (row offset, column offset)."""
    table = np.random.default_rng(seed).standard_normal(((2 * side - 1) ** 2 + 3, heads)).astype(np.float32)
    return table, table[:-3].reshape(2 * side - 1, 2 * side - 1, heads)


@pytest.mark.parametrize("grid", [(3, 3), (2, 5), (5, 2), (1, 4), (1, 1)], ids=str)
def test_trap_23_a_square_table_is_read_row_offset_by_row_offset(grid):
    """transformers takes the table's width for its height; that cannot show while a learnt grid is square."""
    height, width = grid
    table, by_offset = offsets_table(side=3)
    stretched = naive.resize_bilinear(by_offset[None], (2 * height - 1, 2 * width - 1), align_corners=False)[0]
    bias = relative_bias(grid=grid, **beit.resize_bias(table, grid))
    assert bias.shape == (2, 1 + height * width, 1 + height * width)
    for query in range(height * width):
        for key in range(height * width):
            rows, columns = np.subtract(divmod(query, width), divmod(key, width))
            expected = stretched[rows + height - 1, columns + width - 1]
            # four products of values up to about 3, in float32
            assert_close(bias[:, 1 + query, 1 + key], expected, atol=2e-6, name=f"{query} asks {key}")
    assert (bias[:, 0, 1:] == table[-3][:, None]).all()
    assert (bias[:, 1:, 0] == table[-2][:, None]).all()
    assert (bias[:, 0, 0] == table[-1]).all()


def test_trap_23_rectangular_pretraining_is_refused():
    with pytest.raises(ConfigError, match="image_size must be one side, or two equal ones"):
        BeitConfig(**{**BEIT, "image_size": [32, 48]})


@pytest.mark.parametrize("pooling", [True, False])
def test_trap_1_taps_are_the_blocks_outputs_without_final_norm(pooling):
    with record() as tape:
        depth_model(backbone_config={**BEIT, "use_mean_pooling": pooling})(pixels(1, 3, 24, 40))
    for level in range(4):
        assert np.array_equal(tape[f"taps.{level}"], tape[f"blocks.{level}"])


@pytest.mark.parametrize(
    ("settings", "shapes"),
    [
        ({}, [(4, 9, 5)] * 4),
        (SHARED, [(4, 9, 5)] * 4),
        ({"use_relative_position_bias": False, **SHARED}, [(4, 9, 5)]),
        ({"use_relative_position_bias": False}, []),
    ],
    ids=["own", "own and shared", "shared", "none"],
)
def test_only_compact_tables_are_kept_per_size(settings, shapes):
    model = depth_model(backbone_config={**BEIT, **settings})
    kept = beit.sized(model.weights, model.encoder, (40, 24))["relative_biases"]
    assert [bias["table"].shape for bias in kept] == shapes
    assert all(bias["class_bias"].shape == (4, 3) for bias in kept)


def test_a_shared_table_is_laid_out_once(monkeypatch):
    calls = []
    monkeypatch.setitem(beit.ops.NUMPY.ops, "relative_bias", lambda *a, **k: calls.append(1) or relative_bias(*a, **k))
    depth_model(backbone_config={**BEIT, "use_relative_position_bias": False, **SHARED})(pixels(1, 3, 24, 40))
    assert len(calls) == 1


def test_models_touch_arrays_through_ops_only():
    settings = {**BEIT, **SHARED, "use_absolute_position_embeddings": True, "reshape_hidden_states": True}
    for backbone in (BEIT, settings):
        model, x = depth_model(backbone_config=backbone), pixels(1, 3, 24, 40)
        assert np.array_equal(model(x).predicted_depth, model.to(backend=opaque())(x).predicted_depth)


def test_old_files_hold_indices_that_nothing_needs(tmp_path):
    """transformers 4 wrote, beside each table, which of its rows belongs to which two tokens."""
    model = depth_model()
    model.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    for name in [n for n in tensors if n.endswith("relative_position_bias_table")]:
        tensors[name.replace("bias_table", "index")] = np.zeros((17, 17), np.int64)
    assert sum(name.endswith("relative_position_index") for name in tensors) == 4
    save_file(tensors, tmp_path / "model.safetensors")
    again = DPTForDepthEstimation.from_pretrained(tmp_path)
    x = pixels(1, 3, 32, 24)
    assert np.array_equal(model(x).predicted_depth, again(x).predicted_depth)


def test_a_shared_table_is_found_under_its_older_name(tmp_path):
    model = depth_model(backbone_config={**BEIT, **SHARED})
    model.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    now = "backbone.beit.encoder.relative_position_bias.relative_position_bias_table"
    tensors[now.replace("beit.", "")] = tensors.pop(now)
    save_file(tensors, tmp_path / "model.safetensors")
    again = DPTForDepthEstimation.from_pretrained(tmp_path)
    assert all(np.array_equal(model.weights[name], again.weights[name]) for name in model.weights)


@pytest.mark.parametrize("readout", ["ignore", "add", "project"])
def test_segmentation_works_on_beit(readout):
    """transformers has no such model: its segmentation ignores backbone_config."""
    depth = depth_model(readout_type=readout)
    config = DPTConfig(**{**ON_BEIT, "readout_type": readout, "num_labels": 5})
    segmentation = lively(DPTForSemanticSegmentation(config))
    encoder = {name: x for name, x in depth.weights.items() if name.startswith("backbone.")}
    segmentation = segmentation.from_weights(config, {**segmentation.weights, **encoder})
    x = pixels(2, 3, 24, 48)
    with record("taps.*") as of_depth:
        depth(x)
    with record("taps.*") as of_segmentation:
        logits = segmentation(x).logits
    assert logits.shape == (2, 5, 64, 96)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert (logits.argmax(axis=1) != logits.argmax(axis=1)[0, 0, 0]).any()
    assert all(np.array_equal(of_depth[name], of_segmentation[name]) for name in of_depth)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"add_fpn": True}, "add_fpn must be False"),
        ({"num_attention_heads": 5}, "5 does not divide 32"),
        ({"image_size": 7}, "smaller than patch_size"),
        ({"hidden_act": "softmax"}, "hidden_act must be one of"),
        ({"layer_scale_init_value": float("nan")}, "layer_scale_init_value must be a number"),
        ({"use_relative_position_bias": 1}, "must be true or false"),
        ({"out_indices": [5]}, "must be from 0 to 4"),
        ({"num_hidden_layers": 10**6}, "num_hidden_layers must be"),
        ({"pool_scales": 3}, "pool_scales must be a list"),
        ({"segmentation_indices": [1], "out_indices": None, "out_features": ["stage2"]}, "out_indices"),
    ],
)
def test_a_wrong_config_is_refused_in_one_line(settings, message):
    with pytest.raises(ConfigError, match=message) as caught:
        BeitConfig.from_dict({**BEIT, **settings})
    assert "\n" not in str(caught.value)


def test_a_config_survives_its_json(tmp_path):
    config = BeitConfig.from_dict({**BEIT, "layer_scale_init_value": 0})
    (tmp_path / "config.json").write_text(config.to_json())
    again = BeitConfig.from_json(tmp_path / "config.json")
    assert again == config
    assert not again.has_scales
