"""Distilled DeiT against transformers' DeiTModel, which has no backbone class: alone, and under transformers' decoder.

What transformers lacks is written here from its definition in isl-org's DPT: positions stretched bilinearly, where
DeiTModel stretches them bicubically, and readouts of two class tokens.
"""

import json

import pytest
from checks import assert_close
from safetensors.numpy import load_file, save_file
from tiny import DEIT, pixels

from minidpt import AutoBackbone, DeiTConfig, DPTForDepthEstimation, record

transformers = pytest.importorskip(
    "transformers", reason="transformers is the reference; it comes with the parity extra"
)
torch = pytest.importorskip("torch", reason="torch is the reference; it comes with the parity extra")
from transformers_stages import assert_stages_agree, config_of, lively, unclipped  # noqa: E402

NECK = {"neck_hidden_sizes": [8, 12, 16, 20], "fusion_hidden_size": 24}
SIZES = {  # the grid learnt is 4 x 4
    "the size learnt": (32, 32),
    "wide": (32, 56),
    "tall": (72, 24),
    "as many patches, not square": (16, 64),
    "one patch": (8, 8),
}


@pytest.fixture(autouse=True, scope="module")
def quiet():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def reference_encoder(settings, *, bilinear=True):
    """transformers' DeiTModel; its positions stretched as DPT does it, if `bilinear`."""
    encoder = transformers.DeiTModel(config_of(settings), add_pooling_layer=False)
    embeddings, patch = encoder.embeddings, encoder.config.patch_size

    def stretched(_, height, width):
        of_class, of_grid = embeddings.position_embeddings.tensor_split([2], dim=1)
        side = round(of_grid.shape[1] ** 0.5)
        picture = of_grid.transpose(1, 2).unflatten(2, (side, side))
        size = (height // patch, width // patch)
        picture = torch.nn.functional.interpolate(picture, size, mode="bilinear", align_corners=False)
        return torch.cat([of_class, picture.flatten(2).transpose(1, 2)], dim=1)

    if bilinear:
        embeddings.interpolate_pos_encoding = stretched
    return encoder


class Alone(torch.nn.Module):
    """The encoder, for pictures of any size."""

    def __init__(self, encoder):
        super().__init__()
        self.backbone, self.config = encoder, encoder.config

    def forward(self, pixel_values):
        return self.backbone(
            pixel_values, interpolate_pos_encoding=True, output_hidden_states=True, output_attentions=True
        )


class DepthOnDeiT(Alone):
    """DPT on DeiT: the readouts of two class tokens as isl-org defines them, between transformers' encoder and neck."""

    def __init__(self, encoder, settings):
        super().__init__(encoder)
        shape = {k: v for k, v in DEIT.items() if k not in ("model_type", "out_indices")}
        decoder = transformers.DPTForDepthEstimation(config_of({**shape, **settings}))
        self.config, self.neck, self.head = decoder.config, decoder.neck, decoder.head

    def readout(self, x, level):
        start, kind = 2, self.config.readout_type
        if kind == "ignore":
            return x[:, start:]
        if kind == "add":
            return x[:, start:] + ((x[:, 0] + x[:, 1]) / 2)[:, None]
        class_token = x[:, :1].expand(-1, x.shape[1] - start, -1)
        return self.neck.reassemble_stage.readout_projects[level](torch.cat([x[:, start:], class_token], dim=-1))

    def forward(self, pixel_values):
        grid = [side // self.backbone.config.patch_size for side in pixel_values.shape[-2:]]
        states, maps = super().forward(pixel_values).hidden_states, []
        for level, stage in enumerate(self.backbone.config.out_indices):
            tokens = self.readout(states[stage], level).transpose(1, 2).unflatten(2, grid)
            maps.append(self.neck.convs[level](self.neck.reassemble_stage.layers[level](tokens)))
        return self.head(self.neck.fusion_stage(maps))


def save(reference, settings, folder):
    """The file that DPT on DeiT would have in transformers' format."""
    reference.backbone.save_pretrained(folder)
    tensors = {f"backbone.{name}": x for name, x in load_file(folder / "model.safetensors").items()}
    decoder = {name: x.numpy() for name, x in reference.state_dict().items() if not name.startswith("backbone.")}
    save_file(tensors | decoder, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "dpt", **settings}))


