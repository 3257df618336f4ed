"""The same checkpoint as a transformers module, for whatever minidpt runs.

The only file of the package that imports torch and transformers, and only inside functions: they are the extra
`parity`. Where transformers cannot run a combination as a whole, its own parts are put together here.
"""

import importlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from ..auto_backbone import MODEL_OF
from ..backbones import BackboneConfig
from ..config import DepthAnythingConfig, DPTConfig
from ..errors import CheckpointError, ConfigError, HubError, one_line
from ..pretrained import Opened, PreTrainedModel
from ..schema import read_json

Array = np.ndarray


def library(name: str) -> Any:
    """torch or transformers, or one of their modules; HubError says what to install."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise HubError(
            f"{name.partition('.')[0]} is not installed, and it computes the reference: "
            'pip install "minidpt[parity]"; to check without it, use --against FILE with a recorded reference'
        ) from None


def require() -> None:
    """HubError unless the extra is installed: worth knowing before the work."""
    library("torch")
    library("transformers")


def counterpart(opened: Opened, model: PreTrainedModel, tape: Mapping[str, Array], notes: list[str]) -> Any:
    """The transformers module with the checkpoint's weights; notes gets a line for each thing that it is not."""
    config = model.config
    if isinstance(config, BackboneConfig) and not has_backbone(config):
        raise ConfigError(f"{opened.source.name}: transformers has no {model.architecture} to hold it against")
    weights, values = read(opened, model, notes)
    theirs = eager_config(values, model.encoder)
    if isinstance(config, BackboneConfig):
        return backbone(config, theirs, weights, notes)
    if not runs_whole(model):
        return composed(model, theirs, weights, tape, notes)
    whole = pretrained(getattr(library("transformers"), model.architecture), theirs, weights, notes)
    enlarge_as_config(whole, config)
    return whole


