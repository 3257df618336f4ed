"""The models on their own: shapes, sizes, batches, outputs, errors, and ops as the only way to touch arrays."""

import numpy as np
import pytest
from checks import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import HYBRID, PLAIN, lively, pixels

from minidpt import ConfigError, DPTConfig, DPTForDepthEstimation, DPTForSemanticSegmentation, DPTModel, record
from minidpt.ops.backends import NUMPY, OP_NAMES, Backend

ROUNDING = {"atol": 1e-4, "rtol": 1e-4}  # two orders of the same float32 sums, values up to about 10


def depth_model(config=PLAIN):
    return lively(DPTForDepthEstimation(DPTConfig(**config)))


def segmentation_model(**changes):
    return lively(DPTForSemanticSegmentation(DPTConfig(**{**PLAIN, "num_labels": 7, **changes})))


@pytest.mark.parametrize("config", [PLAIN, HYBRID], ids=["plain", "hybrid"])
@pytest.mark.parametrize("grid", [(2, 2), (4, 4), (3, 5), (1, 1), (2, 7)], ids=str)
def test_every_grid_gives_32_ceil_half_its_sides(config, grid):
    patch = config["patch_size"]
    depth = depth_model(config)(pixels(1, 3, patch * grid[0], patch * grid[1])).predicted_depth
    assert depth.shape == (1, *(32 * -(-g // 2) for g in grid))
    assert depth.dtype == np.float32
    assert np.isfinite(depth).all()


@pytest.mark.parametrize("config", [PLAIN, HYBRID], ids=["plain", "hybrid"])
def test_a_batch_equals_its_pictures_one_by_one(config):
    model, x = depth_model(config), pixels(3, 3, 48, 64)
    together = model(x).predicted_depth
    alone = np.concatenate([model(x[i : i + 1]).predicted_depth for i in range(3)])
    assert_close(together, alone, **ROUNDING, name="batch")
    assert np.ptp(together) > 0.1  # the picture matters


def test_hidden_states_and_attentions_come_only_when_asked():
    model, x = depth_model(), pixels(2, 3, 32, 48)
    quiet = model(x)
    assert quiet.hidden_states is None
    assert quiet.attentions is None
    assert quiet.keys() == ["predicted_depth", "kind"]
    asked = model(x, output_hidden_states=True, output_attentions=True)
    assert [h.shape for h in asked.hidden_states] == [(2, 25, 32)] * 5
    assert [a.shape for a in asked.attentions] == [(2, 4, 25, 25)] * 4
    assert_close(asked.attentions[1].sum(axis=-1), np.ones((2, 4, 25)), atol=1e-5, name="attention rows")
    assert np.array_equal(asked["predicted_depth"], quiet.predicted_depth)


def test_record_knows_every_name_of_the_interface():
    with record() as tape:
        depth_model()(pixels(1, 3, 32, 48))
    inside = ["blocks.1", "blocks.1.norm1", "blocks.1.attention", "blocks.1.mlp"]
    inside += [f"blocks.1.attention.{part}" for part in ("query", "key", "value", "weights")]
    levels = [f"{part}.{k}" for part in ("taps", "readout", "reassembled", "neck", "fused") for k in range(4)]
    names = {"pixel_values", "embeddings", "predicted_depth", *inside, *levels, *(f"head.{j}" for j in range(4))}
    assert names <= tape.keys()
    assert tape["pixel_values"].shape == (1, 32, 48, 3)
    assert tape["reassembled.0"].shape == (1, 16, 24, 8)
    assert tape["reassembled.3"].shape == (1, 2, 3, 20)
    assert tape["fused.0"].shape == (1, 4, 6, 24)
    assert tape["fused.3"].shape == (1, 32, 48, 24)
    block = tape["embeddings"] + tape["blocks.0.attention"]
    assert_close(block + tape["blocks.0.mlp"], tape["blocks.0"], **ROUNDING, name="x + attention + mlp")


def test_record_keeps_only_what_matches_and_nests():
    model, x = segmentation_model(), pixels(1, 3, 32, 32)
    with record("fused.*") as outer:
        with record("logits") as inner:
            model(x)
        model(x)
    assert list(outer) == ["fused.0", "fused.1", "fused.2", "fused.3"]
    assert list(inner) == ["logits"]
    with pytest.raises(KeyError, match="was not recorded"):
        inner["fused.0"]
    model(x)
    assert len(inner) == 1


@pytest.mark.parametrize("config", [PLAIN, HYBRID], ids=["plain", "hybrid"])
def test_pooler_and_maps_of_the_encoder(config):
    model = lively(DPTModel(DPTConfig(**config, pooler_output_size=10)))
    out = model(pixels(2, 3, 64, 96), output_hidden_states=True)
    tokens = 1 + 64 * 96 // config["patch_size"] ** 2
    assert out.last_hidden_state.shape == (2, tokens, 32)
    assert out.pooler_output.shape == (2, 10)
    assert np.abs(out.pooler_output).max() <= 1  # tanh
    assert len(out.hidden_states) == 5
    if config is HYBRID:
        assert [x.shape for x in out.intermediate_activations] == [(2, 16, 16, 24), (2, 32, 8, 12)]
    bare = DPTModel(DPTConfig(**config), add_pooling_layer=False)
    assert bare(pixels(1, 3, 64, 64)).pooler_output is None


def test_labels_give_a_loss_and_ignored_pixels_do_not_count():
    model, x = segmentation_model(), pixels(1, 3, 32, 32)
    labels = np.random.default_rng(0).integers(0, 7, (1, 30, 20))
    loss = model(x, labels).loss
    assert 1 < loss < 20
    assert model(x).loss is None
    half = labels.copy()
    half[:, :15] = 255
    assert model(x, half).loss != loss
    assert np.isnan(model(x, np.full_like(labels, 255)).loss)
    without = segmentation_model(use_auxiliary_head=False)
    assert np.isfinite(without(x, labels).loss)
    for wrong in (labels[0], labels + 7, labels.astype(float)):
        with pytest.raises(ValueError, match="labels must be"):
            model(x, wrong)


def test_head_in_index_picks_the_fused_map():
    x = pixels(1, 3, 32, 32)
    sizes = [depth_model({**PLAIN, "head_in_index": i})(x).predicted_depth.shape[1] for i in (0, 1, 2, 3, -1, -4)]
    assert sizes == [8, 16, 32, 64, 64, 8]


WRONG_PIXELS = {
    "3-d": np.zeros((3, 32, 32), np.float32),
    "channels last": np.zeros((1, 32, 32, 3), np.float32),
    "not a multiple": np.zeros((1, 3, 36, 32), np.float32),
    "too small": np.zeros((1, 3, 0, 32), np.float32),
    "no picture": np.zeros((0, 3, 32, 32), np.float32),
    "text": np.array([[[["a"]]]]),
    "complex": np.zeros((1, 3, 32, 32), complex),
}


@pytest.mark.parametrize("wrong", WRONG_PIXELS.values(), ids=WRONG_PIXELS.keys())
def test_wrong_pixel_values_are_refused_in_one_line(wrong):
    with pytest.raises(ValueError, match="pixel_values must be") as caught:
        depth_model()(wrong)
    assert "\n" not in str(caught.value)


def test_mixed_sizes_are_refused_in_one_line():
    with pytest.raises(ValueError, match="one by one"):
        depth_model()([pixels(3, 32, 32), pixels(3, 32, 40)])


def test_the_caller_keeps_his_array():
    x = pixels(1, 3, 32, 32)
    copy = x.copy()
    x.flags.writeable = False
    first = depth_model()(x)
    assert np.array_equal(x, copy)
    wide = depth_model()(x.astype(np.float64)[:, :, ::-1][:, :, ::-1])
    assert np.array_equal(first.predicted_depth, wide.predicted_depth)


def test_only_a_few_sizes_are_kept():
    model = depth_model()
    for width in range(8, 8 * 13, 8):
        model(pixels(1, 3, 8, width))
    assert len(model._sized) == 8


def test_random_weights_depend_on_the_seed_only():
    config = DPTConfig(**PLAIN)
    a, b, c = (DPTForDepthEstimation(config, seed=s) for s in (0, 0, 1))
    assert all(np.array_equal(a.weights[name], b.weights[name]) for name in a.weights)
    assert any(not np.array_equal(a.weights[name], c.weights[name]) for name in a.weights)


def test_to_keeps_the_weights_and_says_what_runs():
    model = depth_model()
    assert (model.backend, model.precision) == ("numpy", "highest")
    moved = model.to(backend="numpy", precision="medium")
    assert moved.precision == "highest"  # NumPy knows nothing less exact
    assert moved.weights is model.weights
    with pytest.raises(ConfigError, match="backend"):
        model.to(backend="abacus")
    with pytest.raises(ConfigError, match="DPTConfig"):
        DPTForDepthEstimation({"hidden_size": 32})


class Handle:
    """An array that tells nothing: no shape, no arithmetic, no indexing."""

    __slots__ = ("hidden",)

    def __init__(self, hidden):
        self.hidden = hidden


def opaque():
    """NumPy behind handles: a model that touches an array other than through ops fails here."""

    def hide(function, gives_array):
        def call(*args, **options):
            args = [a.hidden if isinstance(a, Handle) else a for a in args]
            options = {k: v.hidden if isinstance(v, Handle) else v for k, v in options.items()}
            result = function(*args, **options)
            return Handle(result) if gives_array else result

        return call

    bare = {"to_numpy", "map_size"}
    table = {name: hide(NUMPY.ops[name], name not in bare) for name in OP_NAMES}
    return Backend("opaque", table, prepare=lambda kind, weight: Handle(NUMPY.prepare(kind, weight)))


@pytest.mark.parametrize("config", [PLAIN, HYBRID], ids=["plain", "hybrid"])
def test_models_touch_arrays_through_ops_only(config):
    x = pixels(1, 3, 48, 64)
    for model in (
        depth_model({**config, "add_projection": True}),
        lively(DPTForSemanticSegmentation(DPTConfig(**config, use_batch_norm_in_fusion_residual=True))),
        lively(DPTModel(DPTConfig(**config))),
    ):
        labels = {"labels": np.zeros((1, 8, 8), int)} if isinstance(model, DPTForSemanticSegmentation) else {}
        plain = model(x, output_attentions=True, **labels)
        handled = model.to(backend=opaque())(x, output_attentions=True, **labels)
        first = plain.keys()[0]
        assert np.array_equal(plain[first], handled[first])


@settings(max_examples=25)
@given(
    readout=st.sampled_from(["ignore", "add", "project"]),
    norm=st.booleans(),
    bias=st.sampled_from([None, True, False]),
    projection=st.booleans(),
    qkv=st.booleans(),
    activation=st.sampled_from(["gelu", "relu", "silu", "gelu_new"]),
    grid=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    patch=st.sampled_from([4, 8, 14]),
)
def test_every_combination_of_options_runs(readout, norm, bias, projection, qkv, activation, grid, patch):
    config = DPTConfig(
        **{**PLAIN, "patch_size": patch, "image_size": 2 * patch},
        readout_type=readout,
        use_batch_norm_in_fusion_residual=norm,
        use_bias_in_fusion_residual=bias,
        add_projection=projection,
        qkv_bias=qkv,
        hidden_act=activation,
    )
    depth = lively(DPTForDepthEstimation(config))(pixels(1, 3, patch * grid[0], patch * grid[1])).predicted_depth
    assert np.isfinite(depth).all()
    assert (depth >= 0).all()