def assert_depth_agrees(settings, size, folder):
    settings = {"backbone_config": DEIT, **NECK, **settings}
    x = pixels(2, 3, *size)
    decoder = {k: v for k, v in settings.items() if k != "backbone_config"}
    theirs = unclipped(lively(DepthOnDeiT(reference_encoder(settings["backbone_config"]), decoder)), x)
    save(theirs, settings, folder)
    ours = DPTForDepthEstimation.from_pretrained(folder)
    assert ours.num_parameters == sum(p.numel() for p in theirs.parameters())
    with record() as tape:
        ours(x)
    rows = assert_stages_agree(theirs, x, tape)
    assert {"embeddings", "blocks.3.mlp", "reassembled.3", "fused.3", "predicted_depth"} <= {row[0] for row in rows}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("readout", ["ignore", "add", "project"])
def test_every_stage_agrees(readout, size, tmp_path):
    assert_depth_agrees({"readout_type": readout}, size, tmp_path)


OPTIONS = {
    "no qkv bias": {"qkv_bias": False},
    "relu and eps": {"hidden_act": "relu", "layer_norm_eps": 1e-3},
    "two heads": {"num_attention_heads": 2},
    "stem tapped": {"out_indices": [0, 1, 3, 4]},
}


@pytest.mark.parametrize("settings", OPTIONS.values(), ids=OPTIONS.keys())
def test_every_stage_agrees_for_every_option(settings, tmp_path):
    assert_depth_agrees({"backbone_config": {**DEIT, **settings}}, (24, 40), tmp_path)


@pytest.mark.parametrize(
    ("size", "bilinear"),
    [((32, 32), False), *((size, True) for size in SIZES.values())],
    ids=["the size learnt, nothing replaced", *SIZES],
)
def test_the_encoder_alone_agrees(size, bilinear, tmp_path):
    x, theirs = pixels(2, 3, *size), lively(Alone(reference_encoder(DEIT, bilinear=bilinear)))
    theirs.backbone.save_pretrained(tmp_path)
    ours = AutoBackbone.from_pretrained(tmp_path)
    with record() as tape:
        out = ours(x, output_hidden_states=True, output_attentions=True)
    assert_stages_agree(theirs, x, tape)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x))
    maps = [expected.hidden_states[stage] for stage in DEIT["out_indices"]]
    for name, references in {
        "feature_maps": maps,
        "hidden_states": expected.hidden_states,
        "attentions": expected.attentions,
    }.items():
        assert len(out[name]) == len(references)
        for i, (mine, reference) in enumerate(zip(out[name], references, strict=True)):
            # both in float32: a few roundings of values up to about 10, through four blocks
            assert_close(mine, reference, atol=1e-4, rtol=1e-4, name=f"{name}[{i}]")


@pytest.mark.parametrize("eps", [1e-12, 1e-6, 1e-3])
def test_trap_2_the_norms_take_their_eps_from_the_config(eps, tmp_path):
    """Tokens a thousandth as large as usual, whose variance an eps of 1e-6 would double."""
    x, theirs = pixels(1, 3, 24, 40), lively(Alone(reference_encoder({**DEIT, "layer_norm_eps": eps})))
    with torch.no_grad():
        for part in theirs.backbone.embeddings.parameters():
            part *= 1e-3
    theirs.backbone.save_pretrained(tmp_path)
    with record() as tape:
        AutoBackbone.from_pretrained(tmp_path)(x)
    assert_stages_agree(theirs, x, tape)


def test_transformers_reads_what_we_save(tmp_path):
    reference_encoder(DEIT).save_pretrained(tmp_path / "theirs")
    AutoBackbone.from_pretrained(tmp_path / "theirs").save_pretrained(tmp_path / "ours")
    again, loading = transformers.DeiTModel.from_pretrained(
        tmp_path / "ours", add_pooling_layer=False, output_loading_info=True
    )
    assert not any(loading.values()), loading
    before = transformers.DeiTModel.from_pretrained(tmp_path / "theirs", add_pooling_layer=False).state_dict()
    for name, weight in again.state_dict().items():
        assert torch.equal(weight, before[name]), name


def test_the_file_of_a_classifier_is_read(tmp_path):
    theirs = lively(transformers.DeiTForImageClassificationWithTeacher(config_of(DEIT)))
    theirs.save_pretrained(tmp_path)
    x = pixels(1, 3, 32, 32)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x), output_hidden_states=True).hidden_states
    for mine, reference in zip(AutoBackbone.from_pretrained(tmp_path)(x).feature_maps, expected[1:], strict=True):
        # both in float32: a few roundings of values up to about 10, through four blocks
        assert_close(mine, reference, atol=1e-4, rtol=1e-4)


def test_defaults_are_those_of_transformers():
    theirs, ours = transformers.DeiTConfig().to_dict(), DeiTConfig().to_dict()
    assert {key: theirs[key] for key in ours if key not in ("out_features", "out_indices")} == {
        key: value for key, value in ours.items() if key not in ("out_features", "out_indices")
    }