def read(opened: Opened, model: PreTrainedModel, notes: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(tensors for torch by their names on disk, the fields of config.json), as the files hold them.

    A checkpoint that transformers could not read itself (a pickle, its authors' own names) is taken from minidpt's
    memory, which verifies what is computed and not what was read.
    """
    torch, source = library("torch"), opened.source
    original = getattr(opened, "original", None) is not None
    if source.config is not None and not original and all(path.suffix == ".safetensors" for path in source.weights):
        load_file = importlib.import_module("safetensors.torch").load_file
        weights = {name: tensor for path in source.weights for name, tensor in load_file(path).items()}
        return {name: weights[name] for name in opened.found}, read_json(source.config)
    notes.append("not a safetensors file of transformers': it gets the weights and config that minidpt read")
    disk_name = model.disk_name(model.config)
    weights = {disk_name(name): torch.from_numpy(np.array(weight)) for name, weight in model.weights.items()}
    return weights, json.loads(model.config.to_json())


def eager_config(values: dict[str, Any], encoder: Any) -> Any:
    """transformers' config, set to the attention that shows its weights; without a backbone that it does not have."""
    transformers = library("transformers")
    if isinstance(encoder, BackboneConfig) and not has_backbone(encoder):
        values = {key: value for key, value in values.items() if key != "backbone_config"}
    config = transformers.CONFIG_MAPPING[values.get("model_type", "dpt")].from_dict(values)
    for part in (config, getattr(config, "backbone_config", None)):
        if part is not None:
            part._attn_implementation = "eager"
    return config


def pretrained(kind: Any, config: Any, weights: dict[str, Any], notes: list[str]) -> Any:
    """A transformers model with these weights, given under their names on disk."""
    options = {"dtype": library("torch").float32, "attn_implementation": "eager", "output_loading_info": True}
    try:
        model, loading = kind.from_pretrained(None, config=config, state_dict=weights, **options)
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(f"{kind.__name__}: transformers cannot load the weights ({one_line(error)})") from None
    _note_missing(kind.__name__, loading["missing_keys"], notes)
    return model


def has_backbone(config: BackboneConfig) -> bool:
    """Whether transformers has a class for this backbone."""
    return hasattr(library("transformers"), MODEL_OF[type(config)].architecture)


def backbone(config: BackboneConfig, theirs: Any, weights: dict[str, Any], notes: list[str]) -> Any:
    """transformers' class for a backbone alone. The weights may be a larger model's."""
    for prefix in ("backbone.", f"{config.model_type}.", f"{config.model_type.replace('_with_registers', '')}."):
        if any(name.startswith(f"{prefix}embeddings.") for name in weights):
            weights = under(weights, prefix)
    return pretrained(getattr(library("transformers"), MODEL_OF[type(config)].architecture), theirs, weights, notes)


def under(weights: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The tensors whose names begin with the prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}


def _note_missing(what: str, missing: Sequence[str], notes: list[str]) -> None:
    """Say which parameters transformers filled at random. Counters and what never runs do not matter."""
    never_read = ("num_batches_tracked", "layers.0.residual_layer1.", "mask_token", "pooler.")
    names = sorted(name for name in missing if not any(part in name for part in never_read))
    if names:
        notes.append(f"{what}: transformers found no weights for {', '.join(names[:5])}{', ...' * (len(names) > 5)}")


# ---------------------------------------------------------------- what transformers does not run as a whole


def runs_whole(model: PreTrainedModel) -> bool:
    """Whether transformers runs the model by itself.

    Its segmentation ignores backbone_config; its reassemble stage takes exactly one class token before the grid's; of
    Swin V2 alone it knows that the maps need no reassembling; the width inside its depth head is fixed.
    """
    encoder = model.encoder
    if encoder is model.config:
        return True
    if model.architecture == "DPTForSemanticSegmentation":
        return False
    if isinstance(model.config, DPTConfig) and (model.config.head_hidden_size != 32 or model.config.stem_transpose):
        return False
    return encoder.model_type == "swinv2" or (encoder.taps_are == "tokens" and encoder.prefix_tokens == 1)


def composed(
    model: PreTrainedModel, theirs: Any, weights: dict[str, Any], tape: Mapping[str, Array], notes: list[str]
) -> Any:
    """transformers' backbone, neck and head put together; where it has no such backbone, minidpt's taps feed them."""
    torch, config, encoder = library("torch"), model.config, cast(BackboneConfig, model.encoder)
    kind, inner = MODEL_OF[type(encoder)].architecture, None
    if has_backbone(encoder):
        inner = backbone(encoder, theirs.backbone_config, under(weights, "backbone."), notes)
        notes.append(f"transformers does not run this model as a whole: its {kind}, neck and head are put together")
    else:
        notes.append(f"transformers has no {kind}: its decoder is fed with minidpt's own taps")
    own_taps = [torch.from_numpy(tape[f"taps.{i}"]) for i in range(len(config.neck_hidden_sizes))]
    own_taps = [tap.permute(0, 3, 1, 2) if tap.ndim == 4 else tap for tap in own_taps]

    class Composed(torch.nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.config = theirs
            self.backbone = inner
            self.neck = neck(config, theirs)
            self.head = head(model, theirs, notes)

        def forward(self, pixel_values: Any) -> Any:
            taps = own_taps if inner is None else inner(pixel_values).feature_maps
            taps = [tap.to(pixel_values.dtype) for tap in taps]
            grid = [side // encoder.size_multiple for side in pixel_values.shape[-2:]]
            if encoder.taps_are == "maps":
                grid = list(taps[0].shape[-2:])
            if encoder.taps_are != "pyramid":
                taps = [one_class_token(tap, encoder, config.readout) for tap in taps]
            fused = self.neck(taps, *grid)
            if self.head is None:
                return fused
            return self.head(fused, *(grid if isinstance(config, DepthAnythingConfig) else ()))

    whole = Composed()
    enlarge_as_config(whole, config)
    for part in ("neck", "head"):
        if getattr(whole, part) is not None:
            loading = getattr(whole, part).load_state_dict(under(weights, f"{part}."), strict=False)
            _note_missing(part, loading.missing_keys, notes)
    return whole


def one_class_token(tap: Any, encoder: Any, readout: str) -> Any:
    """Tokens as the reassemble stage wants them: one class token, then the grid's.   tap: (N, P + T, D) or (N, D, H, W)

    A map, which has no class token, gets zeros that "ignore" drops; registers go; "add" takes the mean of DeiT's two.
    """
    torch = library("torch")
    if encoder.taps_are == "maps":
        tokens = tap.flatten(2).transpose(1, 2)
        return torch.cat([torch.zeros_like(tokens[:, :1]), tokens], 1)
    first = tap[:, : encoder.class_tokens if readout == "add" else 1].mean(1, keepdim=True)
    return torch.cat([first, tap[:, encoder.prefix_tokens :]], 1)


def neck(config: Any, theirs: Any) -> Any:
    """transformers' neck for the taps of any encoder."""
    torch, encoder = library("torch"), config.encoder
    if isinstance(config, DepthAnythingConfig):
        return library("transformers.models.depth_anything.modeling_depth_anything").DepthAnythingNeck(theirs)
    theirs.readout_type = config.readout
    if getattr(theirs, "backbone_config", None) is None:
        theirs.hidden_size = encoder.tap_channels[0]
    found = library("transformers.models.dpt.modeling_dpt").DPTNeck(theirs)
    if encoder.taps_are == "pyramid":
        found.reassemble_stage = None
        return found
    for layer, channels, width in zip(
        found.reassemble_stage.layers, config.neck_hidden_sizes, encoder.tap_channels, strict=True
    ):
        layer.projection = torch.nn.Conv2d(width, channels, 1)
    return found


def head(model: PreTrainedModel, theirs: Any, notes: list[str]) -> Any:
    """transformers' head, as wide as the config says; None where it has none of the kind."""
    torch, config = library("torch"), model.config
    if isinstance(config, DepthAnythingConfig):
        module = library("transformers.models.depth_anything.modeling_depth_anything")
        return module.DepthAnythingDepthEstimationHead(theirs)
    dpt = library("transformers.models.dpt.modeling_dpt")
    if model.architecture == "DPTForSemanticSegmentation":
        return dpt.DPTSemanticSegmentationHead(theirs)
    if config.stem_transpose:
        notes.append("transformers has no head with transposed convolutions: nothing after fusion is compared")
        return None
    found, half = dpt.DPTDepthEstimationHead(theirs), config.fusion_hidden_size // 2
    found.head[2] = torch.nn.Conv2d(half, config.head_hidden_size, 3, padding=1)
    found.head[4] = torch.nn.Conv2d(config.head_hidden_size, 1, 1)
    return found


def enlarge_as_config(whole: Any, config: Any) -> None:
    """Give DPT's neck Depth Anything's fusion where each step takes the next map's size (MiDaS 3.1 does so too)."""
    upsample = getattr(config, "fusion_upsample", "scale2")
    if isinstance(config, DepthAnythingConfig):
        if upsample != "next_size":
            raise ConfigError(f"fusion_upsample {upsample!r} has no counterpart in transformers' Depth Anything")
        return
    if upsample == "scale2" or not hasattr(whole, "neck"):
        return
    if config.fusion_has_batch_norm or not config.fusion_has_bias:
        raise ConfigError("fusion_upsample 'next_size' has no counterpart in transformers with batch norm or no bias")
    module = library("transformers.models.depth_anything.modeling_depth_anything")
    stage = module.DepthAnythingFeatureFusionStage(whole.neck.config)
    stage.load_state_dict(whole.neck.fusion_stage.state_dict())
    whole.neck.fusion_stage = stage
